# Tests of what happens where memory, mappings and threads are not to be had, included by CMakeLists.txt behind gort_test's
# definition. Some run by themselves; the others need a library that was built for faults (feature fault-injection), which is
# made here with assertions on, and is neither installed nor used by anything else. With the target named, cargo keeps it
# apart, and takes what the build needs from where other builds have left it.
gort_test(exhaustion TIMEOUT 300)
gort_test(nproc ONCE NO_MEMCHECK)

if(gort_can_run AND NOT CMAKE_CROSSCOMPILING AND GORT_SANITIZE STREQUAL "")
  set(gort_faults_rustc rustc)
  if(GORT_RUSTC)
    set(gort_faults_rustc "${GORT_RUSTC}")
  endif()
  execute_process(COMMAND "${gort_faults_rustc}" -vV OUTPUT_VARIABLE gort_faults_host COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE ".*\nhost: ([^\n]+)\n.*" "\\1" gort_faults_host "${gort_faults_host}")
  set(gort_faults_cargo_dir "${GORT_CARGO_TARGET_DIR}")
  set(gort_faults_lib_dir "${PROJECT_BINARY_DIR}/lib-faults")
  set(gort_faults_lib "${gort_faults_lib_dir}/${gort_soname}")
  file(MAKE_DIRECTORY "${gort_faults_lib_dir}")
  set(gort_faults_env "CARGO_TARGET_DIR=${gort_faults_cargo_dir}" CARGO_PROFILE_DEV_OPT_LEVEL=1)
  if(GORT_RUSTC)
    list(APPEND gort_faults_env "RUSTC=${GORT_RUSTC}")
  endif()
  add_custom_target(gort_cargo_faults ALL
    COMMAND "${CMAKE_COMMAND}" -E env ${gort_faults_env}
      "${GORT_CARGO}" build --lib --features fault-injection --target ${gort_faults_host} ${GORT_CARGO_FLAGS}
    COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${gort_faults_cargo_dir}/${gort_faults_host}/debug/libgort.so" "${gort_faults_lib}"
    BYPRODUCTS "${gort_faults_lib}"
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    COMMENT "cargo build --features fault-injection"
    USES_TERMINAL
    VERBATIM)
  add_library(gort_faults SHARED IMPORTED)
  set_target_properties(gort_faults PROPERTIES
    IMPORTED_LOCATION "${gort_faults_lib}"
    IMPORTED_SONAME "${gort_soname}"
    INTERFACE_INCLUDE_DIRECTORIES "${PROJECT_SOURCE_DIR}/include")
  add_dependencies(gort_faults gort_cargo_faults)

  foreach(name exhaustion deadlock_faults first_call)
    add_executable(test_${name}_with_faults ${name}.c)
    gort_test_target(test_${name}_with_faults)
    target_link_libraries(test_${name}_with_faults PRIVATE gort_faults)
  endforeach()
  add_test(NAME first_call COMMAND test_first_call_with_faults)
  gort_test_properties(first_call 120 "" "")

  # GORT_WALK_STEP=7 in the environment takes only each seventh.
  add_executable(test_walk walk.c)
  gort_test_target(test_walk)
  target_include_directories(test_walk PRIVATE "${PROJECT_SOURCE_DIR}/include")
  function(gort_walk program)
    foreach(kind ${ARGN})
      add_test(NAME ${program}.${kind} COMMAND test_walk $<TARGET_FILE:test_${program}_with_faults> ${kind})
      gort_test_properties(${program}.${kind} 600 "faults" "")
      set_tests_properties(${program}.${kind} PROPERTIES COST 20)
    endforeach()
  endfunction()
  gort_walk(exhaustion alloc map thread)
  gort_walk(deadlock_faults alloc map)
endif()
