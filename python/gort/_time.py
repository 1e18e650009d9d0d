"""Timers: channels of times, in seconds as time.monotonic() has them."""

from __future__ import annotations

import threading
from typing import Any, Callable

from ._chan import Fed
from ._go import Goroutine, go
from ._lib import Signal, duration, held


class Timer(Fed[float]):
    """A channel that gets the time once, `seconds` from when it was made."""

    __slots__ = ("_timer",)

    def __init__(self, seconds: float) -> None:
        self._timer = self._make(duration(seconds)) or 0
        if not self._timer:
            raise MemoryError("no memory is left for a timer")
        super().__init__(held.rt_timer_chan(self._timer), None)

    _make: Callable[[int], int | None] = staticmethod(held.rt_timer_new)

    def __del__(self, _free: Any = held.rt_timer_free) -> None:
        if getattr(self, "_timer", 0):
            _free(self._timer)

    def stop(self) -> bool:
        """Stops it: no time from before can be received afterwards. False: there was nothing to stop."""
        return bool(held.rt_timer_stop(self._timer))

    def reset(self, seconds: float) -> bool:
        """Lets it fire `seconds` from now, whatever it has done before. Answers as stop."""
        return bool(held.rt_timer_reset(self._timer, duration(seconds)))


class Ticker(Timer):
    """A channel that gets the time every `seconds`. A slow receiver misses ticks; they do not drift."""

    __slots__ = ()

    def __init__(self, seconds: float) -> None:
        if duration(seconds) <= 0:
            raise ValueError("a period is above zero")
        super().__init__(seconds)

    _make = staticmethod(held.rt_ticker_new)


def after(seconds: float) -> Timer:
    """A channel that gets the time once: for a select."""
    return Timer(seconds)


class Later:
    """A function that is to run later. Made by `gort.after_func`."""

    __slots__ = ("_claim", "_signal", "goroutine")

    def __init__(self, seconds: float, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._claim = threading.Lock()
        self._signal = Signal()
        self.goroutine: Goroutine = go(self._wait, max(duration(seconds), 1), fn, args, kwargs)

    def _wait(self, ns: int, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # Time is what it waits for; the signal is a stop. Whoever takes the claim decides.
        if not self._signal.wait(ns) and self._claim.acquire(blocking=False):
            fn(*args, **kwargs)

    def stop(self) -> bool:
        """Sees to it that the function does not start. False: it has started, or was stopped before."""
        if not self._claim.acquire(blocking=False):
            return False
        self._signal.set()
        return True


def after_func(seconds: float, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Later:
    """Runs a function in a goroutine of its own, `seconds` from now."""
    return Later(seconds, fn, args, kwargs)
