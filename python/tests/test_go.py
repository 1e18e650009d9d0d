"""Goroutines: starting, ending, their order, what belongs to them, what they leave behind."""

import contextlib
import contextvars
import ctypes
import gc
import io
import os
import sys
import threading
import time
import traceback
import unittest
import weakref
from collections import deque
from contextlib import redirect_stderr
from unittest import mock

import gort
from gort import _go
from support import Case, goroutine, script, wait_until

VARIABLE = contextvars.ContextVar("variable", default=0)


class Thing:
    pass


class Go(Case):
    def test_run_answers_and_raises(self):
        self.assertEqual(gort.run(lambda a, b=0: a + b, 1, b=2), 3)
        with self.assertRaises(KeyError):
            gort.run({}.__getitem__, "missing")

    def test_run_keeps_no_descriptors(self):
        def count():
            gc.collect()  # mocks keep what they were called with
            return len(os.listdir("/proc/self/fd"))

        def main(n):
            gort.sleep(0)
            if n % 2:
                raise KeyError(n)

        gort.run(gort.sleep, 0.001)
        before = count()
        for n in range(20):
            with contextlib.suppress(KeyError):
                gort.run(main, n)
            for failing in ("gort._go.go", "gort._go.signal.set_wakeup_fd"):
                with mock.patch(failing, side_effect=MemoryError), self.assertRaises(MemoryError):
                    gort.run(main, n)
        wait_until(lambda: count() <= before)

    def test_an_interrupt_in_go_stops_nobody(self):
        # It may come before or after each step; here it comes in place of a handler of signals.
        def before(*_):
            raise KeyboardInterrupt

        def after(real):
            def call(*args):
                real(*args)
                raise KeyboardInterrupt

            return call

        class Queue(deque):
            append = after(deque.append)

        gate = gort.Chan()
        for name in ("_wake_one", "_spawn"):
            for interrupted in (before, after(getattr(_go, name))):
                with self.subTest(f"{name} {interrupted.__name__}"):
                    started = []
                    waiting = [gort.go(gate.recv) for _ in range(3)]
                    if name == "_spawn":
                        # As many as use up all that are idle.
                        while _go._idle:
                            waiting.append(gort.go(gate.recv))
                            wait_until(lambda: not _go._on_way)
                    else:
                        gort.go(int).join()
                        wait_until(lambda: _go._idle)
                    with mock.patch.object(_go, name, interrupted), self.assertRaises(KeyboardInterrupt):
                        gort.go(started.append, 1)
                    gort.go(started.append, 2).join(timeout=30)
                    self.assertEqual(started[-1], 2)
                    for _ in waiting:
                        gate.send(None)
                    for g in waiting:
                        g.join(timeout=30)
        with mock.patch.object(_go, "_queue", Queue()), self.assertRaises(KeyboardInterrupt):
            gort.go(print)
        self.assertEqual(gort.run(lambda: 5), 5)

    def test_without_memory_for_the_queue_it_says_so(self):
        class Full(deque):
            def append(self, _):
                raise MemoryError

        with mock.patch.object(_go, "_queue", Full()), self.assertRaises(MemoryError):
            gort.go(print)

    @goroutine
    def test_joins_that_give_up_leave_nothing(self):
        gate = gort.Chan()
        g = gort.go(gate.recv)
        others = [gort.go(g.join) for _ in range(3)]
        wait_until(lambda: len(g._joiners or ()) == 3)
        for _ in range(100):
            with self.assertRaises(gort.TimeoutError):
                g.join(timeout=0)
        self.assertEqual(len(g._joiners), 3)
        # Some give up while others are woken.
        impatient = [gort.go(self.joins, g, 0.0005 * i) for i in range(50)]
        gort.sleep(0.01)
        gate.send(None)
        for other in (*others, *impatient):
            other.join(timeout=30)

    def joins(self, g, timeout):
        with contextlib.suppress(gort.TimeoutError):
            g.join(timeout)

    @goroutine
    def test_without_memory_for_runners_nothing_is_lost(self):
        order = []
        local = threading.local()

        def body(i):
            local.x = i
            order.append(i)

        # On the only runner that there will be, after this function of its.
        with mock.patch.object(_go, "_idle", []):
            goroutines = [gort.go(body, i) for i in range(5)]
            with mock.patch.object(_go, "_spawn", side_effect=MemoryError):
                for g in goroutines:
                    g.join(timeout=30)
        self.assertEqual(order, list(range(5)))

    def test_run_on_a_thread(self):
        results = []
        thread = threading.Thread(target=lambda: results.append(gort.run(gort.current).name))
        thread.start()
        thread.join()
        self.assertEqual(len(results), 1)

    @goroutine
    def test_run_on_a_goroutine_is_refused(self):
        with self.assertRaises(RuntimeError):
            gort.run(print)

    @goroutine
    def test_first_come_first_served(self):
        order = []
        goroutines = [gort.go(order.append, i) for i in range(1000)]
        for g in goroutines:
            g.join()
        self.assertEqual(order, list(range(1000)))

    @goroutine
    def test_a_spawned_one_starts_while_the_spawner_waits(self):
        for _ in range(200):
            c = gort.Chan()
            gort.go(c.send, 1)
            self.assertEqual(c.recv(timeout=30), 1)

    @goroutine
    def test_the_rest_starts_while_the_first_waits(self):
        gate = gort.Chan()
        started = []

        def body(i):
            started.append(i)
            gate.recv()

        goroutines = [gort.go(body, i) for i in range(500)]
        wait_until(lambda: len(started) == 500)
        self.assertEqual(started, list(range(500)))
        for _ in range(500):
            gate.send(None)
        for g in goroutines:
            g.join()

    @goroutine
    def test_identity(self):
        me = gort.current()
        self.assertFalse(me.done)
        seen = []

        def body():
            seen.append(gort.current())
            gort.yield_()
            seen.append(gort.current())

        a, b = gort.go(body), gort.go(body)
        a.name = "a"
        a.join()
        b.join()
        self.assertEqual(seen, [a, b, a, b])
        self.assertEqual(repr(a), "<gort.Goroutine a done>")
        self.assertIs(gort.current(), me)
        self.assertGreater(b.id, a.id)

    def test_a_plain_thread_is_no_goroutine(self):
        self.assertIsNone(gort.current())

    @goroutine
    def test_join_with_a_timeout(self):
        gate = gort.Chan()
        g = gort.go(gate.recv)
        with self.assertRaises(gort.TimeoutError):
            g.join(timeout=0.01)
        gate.send(None)
        g.join(timeout=30)
        self.assertTrue(g.done)

    def test_exceptions_go_to_the_hook(self):
        self.expect_reports = 1

        def fails():
            raise ValueError("of a goroutine")

        g = gort.go(fails)
        g.join()
        self.assertEqual(self.reported[0].exc_type, ValueError)
        self.assertIs(self.reported[0].thread, g)
        self.reported[0].exc_value.__traceback__ = None

    def test_the_usual_hook_names_the_goroutine(self):
        threading.excepthook = self.usual_hook
        err = io.StringIO()
        with redirect_stderr(err):
            g = gort.go(lambda: 1 / 0)
            g.name = "divider"
            g.join()
        self.assertIn("Exception in thread divider", err.getvalue())
        self.assertIn("ZeroDivisionError", err.getvalue())

    def test_a_hook_that_fails_is_reported(self):
        threading.excepthook = lambda args: 1 / 0
        err = io.StringIO()
        with redirect_stderr(err):
            gort.go([].pop).join()
        self.assertIn("ZeroDivisionError", err.getvalue())
        self.assertEqual(gort.run(lambda: 5), 5)

    def test_system_exit_ends_a_goroutine_as_a_thread(self):
        threading.excepthook = lambda args: self.reported.append(args) if args.exc_type is not SystemExit else None
        gort.go(sys.exit, 3).join()
        self.assertEqual(gort.run(lambda: 5), 5)

    @goroutine
    def test_context_variables_are_inherited_and_apart(self):
        VARIABLE.set(1)
        seen = []

        def body(i):
            seen.append(VARIABLE.get())
            VARIABLE.set(i)
            gort.yield_()
            seen.append(VARIABLE.get())

        goroutines = [gort.go(body, 10), gort.go(body, 20)]
        for g in goroutines:
            g.join()
        self.assertEqual(seen, [1, 1, 10, 20])
        self.assertEqual(VARIABLE.get(), 1)

    @goroutine
    def test_thread_locals_are_apart_and_begin_empty(self):
        local = threading.local()

        def body(i):
            self.assertFalse(hasattr(local, "x"))
            local.x = Thing()
            gone.append(weakref.ref(local.x))
            mine = local.x
            gort.yield_()
            self.assertIs(local.x, mine)

        gone = []
        for i in range(100):
            gort.go(body, i).join()
        goroutines = [gort.go(body, i) for i in range(100)]
        for g in goroutines:
            g.join()
        wait_until(lambda: not any(ref() for ref in gone))

    @unittest.skipIf(sys.version_info >= (3, 13), "the state holds nothing else there")
    def test_what_others_keep_in_the_thread_stays(self):
        # As asyncio does, up to 3.11: it has a pointer to what it has put there.
        state, borrowed = ctypes.pythonapi.PyThreadState_Get, ctypes.pythonapi.PyThreadState_GetDict
        state.restype = borrowed.restype = ctypes.c_void_p
        local = threading.local()

        def dictionary():
            return ctypes.cast(borrowed(), ctypes.py_object).value

        def first():
            local.x = 1
            dictionary()["key"] = "value"
            dictionary()[5] = 6
            return state()

        def second():
            return state(), hasattr(local, "x"), dictionary().get("key"), dictionary().get(5)

        seen = []
        for _ in range(100):
            one = gort.run(first)
            seen.append(gort.run(second))
            if seen[-1][0] == one:
                break
        self.assertEqual(seen[-1], (one, False, "value", 6))

    @goroutine
    def test_exception_state_is_apart(self):
        def body(error):
            try:
                raise error("x")
            except Exception:
                for _ in range(3):
                    gort.yield_()
                    self.assertIs(sys.exc_info()[0], error)
            self.assertIsNone(sys.exc_info()[0])

        goroutines = [gort.go(body, error) for error in (ValueError, KeyError, OSError)]
        for g in goroutines:
            g.join()

    @goroutine
    def test_generators_and_recursion_that_wait(self):
        def tree(depth):
            if depth == 0:
                gort.yield_()
                yield 1
            else:
                yield from tree(depth - 1)
                yield from tree(depth - 1)

        sums = gort.Chan(10)
        for _ in range(10):
            gort.go(lambda: sums.send(sum(tree(6))))
        self.assertEqual([sums.recv() for _ in range(10)], [64] * 10)

    @goroutine
    def test_deep_recursion_is_an_error_as_elsewhere(self):
        def deep(n):
            return deep(n + 1)

        def deep_in_c(n):
            return list(map(deep_in_c, [n + 1]))

        for f in (deep, deep_in_c):
            with self.assertRaises(RecursionError):
                f(0)
        self.assertEqual(gort.run.__module__, "gort._go")

    @goroutine
    def test_what_ends_lets_go(self):
        thing, result = Thing(), Thing()
        refs = [weakref.ref(thing), weakref.ref(result)]
        g = gort.go(lambda a, b: None, thing, b=result)
        del thing, result
        g.join()
        self.assertEqual([ref() for ref in refs], [None, None])

    def test_a_result_is_let_go(self):
        ref = weakref.ref(gort.run(Thing))
        self.assertIsNone(ref())
        try:
            gort.run([].pop)
        except IndexError as error:
            ref = error.__traceback__
        del ref
        gc.collect()

    def test_sleep_is_never_early(self):
        for seconds in (0, 0.001, 0.02):
            before = time.monotonic()
            gort.run(gort.sleep, seconds)
            self.assertGreaterEqual(time.monotonic() - before, seconds)
            before = time.monotonic()
            gort.sleep(seconds)
            self.assertGreaterEqual(time.monotonic() - before, seconds)

    def test_yield_on_a_plain_thread(self):
        gort.yield_()

    @goroutine
    def test_callbacks_through_c_may_wait(self):
        # qsort calls back into Python, which waits in the middle of it: the C frames stay on this goroutine's stack.
        compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))

        def compare(a, b):
            gort.yield_()
            return a[0] - b[0]

        def sort(seed):
            numbers = [(seed * i) % 101 for i in range(1, 60)]
            array = (ctypes.c_int * len(numbers))(*numbers)
            ctypes.CDLL(None).qsort(array, ctypes.c_size_t(len(numbers)), ctypes.c_size_t(4), compare_type(compare))
            self.assertEqual(list(array), sorted(numbers))

        goroutines = [gort.go(sort, seed) for seed in (7, 11, 13, 17)]
        for g in goroutines:
            g.join()

    @goroutine
    def test_waiting_with_the_lock_held_is_refused(self):
        # Through PyDLL Python's lock is held during the call.
        from gort._lib import check, path

        held = ctypes.PyDLL(path)
        held.rt_sleep.argtypes = [ctypes.c_int64]
        gort.go(gort.yield_)
        with self.assertRaisesRegex(RuntimeError, "GIL"):
            check(held.rt_sleep(1000000))
        held.rt_gosched()
        check(ctypes.CDLL(path).rt_sleep(1))

    @goroutine
    def test_a_callback_on_a_goroutine_of_c_may_not_wait(self):
        # In a program of its own: such a wait would end the process.
        code, out, err = script("""
import ctypes, gort, socket
from gort import _lib
body_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_lib.lib.rt_go.argtypes = [body_type, ctypes.c_void_p]
_lib.lib.rt_go.restype = ctypes.c_int64
said, empty, mutex, pair = gort.Chan(1000), gort.Chan(), gort.Mutex(), socket.socketpair()
mutex.lock()
a = gort.Conn(pair[0])
parked = gort.go(gort.Chan().recv)
waits = (
    lambda: gort.sleep(0.001), gort.yield_, empty.recv, lambda: empty.recv(timeout=1), lambda: empty.send(1),
    lambda: gort.select([empty]), mutex.lock, lambda: mutex.lock(timeout=1), gort.RawChan(8).recv, a.recv,
    lambda: gort.wait_readable(a), lambda: gort.blocking(said.send, "blocking ran"), parked.join,
    lambda: parked.join(timeout=1), lambda: gort.dial("127.0.0.1:1"), lambda: gort.listen("127.0.0.1:0"),
)
def body(_):
    try:
        for wait in waits:
            try: wait(); said.try_send("it waited")
            except RuntimeError: pass
        assert not empty.try_send(1) and not mutex.try_lock() and gort.current() is None
        gort.select([empty], default=True)
        gort.go(said.send, "ok")
    except BaseException as error:
        said.try_send(repr(error))
kept = body_type(body)
for _ in range(50): _lib.lib.rt_go(kept, None)
print({said.recv(timeout=30) for _ in range(50)}, gort.run(lambda: 5))
""")
        self.assertEqual((code, out, err), (0, "{'ok'} 5\n", ""))

    @goroutine
    def test_c_calls_that_release_the_lock_may_wait(self):
        from gort._lib import path

        lib = ctypes.CDLL(path)
        lib.rt_sleep.argtypes = [ctypes.c_int64]
        ended = []

        def body(i):
            for _ in range(20):
                self.assertEqual(lib.rt_sleep(100000), 0)
            ended.append(i)

        goroutines = [gort.go(body, i) for i in range(20)]
        for g in goroutines:
            g.join()
        self.assertEqual(sorted(ended), list(range(20)))

    def test_many_at_once_from_threads(self):
        counts = gort.Chan(100)

        def spawner():
            for _ in range(500):
                gort.go(counts.send, 1)

        threads = [threading.Thread(target=spawner) for _ in range(4)]
        for thread in threads:
            thread.start()
        self.assertEqual(sum(counts.recv(timeout=60) for _ in range(2000)), 2000)
        for thread in threads:
            thread.join()

    @goroutine
    def test_python_shows_the_frames_of_each(self):
        def waits_here():
            started.append(1)
            gate.recv()

        gate, started = gort.Chan(), []
        goroutines = [gort.go(waits_here) for _ in range(10)]
        wait_until(lambda: len(started) == 10)
        frames = [traceback.extract_stack(frame) for frame in sys._current_frames().values()]
        self.assertEqual(sum("waits_here" in {entry.name for entry in stack} for stack in frames), 10)
        gate.close()
        self.expect_reports = 10
        for g in goroutines:
            g.join()

    @goroutine
    def test_trace_functions_see_goroutines(self):
        called = []

        def trace(frame, event, arg):
            called.append(frame.f_code.co_name)

        def traced():
            started.append(1)
            gate.recv()

        gate, started = gort.Chan(), []
        threading.settrace(trace)
        try:
            # So many that a fresh runner is among them.
            goroutines = [gort.go(traced) for _ in range(300)]
            wait_until(lambda: len(started) == 300)
        finally:
            threading.settrace(None)
        for _ in goroutines:
            gate.send(None)
        for g in goroutines:
            g.join()
        self.assertIn("traced", called)


if __name__ == "__main__":
    unittest.main()
