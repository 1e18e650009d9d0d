# Tests of what a host of another language asks for, included by CMakeLists.txt behind gort_test's definition.
gort_test(hooks STATIC TIMEOUT 300)
gort_test(home STATIC TIMEOUT 300)
gort_test(stress_home LABELS stress TIMEOUT 300)
