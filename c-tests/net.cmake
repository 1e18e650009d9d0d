# Tests of descriptors, included by CMakeLists.txt behind gort_test's definition. All of them share net.h.
gort_test(contract_net STATIC ONCE NO_MEMCHECK)

# qemu knows neither preadv2 nor pwritev2. Without them a write to a blocking pipe blocks its thread, and no deadline ends it: much
# of this is about that. There the tests are built, and not run.
set(gort_net_can_run ${gort_can_run})
if(gort_emulated)
  set(gort_can_run OFF)
endif()

gort_test(net_rw STATIC)
gort_test(net_wait)
gort_test(net_tcp)
gort_test(net_message)
gort_test(net_files)
target_link_libraries(test_net_files PRIVATE util) # openpty
gort_test(net_races)
# Under Valgrind there is no ring.
gort_test(net_ring NO_MEMCHECK)
target_link_libraries(test_net_ring PRIVATE util)
gort_test(net_ring_more NO_MEMCHECK)
if(gort_can_run)
  foreach(name net_files net_ring net_ring_more)
    add_test(NAME ${name}@nouring COMMAND test_${name})
    gort_test_properties(${name}@nouring 60 "" "RT_DEBUG=nouring")
  endforeach()
endif()
gort_test(net_host)
gort_test(net_many SERIAL TIMEOUT 300 LABELS slow)
gort_test(stress_net LABELS stress TIMEOUT 300)

set(gort_can_run ${gort_net_can_run})
