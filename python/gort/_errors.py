"""What can go wrong, and which exception a code of the library becomes."""

from __future__ import annotations

import builtins
import errno
import os
import socket
from typing import NoReturn

RT_EAI_BASE = -20000
OF_SYSTEM = -1_000_000
"""Added to codes of calls on descriptors: there -EPIPE is no closed channel. They become what Python makes of an errno:
BrokenPipeError, ConnectionResetError, BlockingIOError, PermissionError, or just OSError."""


class GortError(Exception):
    """Base of what gort raises for itself. System calls raise OSError as they do everywhere."""


class Closed(GortError):
    """The channel is closed; a receive raises it once all that was sent has been received."""


class TimeoutError(GortError, builtins.TimeoutError):
    """Time is over. Also a built-in TimeoutError."""


class WouldBlock(GortError):
    """It would have to wait, and the caller did not want to."""


class Canceled(GortError):
    """The work was cancelled, or the program ends."""


def raise_code(code: int) -> NoReturn:
    """Raises what a negative code of the library means."""
    if code < OF_SYSTEM // 2:
        code -= OF_SYSTEM
        # Deadlines, calls that a close has ended, and memory are the library's all the same.
        if code not in (-errno.ETIMEDOUT, -errno.ECANCELED, -errno.ENOMEM):
            raise OSError(-code, os.strerror(-code))
    if code < RT_EAI_BASE:
        eai = code - RT_EAI_BASE
        raise socket.gaierror(eai, f"the name can't be resolved (EAI {eai})")
    if code == -errno.EPIPE:
        raise Closed("the channel is closed")
    if code == -errno.ETIMEDOUT:
        raise TimeoutError("the timeout is over")
    if code == -errno.EAGAIN:
        raise WouldBlock("it would have to wait")
    if code == -errno.ECANCELED:
        raise Canceled("cancelled, closed by another, or the program ends")
    if code == -errno.ENOMEM:
        raise MemoryError("no memory is left for the call")
    if code == -errno.EINVAL:
        raise ValueError("an argument that can't be")
    if code == -errno.EPERM:
        raise RuntimeError(
            "not from here: the call would wait while its thread holds Python's lock (the GIL), as in a function "
            "called through ctypes.PyDLL, or in a callback on a goroutine that C has started, or in a child that "
            "was forked on a goroutine; or only the library feeds this channel; or what is to be unlocked is not locked"
        )
    raise OSError(-code, os.strerror(-code))
