# Tests of contexts, groups and keys, included by CMakeLists.txt behind gort_test's definition. All of them share more.h.
gort_test(contract_scope STATIC ONCE NO_MEMCHECK)

# --- contexts -----------------------------------------------------------------------------------------------------
gort_test(ctx_tree STATIC)
gort_test(ctx_deadline)
gort_test(ctx_done)
gort_test(ctx_hook)
gort_test(ctx_stop ONCE)
gort_test(ctx_race LABELS stress TIMEOUT 300)

# --- groups -------------------------------------------------------------------------------------------------------
gort_test(group STATIC)
gort_test(group_limit)

# --- keys ---------------------------------------------------------------------------------------------------------
gort_test(key STATIC)
gort_test(key_end)
gort_test(key_thread)

# --- all of them --------------------------------------------------------------------------------------------------
gort_test(scope_enomem NO_MEMCHECK)
gort_test(scope_fork NO_MEMCHECK)
gort_test(stress_scope STATIC LABELS stress TIMEOUT 300)
