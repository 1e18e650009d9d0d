# Tests of select, timers, lifecycle and what looks in, included by CMakeLists.txt behind gort_test's definition. All of them
# share more.h.

# --- select -------------------------------------------------------------------------------------------------------
gort_test(select_basic STATIC)
gort_test(select_default)
gort_test(select_misuse)
gort_test(select_nil)
gort_test(select_close)
gort_test(select_timeout)
gort_test(select_same_chan)
gort_test(select_fair NO_MEMCHECK)
gort_test(select_once)
gort_test(select_threads)
gort_test(select_workers)
gort_test(select_stress LABELS stress TIMEOUT 300)
gort_test(stress_select LABELS stress TIMEOUT 300)

# --- timers --------------------------------------------------------------------------------------------------------
gort_test(timer_basic STATIC)
gort_test(timer_stop_reset)
gort_test(timer_misuse)
gort_test(ticker)
gort_test(after_func)
gort_test(timer_race TIMEOUT 300 LABELS stress)
gort_test(timer_overflow)
gort_test(timer_threads)
gort_test(timer_pingpong)
gort_test(stress_timers LABELS stress TIMEOUT 300)

# --- lifecycle ------------------------------------------------------------------------------------------------------
gort_test(defer_goexit STATIC)
gort_test(lock_os_thread)
gort_test(maxprocs)
gort_test(stop STATIC TIMEOUT 300)
gort_test(fork STATIC NO_MEMCHECK)
gort_test(fork_threads ONCE NO_MEMCHECK)
gort_test(deadlock STATIC TIMEOUT 300)
gort_test(unlockf2)
gort_test(free_after_use)
gort_test(no_alloc STATIC NO_MEMCHECK)

if(CMAKE_CXX_COMPILER)
  gort_test(goroutine_state)
endif()
gort_dl_test(dlclose)

# --- observe ------------------------------------------------------------------------------------------------------
gort_test(dump)
gort_test(dump_slow)
gort_test(dump_on_signal TIMEOUT 300)
gort_test(stats)
