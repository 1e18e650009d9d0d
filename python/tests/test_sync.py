"""Locks, counts, contexts, groups, timers, blocking calls."""

import contextvars
import threading
import time
import unittest
from unittest import mock

import gort
from gort import _blocking
from support import Case, goroutine, wait_until

VARIABLE = contextvars.ContextVar("variable", default=0)


class Locks(Case):
    def exclusion(self, lock):
        inside = [0]
        most = [0]

        def body():
            for _ in range(20):
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    gort.yield_()
                    inside[0] -= 1

        threads = [threading.Thread(target=body) for _ in range(2)]
        for thread in threads:
            thread.start()
        goroutines = [gort.go(body) for _ in range(10)]
        for g in goroutines:
            g.join()
        for thread in threads:
            gort.blocking(thread.join)
        self.assertEqual(most[0], 1)

    @goroutine
    def test_exclusion(self):
        for lock in (gort.Mutex(), gort.RLock(), gort.RWMutex(), gort.Semaphore(1)):
            with self.subTest(type(lock).__name__):
                self.exclusion(lock)

    @goroutine
    def test_mutex(self):
        m = gort.Mutex()
        m.lock()
        self.assertFalse(m.try_lock())
        with self.assertRaises(gort.TimeoutError):
            m.lock(timeout=0.01)
        m.unlock()
        with self.assertRaises(RuntimeError):
            m.unlock()
        self.assertTrue(m.try_lock())

    @goroutine
    def test_rlock_belongs_to_a_goroutine(self):
        lock = gort.RLock()
        with lock, lock:
            other = gort.go(lock.lock)
            with self.assertRaises(gort.TimeoutError):
                other.join(timeout=0.02)
        other.join(timeout=30)
        with self.assertRaises(RuntimeError):
            lock.unlock()

    @goroutine
    def test_rlock_does_not_go_over_to_the_next_on_a_runner(self):
        for _ in range(20):
            lock = gort.RLock()
            gort.go(lock.lock).join()
            got = gort.Chan(1)
            gort.go(lambda lock=lock, got=got: got.send(lock.try_lock()))
            self.assertFalse(got.recv())

    def test_rlock_of_threads_and_goroutines(self):
        lock = gort.RLock()
        self.assertTrue(lock.acquire())
        self.assertTrue(lock.acquire(False))
        self.assertTrue(lock.acquire(timeout=0))
        self.assertFalse(gort.run(lock.acquire, False))
        self.assertFalse(gort.run(lock.acquire, True, 0.01))
        with self.assertRaises(RuntimeError):
            gort.run(lock.release)
        for _ in range(3):
            lock.release()
        with self.assertRaises(RuntimeError):
            lock.release()
        self.assertTrue(gort.run(lock.acquire, blocking=False))
        self.assertFalse(lock.acquire(timeout=0.01))
        for wrong in ((False, 1), (True, -2)):
            with self.assertRaises(ValueError):
                lock.acquire(*wrong)

    @goroutine
    def test_readers_together(self):
        lock = gort.RWMutex()
        both = gort.WaitGroup()
        both.add(2)

        def reader():
            with lock.reading():
                both.done()
                both.wait(timeout=30)

        goroutines = [gort.go(reader) for _ in range(2)]
        for g in goroutines:
            g.join()

    @goroutine
    def test_semaphore(self):
        s = gort.Semaphore(2)
        s.acquire()
        s.acquire()
        self.assertFalse(s.try_acquire())
        with self.assertRaises(gort.TimeoutError):
            s.acquire(timeout=0.01)
        gort.go(s.release)
        s.acquire(timeout=30)

    def test_waitgroup(self):
        ended = []
        with gort.WaitGroup() as group:
            for i in range(50):
                group.go(ended.append, i)
        self.assertEqual(len(ended), 50)
        with self.assertRaises(ValueError):
            group.done()
        group.add()
        with self.assertRaises(gort.TimeoutError):
            group.wait(timeout=0.01)
        group.done()
        group.wait()


class Scopes(Case):
    @goroutine
    def test_cancel_goes_down(self):
        with gort.Context() as top:
            below = gort.Context(top)
            self.assertIsNone(below.error())
            self.assertIsNone(below.cause)
            below.check()
            cause = ValueError("why")
            gort.go(top.cancel, cause)
            with self.assertRaises(gort.Closed):
                below.done.recv(timeout=30)
            self.assertIsInstance(below.error(), gort.Canceled)
            self.assertIs(below.cause, cause)
            with self.assertRaises(gort.Canceled):
                below.check()

    @goroutine
    def test_deadlines(self):
        before = time.monotonic()
        top = gort.Context(timeout=0.02)
        below = gort.Context(top, timeout=60)
        self.assertAlmostEqual(below.deadline, before + 0.02, delta=5)
        with self.assertRaises(gort.Closed):
            below.done.recv(timeout=30)
        self.assertGreaterEqual(time.monotonic() - before, 0.02)
        self.assertIsInstance(below.error(), TimeoutError)
        self.assertIsNone(gort.Context().deadline)
        self.assertIsNotNone(gort.Context(deadline=time.monotonic() - 5).error())
        self.assertIsNotNone(gort.Context(timeout=-1).error())

    @goroutine
    def test_done_outlives_its_context(self):
        done = gort.Context(gort.Context(timeout=60)).done
        with self.assertRaises(gort.WouldBlock):
            done.try_recv()
        with self.assertRaises(gort.TimeoutError):
            done.recv(timeout=0.01)

    @goroutine
    def test_group(self):
        ended = []
        with gort.Group() as group:
            for i in range(20):
                group.go(ended.append, i)
        self.assertEqual(len(ended), 20)

    @goroutine
    def test_the_first_error_cancels(self):
        def waits(ctx):
            try:
                ctx.done.recv()
            except gort.Closed:
                seen.append(ctx.cause)
                raise OSError("a consequence") from None

        def fails():
            raise KeyError("first")

        seen = []
        with self.assertRaises(KeyError), gort.Group() as group:
            for _ in range(5):
                group.go(waits, group.ctx)
            group.go(fails)
        self.assertEqual([type(cause) for cause in seen], [KeyError] * 5)

    @goroutine
    def test_an_error_in_the_body_cancels(self):
        with self.assertRaises(ZeroDivisionError), gort.Group() as group:
            g = group.go(lambda: list(group.ctx.done))
            raise ZeroDivisionError
        self.assertTrue(g.done)

    @goroutine
    def test_limit(self):
        inside, most = [0], [0]

        def body():
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            gort.sleep(0.001)
            inside[0] -= 1

        with gort.Group(limit=3) as group:
            for _ in range(20):
                group.go(body)
        self.assertEqual(most[0], 3)


class Times(Case):
    def test_timer(self):
        def check():
            before = time.monotonic()
            timer = gort.Timer(0.02)
            self.assertGreaterEqual(timer.recv(timeout=30), before + 0.02)
            self.assertFalse(timer.stop())
            self.assertFalse(timer.reset(60))
            self.assertTrue(timer.stop())
            with self.assertRaises(gort.WouldBlock):
                timer.try_recv()

        check()
        gort.run(check)

    @goroutine
    def test_ticker(self):
        ticker = gort.Ticker(0.005)
        times = [ticker.recv(timeout=30) for _ in range(5)]
        self.assertEqual(times, sorted(times))
        self.assertGreaterEqual(times[-1] - times[0], 0.015)
        with self.assertRaises(ValueError):
            gort.Ticker(0)

    @goroutine
    def test_after_func(self):
        c = gort.Chan(1)
        later = gort.after_func(0.01, c.send, 5)
        self.assertEqual(c.recv(timeout=30), 5)
        self.assertFalse(later.stop())
        later = gort.after_func(60, c.send, 6)
        self.assertTrue(later.stop())
        self.assertFalse(later.stop())
        later.goroutine.join(timeout=30)
        self.assertEqual(len(c), 0)

    def test_an_after_func_that_fails_is_reported(self):
        self.expect_reports = 1
        gort.after_func(0, [].pop).goroutine.join()
        self.assertEqual(self.reported[0].exc_type, IndexError)


class Blocking(Case):
    @goroutine
    def test_others_go_on(self):
        event = threading.Event()
        gort.go(event.set)
        self.assertTrue(gort.blocking(event.wait, 30))

    @goroutine
    def test_answers_raises_and_inherits(self):
        VARIABLE.set(7)
        self.assertEqual(gort.blocking(lambda: (VARIABLE.get(), gort.current())), (7, None))
        with self.assertRaises(IndexError):
            gort.blocking([].pop)
        with self.assertRaises(SystemExit):
            gort.blocking(exit, 3)

    def test_on_a_plain_thread(self):
        self.assertIs(gort.blocking(threading.current_thread), threading.current_thread())

    @goroutine
    def test_many_at_once(self):
        barrier = threading.Barrier(20, timeout=30)
        with gort.WaitGroup() as group:
            for _ in range(20):
                group.go(gort.blocking, barrier.wait)

    @goroutine
    def test_more_than_there_are_threads(self):
        ended = []
        with gort.WaitGroup() as group:
            for i in range(600):
                group.go(lambda i=i: ended.append(gort.blocking(lambda: (time.sleep(0.001), i)[1])))
        self.assertEqual(sorted(ended), list(range(600)))
        wait_until(lambda: gort.blocking(int) == 0)

    @goroutine
    def test_threads_end_after_more_calls_than_threads(self):
        for name, value in (("MOST_THREADS", 1), ("IDLE_SECONDS", 0.02), ("_pool", _blocking._Pool())):
            self.addCleanup(setattr, _blocking, name, getattr(_blocking, name))
            setattr(_blocking, name, value)
        for _ in range(3):
            goroutines = [gort.go(gort.blocking, time.sleep, 0.001) for _ in range(4)]
            for g in goroutines:
                g.join()
            wait_until(lambda: _blocking._pool._threads == 0)
            self.assertEqual(_blocking._pool._idle, 0)

    @goroutine
    def test_a_call_waits_if_there_is_no_thread_to_be_had(self):
        for name, value in (("IDLE_SECONDS", 0.02), ("_pool", _blocking._Pool())):
            self.addCleanup(setattr, _blocking, name, getattr(_blocking, name))
            setattr(_blocking, name, value)
        gate = threading.Event()
        first = gort.go(gort.blocking, gate.wait)
        wait_until(lambda: _blocking._pool._threads == 1)
        no_thread = mock.patch("threading.Thread.start", side_effect=RuntimeError("no thread"))
        with no_thread:
            ended = []
            rest = [gort.go(lambda: ended.append(gort.blocking(int))) for _ in range(3)]
            wait_until(lambda: _blocking._pool._queue.qsize() == 3)
        gate.set()
        for g in (first, *rest):
            g.join()
        self.assertEqual(ended, [0] * 3)
        wait_until(lambda: _blocking._pool._threads == 0)
        self.assertEqual(_blocking._pool._idle, 0)
        with no_thread, self.assertRaisesRegex(RuntimeError, "no thread"):
            gort.blocking(int)
        self.assertEqual(gort.blocking(int), 0)

    @goroutine
    def test_channels_on_its_thread(self):
        c = gort.Chan()
        gort.go(c.send, 5)
        self.assertEqual(gort.blocking(c.recv, 30), 5)


if __name__ == "__main__":
    unittest.main()
