"""The end of the interpreter, and forks.

*Exit.* While Python is being finalized no goroutine may run it: a thread that asks for Python's lock then is ended in
the middle of whatever it does. So before that the thread of the goroutines is brought to rest, for good. A goroutine
that waits never goes on. One that computes is interrupted by SystemExit, and comes to rest when it next waits or
ends; what it is in the middle of has a second for that.

*Fork.* The child has no goroutines: queue, runners and threads are forgotten. A child forked on a goroutine stands on
that goroutine's stack; it may use Python as it likes, but start nothing here.
"""

from __future__ import annotations

import atexit
import os
import time

from . import _blocking, _go, aio
from ._lib import shim

PATIENCE = 1.0
"""Seconds that what runs has to come to rest."""

_inside = False


def _at_exit() -> None:
    _go.close()
    if _go.forked_inside:
        return
    shim["close"]()
    begun = time.monotonic()
    pause = 0.0001
    while not shim["is_quiet"]():
        waited = time.monotonic() - begun
        if waited > PATIENCE:
            shim["freeze"]()
            return
        if waited > 0.02:
            shim["interrupt"](SystemExit)
        time.sleep(pause)
        pause = min(pause * 2, 0.01)


def _before_fork() -> None:
    global _inside
    _inside = shim["goid"]() != 0


def _in_child() -> None:
    shim["forked"](_inside)
    _go.forked(_inside)
    _blocking.forked()
    aio.forked()


atexit.register(_at_exit)
os.register_at_fork(before=_before_fork, after_in_child=_in_child)
