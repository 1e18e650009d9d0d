"""gort: goroutines for Python.

    import gort

    def worker(n, results):
        gort.sleep(n / 1000)
        results.send(n * n)

    def main():
        results = gort.Chan()
        for n in range(10):
            gort.go(worker, n, results)
        return sum(results.recv() for _ in range(10))

    print(gort.run(main))

A goroutine is a Python function that runs beside others on one thread: whenever one waits in a call of this package,
others go on. No `await`: any function may wait, however deep it was called. Every call works on ordinary threads as
well, where it blocks the thread. Goroutines in C share channels with those here (RawChan), and run on other
processors meanwhile.
"""

from . import _exit as _exit
from . import aio
from ._blocking import blocking
from ._chan import Chan, RawChan, Receivable, Selected, select
from ._errors import Canceled, Closed, GortError, TimeoutError, WouldBlock
from ._go import Goroutine, current, go, gosched, run, sleep, yield_
from ._lib import held as _held
from ._lib import lib as _lib_
from ._net import Conn, Listener, dial, listen, wait_readable, wait_writable
from ._scope import Context, Group
from ._sync import Mutex, RLock, RWMutex, Semaphore, WaitGroup
from ._time import Later, Ticker, Timer, after, after_func

__version__: str = _held.rt_version().decode()


def dump(fd: int = 2) -> None:
    """Writes the library's goroutines and what they wait for to a descriptor. Those that run Python are named
    "python".
    """
    _lib_.rt_dump(fd)


__all__ = [
    "Canceled",
    "Chan",
    "Closed",
    "Conn",
    "Context",
    "Goroutine",
    "GortError",
    "Group",
    "Later",
    "Listener",
    "Mutex",
    "RLock",
    "RWMutex",
    "RawChan",
    "Receivable",
    "Selected",
    "Semaphore",
    "Ticker",
    "TimeoutError",
    "Timer",
    "WaitGroup",
    "WouldBlock",
    "after",
    "after_func",
    "aio",
    "blocking",
    "current",
    "dial",
    "dump",
    "go",
    "gosched",
    "listen",
    "run",
    "select",
    "sleep",
    "wait_readable",
    "wait_writable",
    "yield_",
]
