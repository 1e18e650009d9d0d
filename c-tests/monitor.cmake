# Tests of the monitor and of what is taken from goroutines, included by CMakeLists.txt behind gort_test's definition.
# Those that measure times run alone: a neighbour's load would be theirs.
gort_test(retake NO_MEMCHECK SERIAL TIMEOUT 300)
gort_test(hogs NO_MEMCHECK SERIAL)
gort_test(burners NO_MEMCHECK SERIAL TIMEOUT 300)
gort_test(slices ONCE NO_MEMCHECK SERIAL)
gort_test(blocking STATIC NO_MEMCHECK SERIAL)
gort_test(cooperative STATIC ONCE)
gort_test(max_threads ONCE NO_MEMCHECK TIMEOUT 300)
gort_test(stress_retake LABELS stress TIMEOUT 300)
gort_test(hog_report ONCE SERIAL NO_MEMCHECK)

# As if the kernel had no membarrier: an entry has a fence of its own then.
if(gort_can_run)
  foreach(name hogs retake stress_retake)
    add_test(NAME ${name}@nomembarrier COMMAND test_${name})
  endforeach()
  gort_test_properties(hogs@nomembarrier 120 "" "RT_DEBUG=nomembarrier")
  gort_test_properties(retake@nomembarrier 300 "" "RT_DEBUG=nomembarrier")
  gort_test_properties(stress_retake@nomembarrier 300 "stress" "RT_DEBUG=nomembarrier")
  set_tests_properties(hogs@nomembarrier retake@nomembarrier PROPERTIES RUN_SERIAL ON)
endif()
