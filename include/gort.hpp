// gort for C++17: goroutines, channels, select, timers, locks, contexts and groups over the C ABI of gort.h. Header-only;
// link libgort.
//
//     gort::run([] {
//         auto lines = gort::make_chan<std::string>(16);
//         gort::go([lines] {
//             for (int i = 0; i < 3; i++) lines.send("line " + std::to_string(i));
//             lines.close();
//         });
//         for (auto& line : lines) std::puts(line.c_str());
//     });
//
// WHAT THROWS. What happens in a correct program is a result: a channel is closed, full or empty, time is over, a lock
// is taken. Such calls answer bool, std::optional or gort::status. What is a mistake or lacks resources throws
// gort::error: RT_EINVAL (an impossible argument), RT_EPERM (not here, or not in this state), RT_ENOMEM, RT_ECANCELED
// (the runtime is being stopped), RT_EDEADLK (run alone). A call that throws gort::error has done nothing, except where
// it says otherwise. Memory that this header itself allocates throws std::bad_alloc, the caller's own copies and moves
// throw what they throw. A lock guard whose unlock throws (RT_EPERM: it was not locked) ends the process.
// With -fno-exceptions every error ends the process with one line, and exit_goroutine runs no destructors; build all
// files of a program the same way. RTTI is not needed.
//
// WHO BLOCKS. Any thread may make any call. Where a call "blocks", it parks a goroutine, and blocks any other thread.
// After it a goroutine may go on on another thread: keep no reference to a thread_local across it. Catch blocks may be
// open and exceptions in flight across it.
//
// WHAT LEAVES A GOROUTINE. An exception that leaves the function of a goroutine (of a timer, a hook, a group, a
// goroutine's defer, as well) ends the process with one line. Only exit_goroutine's is caught, by the goroutine's first frame.
//
// TIME. Durations round up to nanoseconds; what overflows is forever. A timeout of zero or less is over already: what
// can go at once goes, the rest has timed out.
//
// C calls and these mix freely, on the same objects too: native_handle() is the C object.
#ifndef GORT_HPP
#define GORT_HPP

#include <gort/base.hpp>
#include <gort/blocking.hpp>
#include <gort/chan.hpp>
#include <gort/context.hpp>
#include <gort/goroutine.hpp>
#include <gort/group.hpp>
#include <gort/local.hpp>
#include <gort/select.hpp>
#include <gort/sync.hpp>
#include <gort/time.hpp>
#include <gort/timer.hpp>

#endif  // GORT_HPP
