"""The measures of benches/python.py, with asyncio."""

import asyncio

from measure import main, memory, timed


def switch(n: int, workers: int = 100) -> float:
    async def work(rounds: int) -> None:
        for _ in range(rounds):
            await asyncio.sleep(0)

    async def run() -> None:
        tasks = [asyncio.create_task(work(n // workers)) for _ in range(workers)]
        for task in tasks:
            await task

    return timed(lambda: asyncio.run(run()), n)


def switch_pair(n: int) -> float:
    return switch(n, 2)


def pingpong(n: int) -> float:
    async def player(a: asyncio.Queue, b: asyncio.Queue, serves: bool) -> None:
        if serves:
            await a.put(0)
        for _ in range(n // 2):
            await a.put(await b.get() + 1)

    async def run() -> None:
        a, b = asyncio.Queue(1), asyncio.Queue(1)
        tasks = [asyncio.create_task(player(a, b, True)), asyncio.create_task(player(b, a, False))]
        for task in tasks:
            await task

    return timed(lambda: asyncio.run(run()), n)


def spawn(n: int) -> float:
    async def nothing() -> None:
        pass

    async def run() -> None:
        tasks = [asyncio.create_task(nothing()) for _ in range(n)]
        for task in tasks:
            await task

    return timed(lambda: asyncio.run(run()), n)


def spawn_each(n: int) -> float:
    async def nothing() -> None:
        pass

    async def run() -> None:
        for _ in range(n):
            await asyncio.create_task(nothing())

    return timed(lambda: asyncio.run(run()), n)


def parked(n: int) -> float:
    async def run() -> float:
        gate: asyncio.Queue = asyncio.Queue()

        async def wait() -> None:
            await gate.get()

        before = memory()
        kept = [asyncio.create_task(wait()) for _ in range(n)]
        await asyncio.sleep(0)
        bytes_each = (memory() - before) / len(kept)
        for _ in kept:
            gate.put_nowait(None)
        await asyncio.gather(*kept)
        return bytes_each

    return asyncio.run(run())


main(globals())
