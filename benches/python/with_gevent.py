"""The measures of benches/python.py, with gevent."""

import gevent
import gevent.queue
from measure import main, memory, timed


def switch(n: int, workers: int = 100) -> float:
    def work(rounds: int) -> None:
        for _ in range(rounds):
            gevent.sleep(0)

    return timed(lambda: gevent.joinall([gevent.spawn(work, n // workers) for _ in range(workers)]), n)


def switch_pair(n: int) -> float:
    return switch(n, 2)


def pingpong(n: int) -> float:
    def player(a: gevent.queue.Queue, b: gevent.queue.Queue, serves: bool) -> None:
        if serves:
            a.put(0)
        for _ in range(n // 2):
            a.put(b.get() + 1)

    a, b = gevent.queue.Queue(1), gevent.queue.Queue(1)
    return timed(lambda: gevent.joinall([gevent.spawn(player, a, b, True), gevent.spawn(player, b, a, False)]), n)


def spawn(n: int) -> float:
    def nothing() -> None:
        pass

    return timed(lambda: gevent.joinall([gevent.spawn(nothing) for _ in range(n)]), n)


def spawn_each(n: int) -> float:
    def nothing() -> None:
        pass

    def run() -> None:
        for _ in range(n):
            gevent.spawn(nothing).join()

    return timed(run, n)


def parked(n: int) -> float:
    gate = gevent.queue.Queue()
    before = memory()
    kept = [gevent.spawn(gate.get) for _ in range(n)]
    gevent.sleep(0)
    bytes_each = (memory() - before) / len(kept)
    for _ in kept:
        gate.put(None)
    gevent.joinall(kept)
    return bytes_each


main(globals())
