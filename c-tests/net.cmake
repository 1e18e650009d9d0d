# Tests of descriptors, included by CMakeLists.txt behind gort_test's definition. All of them share net.h.
gort_test(contract_net STATIC ONCE)
gort_test(net_rw STATIC)
gort_test(net_wait)
gort_test(net_tcp)
gort_test(net_message)
gort_test(net_files)
