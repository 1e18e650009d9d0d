# GORT_SANITIZE builds the C tests with a sanitizer of the C compiler. The library itself is Rust and stays as it is. It tells
# AddressSanitizer of its stacks and switches, but not ThreadSanitizer, which then reports races that are none.
set(GORT_SANITIZE "" CACHE STRING "Sanitizer for the C tests: address, undefined, thread, or empty")
set_property(CACHE GORT_SANITIZE PROPERTY STRINGS "" address undefined thread)

function(gort_sanitize target)
  if(GORT_SANITIZE STREQUAL "")
    return()
  endif()
  # -O1, the last word on it, compiles in half the time and keeps more variables where a sanitizer sees them.
  set(flags "-fsanitize=${GORT_SANITIZE}" -fno-omit-frame-pointer -O1)
  if(GORT_SANITIZE STREQUAL "undefined")
    # A finding must fail the test, not only print.
    list(APPEND flags -fno-sanitize-recover=all)
  endif()
  target_compile_options(${target} PRIVATE ${flags})
  target_link_options(${target} PRIVATE ${flags})
endfunction()

if(NOT GORT_SANITIZE MATCHES "^(|address|undefined|thread)$")
  message(FATAL_ERROR "GORT_SANITIZE is '${GORT_SANITIZE}'; it may be address, undefined, thread, or empty")
endif()
