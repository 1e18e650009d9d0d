"""All at once: goroutines and threads that recurse, raise, generate, wait, and are collected, at random.

GORT_SEED chooses, GORT_REPETITIONS says how often (100).
"""

import contextlib
import gc
import os
import random
import sys
import threading
import unittest

import gort
from support import Case

SEED = int(os.environ.get("GORT_SEED", 0)) or random.randrange(2**32)
REPETITIONS = int(os.environ.get("GORT_REPETITIONS", 100))


class Unwound(Exception):
    pass


class Round:
    """One repetition: workers exchange numbered values over a few channels, until each has done its part."""

    def __init__(self, seed):
        rng = random.Random(seed)
        self.channels = [gort.Chan(rng.choice([0, 0, 1, 5])) for _ in range(3)]
        self.seeds = [rng.randrange(2**32) for _ in range(8)]
        self.mutex = gort.Mutex()
        self.inside = 0
        self.sent = [0] * 8
        self.got = [0] * 8
        self.errors = []

    def descend(self, rng, depth):
        """Recurses, waits at the bottom and on the way, and leaves by an exception or by a return."""
        if depth == 0:
            gort.yield_()
            if rng.random() < 0.3:
                raise Unwound(rng.random())
            return 0
        if rng.random() < 0.1:
            gort.yield_()
        if rng.random() < 0.3:
            return sum(map(lambda n: self.descend(rng, n), [depth - 1])) + 1
        try:
            return self.descend(rng, depth - 1) + 1
        except Unwound:
            if rng.random() < 0.1:
                gort.sleep(rng.random() * 0.0001)
            raise

    def values(self, rng, n):
        """A generator that waits."""
        for _ in range(n):
            gort.yield_()
            yield rng.randrange(1, 100)

    def work(self, i):
        try:
            rng = random.Random(self.seeds[i])
            for value in self.values(rng, 12):
                self.step(rng, i, value)
        except BaseException as error:
            self.errors.append(error)

    def step(self, rng, i, value):
        what = rng.randrange(7)
        a, b = rng.sample(self.channels, 2)
        if what == 0:
            try:
                self.descend(rng, rng.randrange(30))
            except Unwound:
                gort.yield_()
                assert sys.exc_info()[0] is Unwound
        elif what == 1:
            with self.mutex:
                self.inside += 1
                assert self.inside == 1
                gort.yield_()
                self.inside -= 1
        elif what == 2:
            with contextlib.suppress(gort.TimeoutError):
                a.send([value], timeout=rng.random() * 0.0005)
                self.sent[i] += value
        elif what == 3:
            with contextlib.suppress(gort.TimeoutError):
                value = a.recv(timeout=rng.random() * 0.0005)[0]
                self.got[i] += value
        elif what == 4:
            chosen = gort.select([a, (b, [value]), gort.after(rng.random() * 0.0005)])
            if chosen.case == 0:
                self.got[i] += chosen.value[0]
            elif chosen.case == 1:
                self.sent[i] += value
        elif what == 5:
            ring = [self.channels]
            ring.append(ring)
            if rng.random() < 0.05:
                gc.collect(0)
        else:
            assert gort.blocking(lambda: value + 1) == value + 1

    def run(self):
        threads = [threading.Thread(target=self.work, args=[i]) for i in (6, 7)]
        for thread in threads:
            thread.start()
        goroutines = [gort.go(self.work, i) for i in range(6)]
        for g in goroutines:
            g.join()
        for thread in threads:
            thread.join()
        left = 0
        for c in self.channels:
            c.close()
            left += sum(value[0] for value in c)
            assert not c._items
        assert not self.errors, self.errors
        assert sum(self.sent) == sum(self.got) + left


class Stress(Case):
    def test_repetitions(self):
        print(f"GORT_SEED={SEED}", file=sys.stderr)
        for repetition in range(REPETITIONS):
            Round(SEED + repetition).run()

    def test_a_hundred_thousand_wait_at_once(self):
        count = int(os.environ.get("GORT_MANY", 100_000))
        gate, gathered, ended = gort.Chan(), gort.WaitGroup(), gort.WaitGroup()
        total = [0]

        def waits(i):
            gathered.done()
            value = gate.recv() + i
            total[0] += value
            ended.done()

        def main():
            gathered.add(count)
            ended.add(count)
            for i in range(count):
                gort.go(waits, i)
            gathered.wait(timeout=120)
            for _ in range(count):
                gate.send(1)
            ended.wait(timeout=120)

        gort.run(main)
        self.assertEqual(total[0], count * (count - 1) // 2 + count)


if __name__ == "__main__":
    unittest.main()
