"""The library: where it is, what its functions take, and the shim inside it.

Found in: the environment (GORT_LIBRARY), beside this module (a wheel), a build tree (`target/release` of the sources).
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from ctypes import c_char_p, c_int, c_int64, c_size_t, c_uint64, c_void_p
from typing import Any, Callable

from ._errors import raise_code

ABI = 3
FOREVER = -(2**63)
NOWAIT = 0
ALREADY_OVER = -1
_LONGEST = 2**63 - 1


def _path() -> str:
    named = os.environ.get("GORT_LIBRARY")
    if named:
        return named
    here = os.path.dirname(os.path.abspath(__file__))
    places = [os.path.join(here, "libgort.so"), os.path.join(here, "..", "..", "target", "release", "libgort.so")]
    for place in places:
        if os.path.exists(place):
            return os.path.abspath(place)
    raise ImportError(f"gort: libgort.so is neither named by GORT_LIBRARY nor in {' or '.join(places)}")


if sys.version_info >= (3, 14):
    raise ImportError("gort: Python 3.14 and later are not supported yet: they compare the stack with the thread's")
if not getattr(sys, "_is_gil_enabled", lambda: True)():
    raise ImportError("gort: builds of Python without the GIL are not supported yet")

path = _path()
lib = ctypes.CDLL(path)
"""The C functions, called with Python's lock released: for what may wait."""
held = ctypes.PyDLL(path)
"""The same, called with it held, which is cheaper: for what never waits."""


def _declare(dll: ctypes.CDLL, signatures: dict[str, tuple[Any, list[Any]]]) -> None:
    for name, (result, arguments) in signatures.items():
        function = getattr(dll, name)
        function.restype = result
        function.argtypes = arguments


_declare(
    held,
    {
        "rt_chan_cap": (c_size_t, [c_void_p]),
        "rt_chan_close": (c_int, [c_void_p]),
        "rt_chan_elem_size": (c_size_t, [c_void_p]),
        "rt_chan_len": (c_size_t, [c_void_p]),
        "rt_chan_make": (c_void_p, [c_size_t, c_size_t]),
        "rt_chan_ref": (c_void_p, [c_void_p]),
        "rt_chan_try_recv": (c_int, [c_void_p, c_void_p]),
        "rt_chan_try_send": (c_int, [c_void_p, c_void_p]),
        "rt_chan_unref": (None, [c_void_p]),
        "rt_ctx_cancel": (c_int, [c_void_p, c_int]),
        "rt_ctx_deadline": (c_int64, [c_void_p]),
        "rt_ctx_done": (c_void_p, [c_void_p]),
        "rt_ctx_err": (c_int, [c_void_p]),
        "rt_ctx_unref": (None, [c_void_p]),
        "rt_ctx_with_cancel": (c_void_p, [c_void_p]),
        "rt_ctx_with_deadline": (c_void_p, [c_void_p, c_int64]),
        "rt_fd_set_deadline": (c_int, [c_int, c_int, c_int64]),
        "rt_now": (c_int64, []),
        "rt_num_goroutine": (c_int64, []),
        "rt_sema_init": (c_int, [c_void_p, ctypes.c_uint32]),
        "rt_ticker_new": (c_void_p, [c_int64]),
        "rt_timer_chan": (c_void_p, [c_void_p]),
        "rt_timer_free": (None, [c_void_p]),
        "rt_timer_new": (c_void_p, [c_int64]),
        "rt_timer_reset": (ctypes.c_bool, [c_void_p, c_int64]),
        "rt_timer_stop": (ctypes.c_bool, [c_void_p]),
        "rt_version": (c_char_p, []),
        "rt_waitgroup_add": (c_int, [c_void_p, c_int64]),
    },
)
_declare(
    lib,
    {
        "rt_chan_recv_timeout": (c_int, [c_void_p, c_void_p, c_int64]),
        "rt_chan_send_timeout": (c_int, [c_void_p, c_void_p, c_int64]),
        "rt_close": (c_int, [c_int]),
        "rt_dump": (c_int, [c_int]),
        "rt_tcp_dial": (c_int, [c_char_p, c_int64]),
        "rt_tcp_listen": (c_int, [c_char_p, c_int]),
    },
)


def _attach() -> dict[str, Callable[..., Any]]:
    """The shim's functions, see src/python/calls.rs."""
    try:
        abi = held.gort_py_abi()
    except AttributeError:
        abi = 0
    if abi != ABI:
        raise ImportError(f"gort: {path} has version {abi} of the shim, this package wants {ABI}")
    held.gort_py_attach.argtypes = [ctypes.py_object, ctypes.py_object]
    held.gort_py_attach.restype = c_int
    namespace: dict[str, Callable[..., Any]] = {}
    code = held.gort_py_attach(namespace, raise_code)
    if code:
        reason = {
            1: "this Python lacks a function",
            2: "thread states are kept in an unknown place",
            4: "only the main interpreter can use it",
        }
        raise ImportError(f"gort: {reason.get(code, 'the shim cannot be set up')}")
    return namespace


shim = _attach()


def nanoseconds(seconds: float | None) -> int:
    """A timeout for the library. None: for ever. Zero or less is over already, but what can go at once goes."""
    if seconds is None:
        return FOREVER
    if seconds <= 0:
        return ALREADY_OVER
    return _LONGEST if seconds > 9e9 else max(1, int(seconds * 1e9))


def duration(seconds: float) -> int:
    """A time to sleep, or until a timer."""
    return _LONGEST if seconds > 9e9 else max(0, int(seconds * 1e9))


def check(code: int) -> int:
    """What a call answered, or the exception that it means."""
    if code < 0:
        raise_code(code)
    return code


# What shim["wait"] and shim["wake"] know.
MUTEX, WAITGROUP, SEMAPHORE, WRITER, READER = range(5)


class Memory:
    """Zeroed memory of an object that the library keeps in its caller's."""

    __slots__ = ("_words", "at")

    def __init__(self, words: int = 4) -> None:
        self._words = (c_uint64 * words)()
        self.at: int = ctypes.addressof(self._words)


_wait, _wake = shim["wait"], shim["wake"]
_TIME_IS_OVER = (-errno.ETIMEDOUT, -errno.EAGAIN)


class Signal(Memory):
    """Set once or often; each wait takes one."""

    __slots__ = ()

    def wait(self, timeout_ns: int = FOREVER) -> bool:
        """False: time is over."""
        code: int = _wait(SEMAPHORE, self.at, timeout_ns)
        if code == 0:
            return True
        if code in _TIME_IS_OVER:
            return False
        raise_code(code)

    def set(self) -> None:
        _wake(SEMAPHORE, self.at)
