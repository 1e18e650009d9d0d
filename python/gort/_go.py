"""Goroutines that run Python functions.

A thread state of Python's costs far more than a goroutine, so functions are not given one each. *Runners*, goroutines
of the library, take them from a queue, one after the other. As many runners exist as functions have begun and not
ended.

Who starts the next runner. `_on_way` says that a runner was woken or made and has not looked at the queue yet.

    spawner                          runner that comes
    1 append to the queue            1 _on_way = False
    2 _on_way? else summon one       2 look at the queue; if more is there than it takes: _on_way? else summon one

So what is in the queue always has a runner on its way to it, also while the function that a runner has taken waits or
computes. A runner that finds nothing puts itself on the idle list and looks once more before it waits; whoever takes
it off that list wakes it, once. These are single operations on a deque and a list, which Python makes one after the
other.

An exception may come between any two of them: Ctrl-C in `go` on the main thread, or no memory for a runner. Then
`_on_way` is set back, and the queue looked at again: to summon one too many does no harm, one too few stops all.

What belongs to a thread is the goroutine's here: context variables run in a copy of the spawner's, `threading.local` is
cleared between two functions.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import threading
from collections import deque
from contextvars import Context as Variables
from contextvars import copy_context
from typing import Any, Callable, Generic, NoReturn, TypeVar

from ._errors import Canceled, TimeoutError
from ._lib import Signal, duration, nanoseconds, shim

T = TypeVar("T")

STACK_SIZE = int(os.environ.get("GORT_PYTHON_STACK", 1 << 20))
"""Address space of a goroutine's C stack. 1000 levels of a C function that calls Python that calls C fit."""
MOST_IDLE = 256
"""Runners that wait for work beyond these end."""
STRETCH = 32
"""After so many functions a runner gives way to what is ready."""

_goid, _gosched, _spawn, _wait, _wake = (shim[name] for name in ("goid", "gosched", "spawn", "wait", "wake"))
_clear_thread, _sleep, _wake_one = shim["clear_thread"], shim["sleep"], shim["wake_one"]

_numbers = itertools.count(1)
_queue: deque[Goroutine] = deque()
_idle: list[int] = []
"""Addresses of the signals of runners that wait for work."""
_running: dict[int, Goroutine] = {}
_on_way = False
_joining = threading.Lock()
started = False
"""A runner was made in this process."""
closing = False
"""The interpreter ends: nothing starts any more."""
forks = 0
"""How many forks lie between this process and the one that imported this."""
forked_inside = False
"""A child that was forked on a goroutine: it has no runtime, and stands on a stack of the old one's. It ends with the
function that it was forked in."""
refused: Exception | None = None
"""What `go` raises instead: one of the two is so."""


class Goroutine:
    """A Python function that runs, or ran, as a goroutine. Made by `gort.go`."""

    __slots__ = ("__weakref__", "_args", "_done", "_fn", "_joiners", "_kwargs", "_name", "_variables", "id")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.id: int = next(_numbers)
        """Its number: no other goroutine of the process has it."""
        self._fn: Callable[..., Any] | None = fn
        self._args = args
        self._kwargs = kwargs
        self._variables: Variables | None = copy_context()
        self._name: str | None = None
        self._joiners: list[Signal] | None = None
        self._done = False

    @property
    def name(self) -> str:
        """For messages; to be set at will."""
        return self._name or f"goroutine-{self.id}"

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._done

    def join(self, timeout: float | None = None) -> None:
        """Waits until it has ended; raises gort.TimeoutError if that takes longer."""
        if self._done:
            return
        signal = Signal()
        with _joining:
            if self._joiners is None:
                self._joiners = []
        joiners = self._joiners
        joiners.append(signal)
        ended = False
        try:
            # Whoever ends it sets _done, then looks at the joiners.
            ended = self._done or signal.wait(nanoseconds(timeout)) or self._done
        finally:
            # Else one would stay for each that gives up.
            if not ended:
                joiners.remove(signal)
        if not ended:
            raise TimeoutError(f"{self.name} has not ended in time")

    def _ends(self) -> None:
        self._done = True
        if self._joiners:
            # A copy: who gives up takes itself off meanwhile.
            for joiner in tuple(self._joiners):
                joiner.set()

    def __repr__(self) -> str:
        return f"<gort.Goroutine {self.name}{' done' if self._done else ''}>"


def go(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Goroutine:
    """Runs a function as a goroutine. Those that are ready go on in turn, and so do all others whenever one waits in
    a call of gort. An exception that leaves the function goes to threading.excepthook.
    """
    if refused is not None:
        raise refused
    g = Goroutine(fn, args, kwargs)
    queued = False
    try:
        _queue.append(g)
        queued = True
        if not _on_way:
            _summon()
    except BaseException as error:
        try:
            _queue.remove(g)
        except ValueError:
            if queued and isinstance(error, (MemoryError, Canceled)):
                return g  # there is no runner to be had, but one was there all the same
        # Somebody else may have relied on the one that was to come.
        _look_again()
        raise
    return g


def _summon() -> None:
    """Wakes or makes a runner."""
    global _on_way, started
    try:
        _on_way = True
        if not _wake_one(_idle):
            if not started:
                _find_locals()
                started = True
            _spawn(_run_queue, STACK_SIZE)
    except BaseException:
        _on_way = False
        raise


def _look_again() -> bool:
    """Sees to it that what is in the queue has a runner on its way. False: there is none to be had."""
    try:
        if _queue and not _on_way:
            _summon()
    except Exception:
        return False
    return True


def _find_locals() -> None:
    """Lets the shim find out how it can tell that a function has used a `threading.local`."""
    if sys.version_info >= (3, 13):

        def uses() -> None:
            threading.local().__dict__["key"] = 1

        def does_not() -> None:
            threading.local  # noqa: B018

        shim["find_locals"](uses, does_not)


def _run_queue() -> None:
    """A runner's whole life."""
    global _on_way
    _on_way = False
    me = _goid()
    signal = Signal()
    pop = _queue.popleft
    count = 0
    used_up = False
    trace = getattr(threading, "_trace_hook", None)
    if trace is not None:
        sys.settrace(trace)
    try:
        while True:
            try:
                g = pop()
            except IndexError:
                if len(_idle) >= MOST_IDLE:
                    return
                _idle.append(signal.at)
                if _queue:
                    try:
                        _idle.remove(signal.at)
                        continue
                    except ValueError:
                        pass  # somebody has taken us off, and wakes us
                signal.wait()
                _on_way = False
                continue
            # In vain: this one looks at the queue again when it is done with what it has taken.
            if _queue and not _on_way:
                _look_again()
            _running[me] = g
            try:
                g._variables.run(g._fn, *g._args, **g._kwargs)  # type: ignore[union-attr,arg-type]
            except BaseException:
                if forked_inside:
                    _leave()
                _report(g)
            if forked_inside:
                _leave()
            # What it was called with goes with it, before anybody is told that it has ended.
            g._fn = g._variables = None
            g._args = ()
            g._kwargs = {}
            if not _clear_thread():
                used_up = True
            _running.pop(me, None)
            g._ends()
            del g
            if used_up and _look_again():
                return
            count += 1
            if count == STRETCH:
                count = 0
                _gosched()
    except BaseException:
        if not closing:
            raise
    finally:
        _running.pop(me, None)
        # The signal ends here: nobody may find it.
        with contextlib.suppress(ValueError):
            _idle.remove(signal.at)


def _report(g: Goroutine) -> None:
    """Reports the exception that is being handled, as one that leaves a thread is."""
    kind, value, trace = sys.exc_info()
    if closing and kind is SystemExit:
        return
    try:
        args = threading.ExceptHookArgs((kind, value, trace and trace.tb_next, g))
        threading.excepthook(args)
    except BaseException:
        # If that fails too, nobody is left who could be told.
        with contextlib.suppress(BaseException):
            sys.excepthook(*sys.exc_info())
    finally:
        del kind, value, trace


def _leave() -> NoReturn:
    """Ends a child that was forked on a goroutine, as the end of its main program would."""
    kind, value, _ = sys.exc_info()
    code: Any = 0
    if isinstance(value, SystemExit):
        code = value.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    elif kind is not None:
        sys.excepthook(*sys.exc_info())
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit((code or 0) & 0xFF)


def current() -> Goroutine | None:
    """The goroutine that calls; None on a plain thread."""
    return _running.get(_goid())


current_at = _running.get
"""The goroutine on a runner, by the runner's number."""


def yield_() -> None:
    """Lets others go on: those that are ready run first. On a plain thread it gives way to other threads."""
    _gosched()


gosched = yield_


def sleep(seconds: float) -> None:
    """Sleeps, never less than asked for, while other goroutines go on."""
    _sleep(duration(seconds))


class _Result(Generic[T]):
    """What a function came to."""

    __slots__ = ("error", "value")

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.value: T | None = None

    def fill(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            self.value = fn(*args, **kwargs)
        except BaseException as error:
            if forked_inside:
                raise
            self.error = error

    def get(self) -> T:
        try:
            if self.error is not None:
                raise self.error
            return self.value  # type: ignore[return-value]
        finally:
            # The runner may hold this object a moment longer; and the traceback holds this frame.
            self.value = self.error = None


def run(main: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Runs a function as a goroutine and waits for it: answers what it returns, raises what it raises. Other
    goroutines go on after that. Called on the main thread it handles signals meanwhile, as they come: Ctrl-C raises
    KeyboardInterrupt here.
    """
    if _goid():
        raise RuntimeError("gort.run is for plain threads: a goroutine calls the function, or starts it by gort.go")
    result: _Result[T] = _Result()
    if threading.current_thread() is not threading.main_thread():
        go(result.fill, main, args, kwargs).join()
    else:
        _run_on_main(result, main, args, kwargs)
    return result.get()


def _run_on_main(result: _Result[T], main: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    overflow = False

    def body(pipe: _Pipe) -> None:
        nonlocal overflow
        result.fill(main, args, kwargs)
        if forked_inside:
            return  # the pipe is the parent's
        try:
            os.write(pipe.writer, b"\0")
        except BlockingIOError:
            overflow = True  # then there is something to read

    pipe = _Pipe()
    try:
        former = signal.set_wakeup_fd(pipe.writer, warn_on_full_buffer=False)
        try:
            go(body, pipe)
            while not overflow:
                seen = os.read(pipe.reader, 4096)
                if former >= 0:
                    _pass_on(former, seen.replace(b"\0", b""))
                if b"\0" in seen:
                    break
        finally:
            signal.set_wakeup_fd(former)
    finally:
        # An exception's traceback may hold this frame for long.
        del pipe


class _Pipe:
    """What wakes the main thread in `run`: a byte zero from the goroutine's end, others from Python's handler of
    signals, whichever thread that runs on. Both sides hold it, and it is closed when the last one lets go of it.
    """

    __slots__ = ("reader", "writer")

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)

    def __del__(self, _close: Callable[[int], None] = os.close) -> None:
        for name in self.__slots__:
            if hasattr(self, name):
                _close(getattr(self, name))


def _pass_on(fd: int, signals: bytes) -> None:
    """Tells whoever wanted to be woken by signals before."""
    # As Python itself does when that is full.
    with contextlib.suppress(OSError):
        os.write(fd, signals)


def forked(inside: bool) -> None:
    """In a child: there are no goroutines."""
    global _joining, _on_way, forked_inside, forks, refused, started
    forks += 1
    _joining = threading.Lock()  # somebody may have held it
    _queue.clear()
    _idle.clear()
    _running.clear()
    _on_way = started = False
    forked_inside = inside
    if inside:
        refused = RuntimeError("this process was forked on a goroutine: it can only exec or exit")


def close() -> None:
    """The interpreter ends."""
    global closing, refused
    closing = True
    refused = Canceled("the interpreter ends")
