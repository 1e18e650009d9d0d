"""Channels and select."""

import gc
import threading
import time
import unittest
import weakref

import gort
from support import Case, goroutine, wait_until


class Thing:
    pass


class Channels(Case):
    @goroutine
    def test_order_for_each_capacity(self):
        for capacity in (0, 1, 7, 1000):
            c = gort.Chan(capacity)
            gort.go(lambda c=c: [c.send(i) for i in range(300)] and c.close())
            self.assertEqual(list(c), list(range(300)))

    @goroutine
    def test_try_forms(self):
        c = gort.Chan(1)
        with self.assertRaises(gort.WouldBlock):
            c.try_recv()
        self.assertTrue(c.try_send(None))
        self.assertFalse(c.try_send("no room"))
        self.assertEqual((len(c), c.capacity, bool(c)), (1, 1, True))
        self.assertIsNone(c.try_recv())
        self.assertFalse(gort.Chan().try_send(1))

    @goroutine
    def test_close(self):
        c = gort.Chan(2)
        c.send(1)
        c.close()
        c.close()
        with self.assertRaises(gort.Closed):
            c.send(2)
        with self.assertRaises(gort.Closed):
            c.try_send(2)
        self.assertEqual(c.recv(), 1)
        for recv in (c.recv, c.try_recv):
            with self.assertRaises(gort.Closed):
                recv()
        self.assertEqual(list(c), [])

    @goroutine
    def test_close_wakes_all(self):
        c, ends = gort.Chan(), gort.Chan(6)

        def waits(operation, *args):
            try:
                operation(*args)
            except gort.Closed:
                ends.send(1)

        for _ in range(6):
            gort.go(waits, c.recv)
        gort.sleep(0.01)
        with c:
            pass
        self.assertEqual([ends.recv(timeout=30) for _ in range(6)], [1] * 6)

    def test_timeouts(self):
        def check():
            c = gort.Chan()
            for call in (lambda t: c.recv(timeout=t), lambda t: c.send(Thing(), timeout=t)):
                for timeout in (0.02, 0.0, -1):
                    before = time.monotonic()
                    with self.assertRaises(TimeoutError):
                        call(timeout)
                    self.assertGreaterEqual(time.monotonic() - before, timeout)
            self.assertEqual(c._items, {})
            c = gort.Chan(1)
            c.send(5, timeout=0)
            self.assertEqual(c.recv(timeout=0), 5)
            c.send(5, timeout=1e300)

        check()
        gort.run(check)
        thread = threading.Thread(target=check)
        thread.start()
        thread.join()

    def test_references_are_dropped_once(self):
        def check():
            things = [Thing() for _ in range(10)]
            refs = [weakref.ref(thing) for thing in things]
            alive = [ref() is not None for ref in refs]
            c = gort.Chan(10)
            for thing in things:
                c.send(thing)
            del thing
            things.clear()
            self.assertEqual([ref() is not None for ref in refs], alive)
            c.recv()
            self.assertIsNone(refs[0]())
            c.close()
            self.assertIsNotNone(refs[1]())
            self.assertIs(c.recv(), refs[1]())
            self.assertIsNone(refs[1]())
            with self.assertRaises(gort.Closed):
                c.send(Thing())
            del c
            self.assertFalse([ref for ref in refs if ref()])

        gort.run(check)
        check()

    @goroutine
    def test_references_after_timeouts(self):
        c = gort.Chan()
        thing = Thing()
        ref = weakref.ref(thing)
        with self.assertRaises(gort.TimeoutError):
            c.send(thing, timeout=0.001)
        with self.assertRaises(gort.TimeoutError):
            gort.select([(c, thing), gort.Chan()], timeout=0.001)
        self.assertEqual(gort.select([(c, thing)], default=True).case, -1)
        self.assertFalse(c.try_send(thing))
        del thing
        self.assertIsNone(ref())

    @goroutine
    def test_the_collector_sees_what_is_in_a_channel(self):
        c = gort.Chan(3)
        thing = Thing()
        thing.channel = c
        c.send(thing)
        c.send(c)
        refs = [weakref.ref(thing), weakref.ref(c)]
        del thing, c
        gc.collect()
        self.assertEqual([ref() for ref in refs], [None, None])

    @goroutine
    def test_ping_pong_of_threads_and_goroutines(self):
        a, b = gort.Chan(), gort.Chan()

        def echo():
            for value in a:
                b.send(value + 1)
            b.close()

        thread = threading.Thread(target=echo)
        thread.start()
        for i in range(300):
            a.send(i)
            self.assertEqual(b.recv(), i + 1)
        a.close()
        self.assertEqual(list(b), [])
        gort.blocking(thread.join)

    def test_main_thread_and_a_goroutine(self):
        a, b = gort.Chan(), gort.Chan()
        gort.go(lambda: [b.send(x) for x in a])
        for i in range(300):
            a.send(i)
            self.assertEqual(b.recv(), i)
        a.close()

    def test_misuse(self):
        with self.assertRaises(ValueError):
            gort.Chan(-1)
        with self.assertRaises(MemoryError):
            gort.Chan(2**60)
        with self.assertRaises(TypeError):
            gort._lib.shim["recv"](1)
        with self.assertRaises(TypeError):
            gort._lib.shim["recv"]("x", {}, 0)


class Selects(Case):
    @goroutine
    def test_receives_and_sends(self):
        a, b = gort.Chan(1), gort.Chan(1)
        self.assertEqual(gort.select([a, b], default=True), (-1, None, True))
        b.send("b")
        self.assertEqual(gort.select([a, b]), (1, "b", True))
        self.assertEqual(gort.select([(a, "a"), b]), (0, None, True))
        self.assertEqual(gort.select([a, b]), (0, "a", True))
        with self.assertRaises(gort.TimeoutError):
            gort.select([a, b], timeout=0.01)
        with self.assertRaises(gort.TimeoutError):
            gort.select([], timeout=0.01)

    def test_cases_of_any_kind_and_changed_meanwhile(self):
        a, raw = gort.Chan(1), gort.RawChan("q", 1)
        a.send(5)
        self.assertEqual(gort.select(c for c in (gort.Chan(), a)), (1, 5, True))

        class Clears:
            def __index__(self):
                cases.clear()
                return 7

        cases = [(raw, Clears())]
        self.assertEqual(gort.select(cases), (0, None, True))
        self.assertEqual(raw.recv(), 7)

    @goroutine
    def test_closed(self):
        a, b = gort.Chan(), gort.Chan()
        gort.go(lambda: (gort.sleep(0.01), a.close()))
        self.assertEqual(gort.select([b, a]), (1, None, False))
        with self.assertRaises(gort.Closed):
            gort.select([b, (a, 1)])
        self.assertEqual(a._items, {})

    @goroutine
    def test_waits_for_the_first(self):
        for capacity in (0, 1):
            channels = [gort.Chan(capacity) for _ in range(20)]
            for i in (3, 17):
                gort.go(lambda i=i, channels=channels: (gort.yield_(), channels[i].send(i)))
            got = [gort.select(channels, timeout=30) for _ in range(2)]
            self.assertEqual(sorted(got), [(3, 3, True), (17, 17, True)])

    @goroutine
    def test_fair(self):
        a, b = gort.Chan(1), gort.Chan(1)
        counts = [0, 0]
        for _ in range(400):
            for c in (a, b):
                if len(c) == 0:
                    c.send(None)
            counts[gort.select([a, b]).case] += 1
        self.assertGreater(min(counts), 100)

    @goroutine
    def test_sends_go_once(self):
        c = gort.Chan()
        got = []
        gort.go(lambda: got.extend(c))
        things = [Thing() for _ in range(50)]
        for thing in things:
            gort.select([(c, thing), (c, thing)])
        c.close()
        wait_until(lambda: len(got) == 50)
        self.assertEqual(got, things)
        self.assertEqual(c._items, {})

    @goroutine
    def test_timers_and_contexts_in_it(self):
        before = time.monotonic()
        got = gort.select([gort.Chan(), gort.after(0.02)], timeout=30)
        self.assertEqual(got.case, 1)
        self.assertGreaterEqual(got.value, before + 0.02)
        ctx = gort.Context(timeout=0.01)
        self.assertEqual(gort.select([gort.Chan(), ctx.done], timeout=30), (1, None, False))

    @goroutine
    def test_misuse(self):
        with self.assertRaises(TypeError):
            gort.select([(gort.after(1), 5)])
        with self.assertRaises(AttributeError):
            gort.select([5])
        c = gort.Chan()
        with self.assertRaises(AttributeError):
            gort.select([(c, Thing()), 5])
        self.assertEqual(c._items, {})


if __name__ == "__main__":
    unittest.main()
