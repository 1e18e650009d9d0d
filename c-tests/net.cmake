# Tests of descriptors, included by CMakeLists.txt behind gort_test's definition. All of them share net.h.
gort_test(contract_net STATIC ONCE)
gort_test(net_rw STATIC)
