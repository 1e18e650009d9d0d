"""Calls that block their thread, on threads of their own."""

from __future__ import annotations

import queue
import threading
from contextvars import copy_context
from typing import Any, Callable, TypeVar

from ._go import _Result
from ._lib import Signal, shim

T = TypeVar("T")

MOST_THREADS = 256
"""So many calls run at once; more wait for one of these."""
IDLE_SECONDS = 10.0
"""A thread without work for so long ends."""

_goid, _may_wait = shim["goid"], shim["may_wait"]


class _Call:
    __slots__ = ("args", "fn", "kwargs", "over", "result", "variables")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.variables = copy_context()
        self.result: _Result[Any] = _Result()
        self.over = Signal()


class _Pool:
    """Threads. `_idle` is the number of those that wait less that of the calls in the queue; below zero, so many calls
    wait for a thread to become free. Under the lock, so each call finds a thread, makes one, or is counted there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._idle = 0
        self._threads = 0

    def submit(self, call: _Call) -> None:
        with self._lock:
            make = self._idle <= 0 and self._threads < MOST_THREADS
            if make:
                self._threads += 1
            else:
                self._idle -= 1
        if make:
            try:
                threading.Thread(target=self._work, name="gort-blocking", daemon=True).start()
            except BaseException:
                with self._lock:
                    self._threads -= 1
                    last = self._threads == 0
                    if not last:
                        self._idle -= 1
                if last:
                    raise
        self._queue.put(call)

    def _work(self) -> None:
        while True:
            try:
                call = self._queue.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    # A call comes for each that waits.
                    if self._idle <= 0:
                        continue
                    self._idle -= 1
                    self._threads -= 1
                    return
            call.variables.run(call.result.fill, call.fn, call.args, call.kwargs)
            over = call.over
            del call
            with self._lock:
                self._idle += 1
            over.set()


_pool = _Pool()


def blocking(fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Calls a function that blocks its thread, such as a driver of a database: on an ordinary thread, while the
    goroutine waits and others go on. Answers what it returns, raises what it raises; it sees the caller's context
    variables. On a plain thread it is just called.
    """
    if not _goid():
        return fn(*args, **kwargs)
    _may_wait()
    call = _Call(fn, args, kwargs)
    _pool.submit(call)
    call.over.wait()
    return call.result.get()


def forked() -> None:
    """In a child: its threads are gone."""
    global _pool
    _pool = _Pool()
