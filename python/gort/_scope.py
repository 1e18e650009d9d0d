"""Contexts, which tell work that it is over, and groups of goroutines that fail together."""

from __future__ import annotations

import errno
import threading
from typing import Any, Callable

from . import _go
from ._chan import Fed
from ._errors import Canceled, TimeoutError
from ._go import Goroutine, go
from ._lib import FOREVER, duration, held
from ._sync import Semaphore, WaitGroup


class Done(Fed[None]):
    """The channel that is closed when a context ends."""

    __slots__ = ()

    def _taken(self, value: Any, case: tuple[Any, ...]) -> None:
        return None


class Context:
    """Tells work that it is over: cancelled, or past its deadline. It ends with its parent. In a `with` statement it is
    cancelled at the end.
    """

    __slots__ = ("__weakref__", "_cause", "_ctx", "_parent", "done")

    _ctx: int

    def __init__(
        self, parent: Context | None = None, *, timeout: float | None = None, deadline: float | None = None
    ) -> None:
        """A timeout is in seconds from now, a deadline as time.monotonic() has it; the earlier one counts."""
        self._parent = parent
        self._cause: BaseException | None = None
        times = []
        if timeout is not None:
            times.append(held.rt_now() + duration(timeout))
        if deadline is not None:
            times.append(max(duration(deadline), 1))
        above = parent._ctx if parent is not None else None
        if times:
            self._ctx = held.rt_ctx_with_deadline(above, min(*times, 2**63 - 1)) or 0
        else:
            self._ctx = held.rt_ctx_with_cancel(above) or 0
        if not self._ctx:
            raise MemoryError("no memory is left for a context")
        self.done = Done(held.rt_chan_ref(held.rt_ctx_done(self._ctx)), _Reference(held.rt_ctx_done(self._ctx)))
        """Closed when the context ends: `ctx.done.recv()` waits for that, and it may be a case of a select."""

    def __del__(self, _unref: Any = held.rt_ctx_unref) -> None:
        if getattr(self, "_ctx", 0):
            _unref(self._ctx)

    def cancel(self, cause: BaseException | None = None) -> None:
        """Ends it and all contexts below it, unless it is over."""
        if cause is not None and self._cause is None and not held.rt_ctx_err(self._ctx):
            self._cause = cause
        held.rt_ctx_cancel(self._ctx, 0)

    def error(self) -> Exception | None:
        """None while it goes on; else a TimeoutError or Canceled that says why it is over."""
        code = held.rt_ctx_err(self._ctx)
        if code == 0:
            return None
        if code == -errno.ETIMEDOUT:
            return TimeoutError("the deadline is over")
        return Canceled("the context was cancelled")

    @property
    def cause(self) -> BaseException | None:
        """Why it is over: what was given to cancel, here or above; else as error()."""
        if not held.rt_ctx_err(self._ctx):
            return None
        at: Context | None = self
        while at is not None:
            if at._cause is not None:
                return at._cause
            at = at._parent
        return self.error()

    @property
    def deadline(self) -> float | None:
        """When it ends by itself, as time.monotonic() has it; None: never."""
        ns = held.rt_ctx_deadline(self._ctx)
        return None if ns == FOREVER else ns / 1e9

    def check(self) -> None:
        """Raises error() if it is over."""
        error = self.error()
        if error is not None:
            raise error

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()


class _Reference:
    """Drops a reference to a channel when it goes."""

    __slots__ = ("_c",)

    def __init__(self, pointer: int) -> None:
        self._c = pointer

    def __del__(self, _unref: Any = held.rt_chan_unref) -> None:
        _unref(self._c)


class Group:
    """Goroutines of one task. The first exception cancels `ctx`, and `wait` raises it once all have ended. A `with`
    statement waits at its end; an exception in it cancels the others. It belongs to its process: in a forked child
    there is nothing to wait for, and nobody to cancel.
    """

    __slots__ = ("_all", "_error", "_forks", "_lock", "_units", "ctx")

    def __init__(self, parent: Context | None = None, limit: int | None = None) -> None:
        """With a limit, `go` waits while so many are there."""
        self.ctx = Context(parent)
        """What its functions should heed."""
        self._all = WaitGroup()
        self._units = Semaphore(limit) if limit is not None else None
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._forks = _go.forks

    def _elsewhere(self) -> bool:
        """In a child, where all that waits on what is in here must be left alone."""
        return self._forks != _go.forks

    def go(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Goroutine:
        """Runs a function as a goroutine of the group."""
        if self._elsewhere():
            raise RuntimeError("this group is of the process that was forked")
        if self._units is not None:
            self._units.acquire()
        self._all.add()
        try:
            return go(self._run, fn, args, kwargs)
        except BaseException:
            self._ends()
            raise

    def _ends(self) -> None:
        if self._units is not None:
            self._units.release()
        self._all.done()

    def _run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            fn(*args, **kwargs)
        except BaseException as error:
            if self._elsewhere():
                raise
            with self._lock:
                if self._error is None:
                    self._error = error
            self.ctx.cancel(error)
        finally:
            if not self._elsewhere():
                self._ends()

    def wait(self) -> None:
        """Waits until all have ended; raises the first exception of one, if there was any."""
        if self._elsewhere():
            return
        self._all.wait()
        error, self._error = self._error, None
        if error is None:
            return
        try:
            raise error
        finally:
            del error

    def __enter__(self) -> Group:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._elsewhere():
            return
        if error is not None:
            self.ctx.cancel(error)
            self._all.wait()
        else:
            self.wait()
        self.ctx.cancel()
