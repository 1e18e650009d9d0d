# Installs the build into a fresh prefix, moves it away from where it was installed, and uses it there in three ways: by
# find_package with the shared and the static library, and by pkg-config. Run with cmake -P; see CMakeLists.txt.

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${result} from: ${command}")
  endif()
endfunction()

set(installed "${WORK_DIR}/installed")
set(prefix "${WORK_DIR}/moved")
set(build "${WORK_DIR}/build")
file(REMOVE_RECURSE "${WORK_DIR}")
file(MAKE_DIRECTORY "${WORK_DIR}")

run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${installed}")
# The package must not depend on the place that it was installed to.
file(RENAME "${installed}" "${prefix}")
foreach(file include/gort.h include/gort.hpp include/gort/chan.hpp
    ${LIBDIR}/libgort.so.${VERSION} ${LIBDIR}/libgort.so ${LIBDIR}/libgort.a
    ${LIBDIR}/cmake/gort/gortConfig.cmake ${LIBDIR}/cmake/gort/gortConfigVersion.cmake ${LIBDIR}/pkgconfig/gort.pc)
  if(NOT EXISTS "${prefix}/${file}")
    message(FATAL_ERROR "not installed: ${file}")
  endif()
endforeach()

set(cross "")
if(TOOLCHAIN_FILE)
  list(APPEND cross "-DCMAKE_TOOLCHAIN_FILE=${TOOLCHAIN_FILE}")
elseif(CROSSCOMPILING)
  list(APPEND cross "-DCMAKE_SYSTEM_NAME=${SYSTEM_NAME}" "-DCMAKE_SYSTEM_PROCESSOR=${SYSTEM_PROCESSOR}")
endif()
if(EMULATOR)
  # A list, which no argument of a command survives as one.
  file(WRITE "${WORK_DIR}/emulator.cmake" "set(CMAKE_CROSSCOMPILING_EMULATOR \"${EMULATOR}\" CACHE STRING \"\")\n")
  list(APPEND cross -C "${WORK_DIR}/emulator.cmake")
endif()
run("${CMAKE_COMMAND}" -S "${SOURCE_DIR}" -B "${build}" -G "${GENERATOR}" "-DCMAKE_MAKE_PROGRAM=${MAKE_PROGRAM}"
  "-DCMAKE_C_COMPILER=${C_COMPILER}" "-Dgort_ROOT=${prefix}" "-DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=BOTH"
  "-DWANT_VERSION=${VERSION}" ${cross})
run("${CMAKE_COMMAND}" --build "${build}")

set(can_run ON)
if(CROSSCOMPILING AND NOT EMULATOR)
  set(can_run OFF)
endif()
if(can_run)
  foreach(kind gort gort_static)
    run(${EMULATOR} "${build}/consumer_${kind}" "${VERSION}")
  endforeach()
endif()

if(NOT PKG_CONFIG)
  message(STATUS "pkg-config is missing: that way is not tried")
  return()
endif()
set(ENV{PKG_CONFIG_PATH} "${prefix}/${LIBDIR}/pkgconfig")
set(ENV{PKG_CONFIG_LIBDIR} "${prefix}/${LIBDIR}/pkgconfig")
function(pkg_config result)
  execute_process(COMMAND "${PKG_CONFIG}" ${ARGN} gort
    OUTPUT_VARIABLE out RESULT_VARIABLE status OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "pkg-config ${ARGN} gort fails")
  endif()
  set(${result} "${out}" PARENT_SCOPE)
endfunction()

pkg_config(version --modversion)
if(NOT version STREQUAL VERSION)
  message(FATAL_ERROR "gort.pc says version ${version}, want ${VERSION}")
endif()
pkg_config(shared_flags --cflags --libs)
separate_arguments(shared_flags UNIX_COMMAND "${shared_flags}")
run("${C_COMPILER}" -std=c11 -Wall -Wextra -Werror "${SOURCE_DIR}/main.c" ${shared_flags}
  "-Wl,-rpath,${prefix}/${LIBDIR}" -o "${build}/by_pkg_config")
# All parts of the C++ header are there.
if(CXX_COMPILER)
  pkg_config(include_flags --cflags)
  separate_arguments(include_flags UNIX_COMMAND "${include_flags}")
  file(WRITE "${build}/header.cpp" "#include <gort.hpp>\n")
  run("${CXX_COMPILER}" -std=c++17 -Wall -Wextra -Werror -fsyntax-only "${build}/header.cpp" ${include_flags})
endif()
# The private libraries are enough for the static one.
pkg_config(static_flags --static --cflags --libs)
separate_arguments(static_flags UNIX_COMMAND "${static_flags}")
list(TRANSFORM static_flags REPLACE "^-lgort$" "-l:libgort.a")
run("${C_COMPILER}" -std=c11 -Wall -Wextra -Werror "${SOURCE_DIR}/main.c" ${static_flags}
  -o "${build}/by_pkg_config_static")
if(can_run)
  run(${EMULATOR} "${build}/by_pkg_config" "${VERSION}")
  run(${EMULATOR} "${build}/by_pkg_config_static" "${VERSION}")
endif()
