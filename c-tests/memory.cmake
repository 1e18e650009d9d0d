# Memory: a million parked, what is given back, and what happens when there is no more.

gort_test(parked ONCE NO_MEMCHECK SERIAL TIMEOUT 300 LABELS slow)
gort_test(guard_fallback ONCE NO_MEMCHECK SERIAL LABELS slow)
gort_test(stack_trim NO_MEMCHECK)
gort_test(memory_limit ONCE NO_MEMCHECK)
gort_test(stress_stacks LABELS stress TIMEOUT 300)
