"""Channels of gort for asyncio: `value = await gort.aio.recv(channel)`.

What need not wait is done at once, on the loop's thread. Else a goroutine does the waiting, and tells the loop.

A task may be cancelled at any moment, also between the goroutine's receive and the moment when the task sees the
value. So the value stands in a box until the task takes it out. If the task was cancelled, whoever finds the value in
the box gives it back: to a receiver that waits, or to the front of the channel (`Chan._front`), where the next
receive finds it. `_lent` counts receives whose value may come back: while it is not zero a receiver that has to wait
looks once a millisecond instead (`Chan._recv_around`), also if it finds the channel closed.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Callable, TypeVar

from ._chan import Chan, RawChan, Receivable, select, select_in_library
from ._errors import Closed, WouldBlock
from ._go import go, sleep

T = TypeVar("T")


class _Wait:
    """One operation of a task. `box` has the outcome until somebody takes it: the task, or whoever gives it back."""

    __slots__ = ("box", "canceled", "future", "loop", "stop")

    def __init__(self) -> None:
        self.canceled = False
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.stop: Chan[None] = Chan(1)
        self.box: list[tuple[bool, Any]] = []

    def tell(self) -> bool:
        """Wakes the task. False: there is no loop any more."""
        try:
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            return False
        return True

    def _wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


_lock = threading.Lock()


def _lend(channel: Chan[Any], n: int) -> None:
    with _lock:
        channel._lent += n


def forked() -> None:
    """In a child: somebody may have held it."""
    global _lock
    _lock = threading.Lock()


async def recv(channel: Receivable[T]) -> T:
    """Receives from a channel. Raises Closed as its recv does. If the task is cancelled no value is lost. With a
    channel that is no Chan it asks again and again, up to a hundred times a second.
    """
    try:
        return channel.try_recv()
    except WouldBlock:
        pass
    if not isinstance(channel, Chan):
        return await _ask(channel.try_recv)
    wait = _Wait()
    _lend(channel, 1)
    try:
        go(_receive, channel, wait)
    except BaseException:
        _lend(channel, -1)
        raise
    try:
        await wait.future
    except BaseException:
        wait.canceled = True
        wait.stop.try_send(None)
        _take_back(channel, wait)
        raise
    is_error, value = wait.box.pop()
    _lend(channel, -1)
    if is_error:
        raise value
    return value


def _receive(channel: Chan[Any], wait: _Wait) -> None:
    """The goroutine of a receive."""
    try:
        # Around _lent, which is this wait's own.
        answer = select_in_library([channel, wait.stop])
        if answer.case == 1:
            wait.box.append((True, asyncio.CancelledError()))
        elif answer.open:
            wait.box.append((False, answer.value))
        else:
            wait.box.append((True, Closed("the channel is closed")))
    except BaseException as error:
        wait.box.append((True, error))
    if not wait.tell() or wait.canceled:
        _take_back(channel, wait)


def _take_back(channel: Chan[Any], wait: _Wait) -> None:
    """The task does not want it: whoever takes it out of the box gives it back."""
    try:
        is_error, value = wait.box.pop()
    except IndexError:
        return  # the other one has it, or it is yet to come
    if is_error:
        _lend(channel, -1)
    else:
        go(_give_back, channel, value)


def _give_back(channel: Chan[Any], value: Any) -> None:
    """Puts a value before all others."""
    if not _hand_over(channel, value):
        channel._front.append(value)
    _lend(channel, -1)
    # A plain thread that had looked at _front before, and waits in the library since.
    for _ in range(20):
        sleep(0.005)
        try:
            value = channel._front.popleft()
        except IndexError:
            return
        if not _hand_over(channel, value):
            channel._front.appendleft(value)


def _hand_over(channel: Chan[Any], value: Any) -> bool:
    """To a receiver that waits, or into a buffer that is empty."""
    try:
        return len(channel) == 0 and channel.try_send(value)
    except Closed:
        return False


async def send(channel: Chan[T] | RawChan, value: T) -> None:
    """Sends to a channel. Raises Closed as its send does. If the task is cancelled the value was sent or it was not;
    with a RawChan as in recv.
    """
    if channel.try_send(value):
        return
    if not isinstance(channel, Chan):
        await _ask(lambda: _try_send(channel, value))
        return
    wait = _Wait()
    go(_send, channel, value, wait)
    try:
        await wait.future
    except BaseException:
        wait.stop.try_send(None)
        raise
    is_error, outcome = wait.box.pop()
    if is_error:
        raise outcome


def _send(channel: Chan[Any], value: Any, wait: _Wait) -> None:
    """The goroutine of a send."""
    try:
        wait.box.append((False, select([(channel, value), wait.stop])))
    except BaseException as error:
        wait.box.append((True, error))
    wait.tell()


def _try_send(channel: RawChan, value: Any) -> None:
    if not channel.try_send(value):
        raise WouldBlock("it would have to wait")


async def _ask(attempt: Callable[[], T]) -> T:
    pause = 0.0005
    while True:
        await asyncio.sleep(pause)
        try:
            return attempt()
        except WouldBlock:
            pause = min(pause * 2, 0.01)
