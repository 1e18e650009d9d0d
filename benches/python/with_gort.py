"""The measures of benches/python.py, with gort."""

import gort
from measure import main, memory, timed


def switch(n: int, workers: int = 100) -> float:
    def work(rounds: int) -> None:
        for _ in range(rounds):
            gort.yield_()

    def run() -> None:
        goroutines = [gort.go(work, n // workers) for _ in range(workers)]
        for g in goroutines:
            g.join()

    return timed(lambda: gort.run(run), n)


def switch_pair(n: int) -> float:
    return switch(n, 2)


def pingpong(n: int) -> float:
    def player(a: gort.Chan, b: gort.Chan, serves: bool) -> None:
        if serves:
            a.send(0)
        for _ in range(n // 2):
            a.send(b.recv() + 1)

    def run() -> None:
        a, b = gort.Chan(1), gort.Chan(1)
        goroutines = [gort.go(player, a, b, True), gort.go(player, b, a, False)]
        for g in goroutines:
            g.join()

    return timed(lambda: gort.run(run), n)


def spawn(n: int) -> float:
    def nothing() -> None:
        pass

    def run() -> None:
        goroutines = [gort.go(nothing) for _ in range(n)]
        for g in goroutines:
            g.join()

    return timed(lambda: gort.run(run), n)


def spawn_each(n: int) -> float:
    def nothing() -> None:
        pass

    def run() -> None:
        for _ in range(n):
            gort.go(nothing).join()

    return timed(lambda: gort.run(run), n)


def parked(n: int) -> float:
    gate, there = gort.Chan(), gort.WaitGroup()

    def wait() -> None:
        there.done()
        gate.recv()

    def run() -> float:
        there.add(n)
        before = memory()
        kept = [gort.go(wait) for _ in range(n)]
        there.wait()
        bytes_each = (memory() - before) / len(kept)
        for _ in kept:
            gate.send(None)
        return bytes_each

    return gort.run(run)


main(globals())
