"""Locks and counts. On a goroutine their waits let others run; on a plain thread they block it, with Python's lock
released.
"""

from __future__ import annotations

import threading
from typing import Any, Callable

from . import _go
from ._errors import TimeoutError, raise_code
from ._go import Goroutine, current_at, go
from ._lib import FOREVER, MUTEX, NOWAIT, READER, SEMAPHORE, WAITGROUP, WRITER, Memory, check, held, nanoseconds, shim

_wait, _wake, _goid = shim["wait"], shim["wake"], shim["goid"]


class Mutex(Memory):
    """A lock that one may hold. Whoever unlocks it need not be who locked it."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(2)

    def lock(self, timeout: float | None = None) -> None:
        """Locks it, waiting until it is free; raises TimeoutError after `timeout` seconds."""
        code = _wait(MUTEX, self.at, FOREVER if timeout is None else nanoseconds(timeout))
        if code:
            raise_code(code)

    def try_lock(self) -> bool:
        """Locks it if it is free."""
        return bool(_wait(MUTEX, self.at, NOWAIT) == 0)

    def unlock(self) -> None:
        """Unlocks it; RuntimeError if it is not locked."""
        code = _wake(MUTEX, self.at)
        if code:
            raise_code(code)

    def __enter__(self) -> None:
        code = _wait(MUTEX, self.at, FOREVER)
        if code:
            raise_code(code)

    def __exit__(self, *_: object) -> None:
        self.unlock()


def _caller() -> object:
    """Who calls: a Goroutine; or a number, which is negative for a plain thread, and positive on a goroutine that C has
    started. The number of a runner would not do: it runs many functions.
    """
    goid = _goid()
    return current_at(goid) or goid if goid else -threading.get_ident()


class RLock:
    """A lock that its holder, a goroutine or a plain thread, may lock again. threading.RLock takes all goroutines for
    one.
    """

    __slots__ = ("_depth", "_holder", "_mutex")

    def __init__(self) -> None:
        self._mutex = Mutex()
        self._holder: object = None
        self._depth = 0

    def lock(self, timeout: float | None = None) -> None:
        """As Mutex.lock; the holder has it again at once."""
        me = _caller()
        if self._holder != me:
            self._mutex.lock(timeout)
            self._holder = me
        self._depth += 1

    def try_lock(self) -> bool:
        """Locks it if it is free, or the caller's."""
        me = _caller()
        if self._holder != me:
            if not self._mutex.try_lock():
                return False
            self._holder = me
        self._depth += 1
        return True

    def unlock(self) -> None:
        """Takes one lock back; RuntimeError if another holds it, or nobody."""
        if self._holder != _caller():
            raise RuntimeError("the lock is not held by its caller")
        self._depth -= 1
        if self._depth == 0:
            self._holder = None
            self._mutex.unlock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As threading.RLock.acquire: False if it can't be had, or not in time."""
        if not blocking:
            if timeout != -1:
                raise ValueError("can't specify a timeout for a non-blocking call")
            return self.try_lock()
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        try:
            self.lock(None if timeout == -1 else timeout)
        except TimeoutError:
            return False
        return True

    release = unlock

    def __enter__(self) -> None:
        self.lock()

    def __exit__(self, *_: object) -> None:
        self.unlock()


class _Reading:
    __slots__ = ("_lock",)

    def __init__(self, lock: RWMutex) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.rlock()

    def __exit__(self, *_: object) -> None:
        self._lock.runlock()


class RWMutex(Memory):
    """A lock that many may hold for reading (`with lock.reading():`), or one for writing (`with lock:`). A writer
    that waits holds back new readers.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(6)

    def lock(self) -> None:
        """Locks it for writing."""
        check(_wait(WRITER, self.at, FOREVER))

    def unlock(self) -> None:
        check(_wake(WRITER, self.at))

    def rlock(self) -> None:
        """Locks it for reading."""
        check(_wait(READER, self.at, FOREVER))

    def runlock(self) -> None:
        check(_wake(READER, self.at))

    def reading(self) -> _Reading:
        return _Reading(self)

    def __enter__(self) -> None:
        self.lock()

    def __exit__(self, *_: object) -> None:
        self.unlock()


class Semaphore(Memory):
    """A count of units: `acquire` takes one, waiting for it, first come, first served; `release` gives one."""

    __slots__ = ()

    def __init__(self, units: int = 1) -> None:
        super().__init__(4)
        check(held.rt_sema_init(self.at, units))

    def acquire(self, timeout: float | None = None) -> None:
        """Takes a unit; raises TimeoutError after `timeout` seconds."""
        check(_wait(SEMAPHORE, self.at, nanoseconds(timeout)))

    def try_acquire(self) -> bool:
        return bool(_wait(SEMAPHORE, self.at, NOWAIT) == 0)

    def release(self) -> None:
        check(_wake(SEMAPHORE, self.at))

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class WaitGroup(Memory):
    """A count to wait for: at the end of a `with` statement it waits."""

    __slots__ = ()

    def add(self, n: int = 1) -> None:
        """Raises the count; ValueError if that would bring it below zero."""
        check(held.rt_waitgroup_add(self.at, n))

    def done(self) -> None:
        """Lowers the count by one."""
        check(_wake(WAITGROUP, self.at))

    def go(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Goroutine:
        """Runs a function as a goroutine that counts until it has ended."""
        self.add()
        try:
            return go(self._run, fn, args, kwargs)
        except BaseException:
            self.done()
            raise

    def _run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            fn(*args, **kwargs)
        finally:
            if not _go.forked_inside:
                self.done()

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the count is zero; raises TimeoutError after `timeout` seconds."""
        check(_wait(WAITGROUP, self.at, nanoseconds(timeout)))

    def __enter__(self) -> WaitGroup:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
