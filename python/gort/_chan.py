"""Channels of Python objects, channels of plain memory, and select."""

from __future__ import annotations

import ctypes
import errno
import struct
from collections import deque
from typing import Any, Generic, Iterable, Iterator, NamedTuple, Sequence, TypeVar, Union

from ._errors import Closed, TimeoutError, WouldBlock, raise_code
from ._lib import ALREADY_OVER, FOREVER, NOWAIT, held, nanoseconds, shim

T = TypeVar("T")

_send, _recv, _select = shim["send"], shim["recv"], shim["select"]
_close, _len, _cap, _unref = held.rt_chan_close, held.rt_chan_len, held.rt_chan_cap, held.rt_chan_unref
RECEIVE, SEND, RAW = 0, 1, 2


class Receivable(Generic[T]):
    """What values can be received from: as a `for` loop, and as a case of a select."""

    __slots__ = ("__weakref__", "_c")

    _c: int

    def recv(self, timeout: float | None = None) -> T:
        """Receives a value, waiting for one. Raises Closed once the channel is closed and drained, TimeoutError after
        `timeout` seconds.
        """
        raise NotImplementedError

    def try_recv(self) -> T:
        """Receives a value if there is one; raises WouldBlock if not, Closed as recv."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return self.recv()
        except Closed:
            raise StopIteration from None

    def __len__(self) -> int:
        """How many values are buffered."""
        length: int = _len(self._c)
        return length

    def __bool__(self) -> bool:
        return True

    @property
    def capacity(self) -> int:
        """How many values it can buffer."""
        capacity: int = _cap(self._c)
        return capacity

    def _case(self, value: Any, sends: bool) -> tuple[Any, ...]:
        """Its entries of a select: channel, items, what, object."""
        raise NotImplementedError

    def _taken(self, value: Any, case: tuple[Any, ...]) -> T:
        """What was received, from what the shim answers."""
        raise NotImplementedError


class Chan(Receivable[T]):
    """A channel of Python objects. With a capacity of 0 a send waits for its receiver.

    What is sent is dropped when it has been received, or with the channel, and not before. In a `with` statement it
    is closed at the end.
    """

    # _items has what was sent and not received, by number; the C channel carries the numbers. _front has what a
    # receiver gave back (aio.py); it comes before all that. _lent: how many receivers may yet give back.
    __slots__ = ("_front", "_items", "_lent")

    def __init__(self, capacity: int = 0) -> None:
        if capacity < 0:
            raise ValueError("a capacity is not below zero")
        self._items: dict[int, T] = {}
        self._front: deque[T] = deque()
        self._lent = 0
        self._c = 0
        self._c = held.rt_chan_make(8, capacity) or 0
        if not self._c:
            raise MemoryError("no memory is left for a channel")

    def __del__(self, _unref: Any = _unref) -> None:
        if getattr(self, "_c", 0):
            _unref(self._c)

    def send(self, value: T, timeout: float | None = None) -> None:
        """Sends a value, waiting for room or a receiver. Raises Closed if the channel is closed, also meanwhile;
        TimeoutError after `timeout` seconds.
        """
        _send(self._c, self._items, value, FOREVER if timeout is None else nanoseconds(timeout))

    def try_send(self, value: T) -> bool:
        """Sends a value if that needs no waiting. False: it would have had to wait."""
        try:
            _send(self._c, self._items, value, NOWAIT)
        except WouldBlock:
            return False
        return True

    def recv(self, timeout: float | None = None) -> T:
        if self._front or self._lent:
            return self._recv_around(nanoseconds(timeout))
        return _recv(self._c, self._items, FOREVER if timeout is None else nanoseconds(timeout))

    def try_recv(self) -> T:
        if self._front:
            try:
                return self._front.popleft()
            except IndexError:
                pass
        return _recv(self._c, self._items, NOWAIT)

    def _recv_around(self, timeout_ns: int) -> T:
        """recv, where what was received may come back."""
        from ._go import sleep

        end = None if timeout_ns == FOREVER else held.rt_now() + timeout_ns
        while True:
            try:
                return self.try_recv()
            except WouldBlock:
                if not self._lent:
                    left = FOREVER if end is None else max(end - held.rt_now(), 0) or ALREADY_OVER
                    return _recv(self._c, self._items, left)
            except Closed:
                if not self._lent and not self._front:
                    raise
            if end is not None and held.rt_now() >= end:
                raise TimeoutError("the timeout is over")
            sleep(0.001)

    def __next__(self) -> T:
        try:
            if self._front or self._lent:
                return self._recv_around(FOREVER)
            return _recv(self._c, self._items, FOREVER)
        except Closed:
            raise StopIteration from None

    def close(self) -> None:
        """Closes it and wakes everybody who waits on it: senders raise Closed, receivers too once all is received.
        Closing again does nothing.
        """
        _close(self._c)

    def __len__(self) -> int:
        return _len(self._c) + len(self._front)

    def __enter__(self) -> Chan[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<gort.Chan {len(self)} of {self.capacity}>"

    def _case(self, value: Any, sends: bool) -> tuple[Any, ...]:
        return (self._c, self._items, SEND if sends else RECEIVE, value)

    def _taken(self, value: Any, case: tuple[Any, ...]) -> T:
        return value


class RawChan(Receivable[Any]):
    """A channel of plain memory, to be shared with goroutines in C: `pointer` is their `rt_chan *`.

    `element` says what an element is: a number of bytes, and values are `bytes`; or a format of `struct`, such as "q"
    for int64_t, and values are what that packs, one value by itself or a tuple.
    """

    __slots__ = ("_format", "_size")

    def __init__(self, element: int | str, capacity: int = 0, pointer: int | None = None) -> None:
        """With a pointer it stands for that channel, to which it adds a reference."""
        self._c = 0
        self._format = struct.Struct(element) if isinstance(element, str) else None
        self._size: int = self._format.size if self._format else int(element)
        if self._size < 0 or capacity < 0:
            raise ValueError("a size is not below zero")
        if pointer is None:
            self._c = held.rt_chan_make(self._size, capacity) or 0
            if not self._c:
                raise MemoryError("no memory is left for a channel")
        elif held.rt_chan_elem_size(pointer) != self._size:
            raise ValueError(f"its elements have {held.rt_chan_elem_size(pointer)} bytes, not {self._size}")
        else:
            self._c = held.rt_chan_ref(pointer)

    def __del__(self, _unref: Any = _unref) -> None:
        if getattr(self, "_c", 0):
            _unref(self._c)

    @property
    def pointer(self) -> int:
        """The `rt_chan *`. It is valid while this object is; C code that keeps it longer adds a reference."""
        return self._c

    def _pack(self, value: Any) -> bytes:
        if self._format is None:
            packed = bytes(value)
        else:
            packed = self._format.pack(*value) if isinstance(value, tuple) else self._format.pack(value)
        if len(packed) != self._size:
            raise ValueError(f"an element has {self._size} bytes, not {len(packed)}")
        return packed

    def _unpack(self, packed: bytes) -> Any:
        if self._format is None:
            return packed
        values = self._format.unpack(packed)
        return values[0] if len(values) == 1 else values

    def _room(self) -> Any:
        """Memory for an element that comes."""
        return ctypes.create_string_buffer(max(self._size, 1))

    def send(self, value: Any, timeout: float | None = None) -> None:
        """As Chan.send."""
        packed = self._pack(value)
        code = held.rt_chan_try_send(self._c, packed)
        if code:
            code = self._waits(value, packed, timeout, True)
        if code:
            raise_code(code)

    def _waits(self, value: Any, element: Any, timeout: float | None, sends: bool) -> int:
        """A send or receive that may have to wait, as a select of one: that handles signals on the main thread."""
        buffer = ctypes.create_string_buffer(element, self._size) if sends else element
        what = (SEND if sends else RECEIVE) | RAW
        answer = _select([self._c, ctypes.addressof(buffer), what, None], nanoseconds(timeout))
        if isinstance(answer, int):
            return answer
        return 0 if answer[2] else CLOSED

    def try_send(self, value: Any) -> bool:
        """As Chan.try_send."""
        code = held.rt_chan_try_send(self._c, self._pack(value))
        if code == AGAIN:
            return False
        if code:
            raise_code(code)
        return True

    def recv(self, timeout: float | None = None) -> Any:
        buffer = self._room()
        code = held.rt_chan_try_recv(self._c, buffer)
        if code == AGAIN:
            code = self._waits(None, buffer, timeout, False)
        if code:
            raise_code(code)
        return self._unpack(buffer.raw[: self._size])

    def try_recv(self) -> Any:
        buffer = self._room()
        code = held.rt_chan_try_recv(self._c, buffer)
        if code:
            raise_code(code)
        return self._unpack(buffer.raw[: self._size])

    def close(self) -> None:
        """As Chan.close."""
        _close(self._c)

    def __enter__(self) -> RawChan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _case(self, value: Any, sends: bool) -> tuple[Any, ...]:
        buffer = ctypes.create_string_buffer(self._pack(value), self._size) if sends else self._room()
        return (self._c, ctypes.addressof(buffer), (SEND if sends else RECEIVE) | RAW, buffer)

    def _taken(self, value: Any, case: tuple[Any, ...]) -> Any:
        return self._unpack(case[3].raw[: self._size])


class Fed(Receivable[T]):
    """A channel that the library feeds, and that belongs to `_owner`."""

    __slots__ = ("_owner",)

    def __init__(self, pointer: int, owner: object) -> None:
        self._c = pointer
        self._owner = owner

    def recv(self, timeout: float | None = None) -> T:
        return self._taken(_recv(self._c, None, nanoseconds(timeout)), ())

    def try_recv(self) -> T:
        return self._taken(_recv(self._c, None, NOWAIT), ())

    def _case(self, value: Any, sends: bool) -> tuple[Any, ...]:
        if sends:
            raise TypeError("only the library sends to this channel")
        return (self._c, None, RECEIVE, None)

    def _taken(self, value: Any, case: tuple[Any, ...]) -> T:
        """Times are seconds, as time.monotonic() has them."""
        return value / 1e9


AGAIN = -errno.EAGAIN
CLOSED = -errno.EPIPE


class Selected(NamedTuple):
    """What a select came to."""

    case: int
    """Which one went, by its index; -1: none, and `default` was wanted."""
    value: Any
    """What was received; None for a send, and from a closed channel."""
    open: bool
    """False: the channel is closed and drained."""


Case = Union[Receivable[Any], "tuple[Any, Any]"]


def select(cases: Iterable[Case], timeout: float | None = None, default: bool = False) -> Selected:
    """Performs one of several receives and sends: one that can go at once, each of those as likely as the others, or
    else the first that can. A case is a channel, to receive from it, or a pair `(channel, value)`, to send.

    With `default` it never waits, and answers the case -1 if none can go. Raises TimeoutError after `timeout` seconds,
    Closed if the case that goes sends to a closed channel.
    """
    # What packs a value may run anything, which may change a list.
    cases = tuple(cases)
    for case in cases:
        if isinstance(case, Chan) and (case._front or case._lent):
            return _select_around(cases, timeout, default)
    return select_in_library(cases, timeout, default)


def select_in_library(cases: Sequence[Case], timeout: float | None = None, default: bool = False) -> Selected:
    """select, but for values that were given back."""
    entries = _entries(cases)
    answer = _select(entries, NOWAIT if default else nanoseconds(timeout))
    return _selected(cases, entries, answer, default)


def _entries(cases: Sequence[Case]) -> list[Any]:
    """The cases as the shim takes them: four entries each."""
    entries: list[Any] = []
    for case in cases:
        entries += case[0]._case(case[1], True) if isinstance(case, tuple) else case._case(None, False)
    return entries


def _selected(cases: Sequence[Case], entries: list[Any], answer: Any, default: bool) -> Selected:
    if isinstance(answer, int):
        if answer == AGAIN and default:
            return Selected(-1, None, True)
        raise_code(answer)
    index, value, is_open = answer
    case = cases[index]
    if isinstance(case, tuple):
        if not is_open:
            raise Closed("the channel is closed")
        return Selected(index, None, True)
    if not is_open:
        return Selected(index, None, False)
    return Selected(index, case._taken(value, tuple(entries[4 * index : 4 * index + 4])), True)


def _select_around(cases: Sequence[Case], timeout: float | None, default: bool) -> Selected:
    """select, where what was received from one of the channels may come back."""
    from ._go import sleep

    end = None if timeout is None else held.rt_now() + nanoseconds(timeout)
    while True:
        lent = False
        for index, case in enumerate(cases):
            if isinstance(case, Chan):
                lent = lent or case._lent > 0
                if case._front:
                    try:
                        return Selected(index, case._front.popleft(), True)
                    except IndexError:
                        pass
        entries = _entries(cases)
        if not lent:
            left = FOREVER if end is None else max(end - held.rt_now(), 0) or ALREADY_OVER
            return _selected(cases, entries, _select(entries, NOWAIT if default else left), default)
        answer = _select(entries, NOWAIT)
        if isinstance(answer, tuple) and (answer[2] or isinstance(cases[answer[0]], tuple)):
            return _selected(cases, entries, answer, default)
        if default:
            return Selected(-1, None, True)
        if end is not None and held.rt_now() >= end:
            raise TimeoutError("the timeout is over")
        sleep(0.001)
