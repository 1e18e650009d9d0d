"""Goroutines from Python through ctypes alone.

The environment names the library (GORT_LIBRARY) and the helper with goroutine bodies in C (GORT_PYHELPER). CDLL
releases the interpreter's lock during a call, so a wait in one holds up nobody. Python functions run as goroutines here
only where they make no call into the library: one that parks would interleave the interpreter's frames.
"""

import ctypes
import errno
import os
import sys
import threading
import time
from ctypes import byref, c_char_p, c_int, c_int64, c_size_t, c_uint64, c_void_p

RT_OK = 0
RT_EAGAIN = -errno.EAGAIN
RT_ECLOSED = -errno.EPIPE
RT_EINVAL = -errno.EINVAL
RT_ETIMEDOUT = -errno.ETIMEDOUT
MS = 1_000_000
BODY = ctypes.CFUNCTYPE(None, c_void_p)


def load(path):
    lib = ctypes.CDLL(path, use_errno=True)
    signatures = {
        "rt_version": (c_char_p, []),
        "rt_strerror": (c_char_p, [c_int]),
        "rt_go": (c_int64, [c_void_p, c_void_p]),
        "rt_goid": (c_int64, []),
        "rt_num_goroutine": (c_int64, []),
        "rt_maxprocs": (c_int, [c_int]),
        "rt_now": (c_int64, []),
        "rt_sleep": (c_int, [c_int64]),
        "rt_run": (c_int, [c_void_p, c_void_p]),
        "rt_chan_make": (c_void_p, [c_size_t, c_size_t]),
        "rt_chan_unref": (None, [c_void_p]),
        "rt_chan_send": (c_int, [c_void_p, c_void_p]),
        "rt_chan_recv": (c_int, [c_void_p, c_void_p]),
        "rt_chan_try_recv": (c_int, [c_void_p, c_void_p]),
        "rt_chan_recv_timeout": (c_int, [c_void_p, c_void_p, c_int64]),
        "rt_chan_close": (c_int, [c_void_p]),
        "rt_chan_len": (c_size_t, [c_void_p]),
        "rt_waitgroup_add": (c_int, [c_void_p, c_int64]),
        "rt_waitgroup_wait": (c_int, [c_void_p]),
        "rt_waitgroup_go": (c_int64, [c_void_p, c_void_p, c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype = result
        function.argtypes = arguments
    return lib


class Pipe(ctypes.Structure):
    """struct pyhelper_pipe."""

    _fields_ = [("incoming", c_void_p), ("outgoing", c_void_p)]


def address(function):
    """The address of a C function, as a goroutine's body."""
    return ctypes.cast(function, c_void_p)


def check(condition, what):
    if not condition:
        raise SystemExit(f"smoke: not so: {what}")


def send(lib, chan, value):
    check(lib.rt_chan_send(chan, byref(c_int64(value))) == RT_OK, f"send of {value}")


def receive(lib, chan):
    """The next value, or None at the end."""
    value = c_int64()
    result = lib.rt_chan_recv(chan, byref(value))
    check(result in (RT_OK, RT_ECLOSED), f"receive answers {result}")
    return value.value if result == RT_OK else None


def errors(lib):
    chan = lib.rt_chan_make(8, 1)
    value = c_int64(5)
    check(lib.rt_version().count(b".") >= 2, "a version of three numbers")
    check(len(lib.rt_strerror(RT_EINVAL)) > 0, "a text for RT_EINVAL")
    check(lib.rt_goid() == 0, "Python's main thread is no goroutine")
    check(lib.rt_go(None, None) == RT_EINVAL, "rt_go without a function")
    check(lib.rt_chan_try_recv(chan, byref(value)) == RT_EAGAIN, "try_recv of an empty channel")
    started = time.monotonic_ns()
    check(lib.rt_chan_recv_timeout(chan, byref(value), 20 * MS) == RT_ETIMEDOUT, "recv_timeout of an empty channel")
    check(time.monotonic_ns() - started >= 20 * MS, "a timeout that is not early")
    check(value.value == 5, "an output that is not written")
    check(lib.rt_chan_close(None) == RT_EINVAL, "close of NULL")
    check(lib.rt_chan_close(chan) == RT_OK, "close")
    check(lib.rt_chan_send(chan, byref(value)) == RT_ECLOSED, "send on a closed channel")
    check(receive(lib, chan) is None, "the end of a closed channel")
    lib.rt_chan_unref(chan)
    before, now, after = time.monotonic_ns(), lib.rt_now(), time.monotonic_ns()
    check(before <= now <= after, "rt_now is Python's monotonic clock")
    ctypes.set_errno(4242)
    lib.rt_sleep(MS)
    check(ctypes.get_errno() == 4242, "errno as it was")


def library_bodies(lib):
    """Goroutines whose bodies are functions of the library: a sleep, and a close that wakes the main thread."""
    group = (c_uint64 * 4)()
    started = time.monotonic_ns()
    for _ in range(100):
        check(lib.rt_waitgroup_go(group, address(lib.rt_sleep), 20 * MS) > 0, "a goroutine that sleeps")
    check(lib.rt_waitgroup_wait(group) == RT_OK, "waiting for the sleepers")
    check(time.monotonic_ns() - started >= 20 * MS, "sleeps that are not early")
    chan = lib.rt_chan_make(8, 0)
    check(lib.rt_go(address(lib.rt_chan_close), chan) > 0, "a goroutine that closes")
    check(receive(lib, chan) is None, "woken by the close")
    lib.rt_chan_unref(chan)


def callbacks(lib):
    """Python functions that make no call into the library may be bodies."""
    seen = []
    body = BODY(lambda argument: seen.append(argument))
    group = (c_uint64 * 4)()
    for i in range(1, 201):
        check(lib.rt_waitgroup_go(group, address(body), i) > 0, "a goroutine in Python")
    check(lib.rt_waitgroup_wait(group) == RT_OK, "waiting for the callbacks")
    check(sorted(seen) == list(range(1, 201)), "each callback once")
    check(lib.rt_run(address(body), 1000) == RT_OK, "rt_run")
    check(seen[-1] == 1000, "rt_run has run it")


def exchange(lib, helper):
    """Values go from Python through a goroutine and come back."""
    for capacity in (0, 1, 64):
        pipe = Pipe(lib.rt_chan_make(8, capacity), lib.rt_chan_make(8, capacity))
        check(lib.rt_go(address(helper.pyhelper_squares), ctypes.addressof(pipe)) > 0, "a goroutine that squares")
        for i in range(500):
            send(lib, pipe.incoming, i)
            check(receive(lib, pipe.outgoing) == i * i, f"the square of {i}")
        # With a Python thread that feeds, both directions flow at once.
        feeder = threading.Thread(target=lambda p=pipe: [send(lib, p.incoming, i) for i in range(500)])
        feeder.start()
        check([receive(lib, pipe.outgoing) for _ in range(500)] == [i * i for i in range(500)], "squares in order")
        feeder.join()
        check(lib.rt_chan_close(pipe.incoming) == RT_OK, "close")
        check(receive(lib, pipe.outgoing) is None, "the goroutine ends when its input does")
        settle(lib)
        lib.rt_chan_unref(pipe.incoming)
        lib.rt_chan_unref(pipe.outgoing)


def many(lib, helper):
    """Many goroutines share two channels; each answers with its id."""
    pipe = Pipe(lib.rt_chan_make(8, 0), lib.rt_chan_make(8, 2000))
    ids = {lib.rt_go(address(helper.pyhelper_ids), ctypes.addressof(pipe)) for _ in range(100)}
    check(len(ids) == 100 and min(ids) > 0, "a hundred ids")
    check(lib.rt_num_goroutine() == 100, "a hundred goroutines")
    for i in range(2000):
        send(lib, pipe.incoming, i)
    answers = {receive(lib, pipe.outgoing) for _ in range(2000)}
    check(answers <= ids and len(answers) > 1, "answers by the goroutines that were started")
    check(lib.rt_chan_close(pipe.incoming) == RT_OK, "close")
    settle(lib)
    lib.rt_chan_unref(pipe.incoming)
    lib.rt_chan_unref(pipe.outgoing)


def threads(lib, helper):
    """Python threads wait in the library while Python goes on in others."""
    pipe = Pipe(None, lib.rt_chan_make(8, 0))
    got = []

    def collect():
        while (value := receive(lib, pipe.outgoing)) is not None:
            got.append(value)

    collectors = [threading.Thread(target=collect) for _ in range(4)]
    for collector in collectors:
        collector.start()
    check(lib.rt_go(address(helper.pyhelper_ticks), ctypes.addressof(pipe)) > 0, "a goroutine that ticks")
    while len(got) < 200:
        time.sleep(0.001)
    check(lib.rt_chan_close(pipe.outgoing) == RT_OK, "close")
    for collector in collectors:
        collector.join()
    check(sorted(got) == list(range(len(got))), "each tick once")
    settle(lib)
    lib.rt_chan_unref(pipe.outgoing)


def settle(lib):
    """Waits until every goroutine has ended: they use memory of this side."""
    deadline = time.monotonic() + 60
    while lib.rt_num_goroutine() > 0:
        check(time.monotonic() < deadline, "the goroutines end")
        time.sleep(0.001)


def main():
    library = os.environ.get("GORT_LIBRARY")
    if not library:
        raise SystemExit("smoke: GORT_LIBRARY names no library")
    lib = load(library)
    errors(lib)
    library_bodies(lib)
    callbacks(lib)
    helper_path = os.environ.get("GORT_PYHELPER")
    if helper_path:
        helper = ctypes.CDLL(helper_path)
        settle(lib)
        exchange(lib, helper)
        many(lib, helper)
        threads(lib, helper)
    else:
        print("smoke: GORT_PYHELPER names no helper, channels between goroutines and Python are left out")
    print(f"smoke: ok, gort {lib.rt_version().decode()}, Python {sys.version.split()[0]}, {lib.rt_maxprocs(0)} Ps")


if __name__ == "__main__":
    main()
