"""Channels awaited by asyncio."""

import asyncio
import random
import sys
import unittest

import gort
from support import Case, wait_until


class Aio(Case):
    def test_both_directions(self):
        async def main():
            a, b = gort.Chan(), gort.Chan(2)
            gort.go(lambda: [b.send(x * x) for x in a] and b.close())
            got = []
            for i in range(100):
                await gort.aio.send(a, i)
                got.append(await gort.aio.recv(b))
            a.close()
            with self.assertRaises(gort.Closed):
                await gort.aio.recv(b)
            with self.assertRaises(gort.Closed):
                await gort.aio.send(a, 1)
            self.assertEqual(got, [i * i for i in range(100)])

        asyncio.run(main())

    def test_the_loop_goes_on(self):
        async def main():
            c = gort.Chan()
            task = asyncio.ensure_future(gort.aio.recv(c))
            for _ in range(5):
                await asyncio.sleep(0.001)
            gort.go(c.send, 5)
            self.assertEqual(await asyncio.wait_for(task, 30), 5)
            self.assertEqual(c._lent, 0)

        asyncio.run(main())

    def test_timers_and_memory(self):
        async def main():
            await gort.aio.recv(gort.after(0.01))
            c = gort.RawChan("q")
            gort.go(c.send, 5)
            self.assertEqual(await gort.aio.recv(c), 5)
            gort.go(lambda: c.send(c.recv() + 1))
            await gort.aio.send(c, 6)
            self.assertEqual(await gort.aio.recv(c), 7)

        asyncio.run(main())

    def test_cancelled_before_anything_came(self):
        async def main():
            c = gort.Chan()
            for receive in (True, False):
                task = asyncio.ensure_future(gort.aio.recv(c) if receive else gort.aio.send(c, 1))
                await asyncio.sleep(0.005)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
            while c._lent:
                await asyncio.sleep(0.001)
            self.assertFalse(await asyncio.get_running_loop().run_in_executor(None, c.try_send, 5))

        asyncio.run(main())

    def lossless(self, capacity, seed):
        """Tasks are cancelled at random moments; every value comes to somebody, once."""
        rng = random.Random(seed)
        c = gort.Chan(capacity)
        got = []
        count = 300

        def sender():
            for i in range(count):
                c.send(i)
                if i % 7 == 0:
                    gort.sleep(0.0003)
            c.close()

        async def main():
            gort.go(sender)
            while len(got) < count:
                tasks = [asyncio.ensure_future(gort.aio.recv(c)) for _ in range(3)]
                await asyncio.sleep(rng.random() * 0.0005)
                for task in tasks:
                    task.cancel()
                outcomes = await asyncio.gather(*tasks, return_exceptions=True)
                got.extend(x for x in outcomes if isinstance(x, int))
                if any(isinstance(x, gort.Closed) for x in outcomes):
                    break

        asyncio.run(main())
        got.extend(c)
        self.assertEqual(sorted(got), list(range(count)))
        self.assertEqual((c._items, c._lent), ({}, 0))

    def test_cancellation_loses_nothing(self):
        seed = random.randrange(2**32)
        print(f"seed {seed}", file=sys.stderr)
        for capacity in (0, 1, 10):
            self.lossless(capacity, seed + capacity)

    def test_given_back_values_are_seen_by_everybody(self):
        def check():
            c = gort.Chan(1)
            c._front.extend([1, 2, 3, 4])
            self.assertEqual(len(c), 4)
            self.assertEqual((c.recv(), c.try_recv(), gort.select([c]).value), (1, 2, 3))
            c.close()
            self.assertEqual(list(c), [4])

        check()
        gort.run(check)

    def test_a_loop_that_is_gone(self):
        c = gort.Chan()
        loop = asyncio.new_event_loop()

        async def main():
            tasks.append(asyncio.ensure_future(gort.aio.recv(c)))
            await asyncio.sleep(0.005)

        tasks = []
        loop.run_until_complete(main())
        loop.close()
        # The goroutine receives it, finds no loop to tell, and gives it back.
        c.send(5, timeout=30)
        self.assertEqual(c.recv(timeout=30), 5)
        wait_until(lambda: not c._lent)
        tasks[0]._log_destroy_pending = False

    def test_a_loop_that_ends_cancels(self):
        c = gort.Chan()

        async def main():
            kept.append(asyncio.ensure_future(gort.aio.recv(c)))
            await asyncio.sleep(0.005)

        kept = []
        asyncio.run(main())
        wait_until(lambda: not c._lent)
        gort.go(c.send, 5)
        self.assertEqual(c.recv(timeout=30), 5)


if __name__ == "__main__":
    unittest.main()
