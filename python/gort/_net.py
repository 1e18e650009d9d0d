"""Sockets. Each call waits as all of gort does: a goroutine lets others run."""

from __future__ import annotations

import errno
import socket
from typing import Any, Iterator

from ._errors import OF_SYSTEM, RT_EAI_BASE, raise_code
from ._lib import check, held, lib, nanoseconds, shim

_accept, _recv, _recv_into, _send, _send_all, _fd_wait = (
    shim[name] for name in ("fd_accept", "fd_recv", "fd_recv_into", "fd_send", "fd_send_all", "fd_wait")
)
_may_wait = shim["may_wait"]
READ, WRITE = 1, 2


class Descriptor:
    """Something with a file descriptor, which it owns."""

    __slots__ = ("__weakref__", "_fd")

    def __init__(self, sock: socket.socket) -> None:
        """Takes the descriptor of a socket over; the socket object is closed afterwards."""
        self._fd = sock.detach()

    @classmethod
    def _of(cls, fd: int) -> Any:
        new = cls.__new__(cls)
        new._fd = fd
        return new

    def fileno(self) -> int:
        """The descriptor; -1 once it is closed."""
        return self._fd

    def close(self) -> None:
        """Closes it. Calls that wait on it raise Canceled. Closing again does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            lib.rt_close(fd)

    def __del__(self) -> None:
        fd = getattr(self, "_fd", -1)
        if fd >= 0:
            self._fd = -1
            # Nobody waits on it, since that would hold this object.
            lib.rt_close(fd)

    def set_deadline(self, seconds: float | None, read: bool = True, write: bool = True) -> None:
        """Calls that read, or write, raise TimeoutError from `seconds` from now on; None: never. Until it is set
        anew.
        """
        at = 0 if seconds is None else max(held.rt_now() + max(nanoseconds(seconds), 0), 1)
        check(held.rt_fd_set_deadline(self._fd, (READ if read else 0) | (WRITE if write else 0), min(at, 2**63 - 1)))

    def _ask(self, question: str, *args: Any) -> Any:
        """Asks the standard library's socket."""
        sock = socket.socket(fileno=self._fd)
        try:
            return getattr(sock, question)(*args)
        finally:
            sock.detach()

    @property
    def address(self) -> Any:
        """Its own address, as socket.getsockname has it."""
        return self._ask("getsockname")

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<gort.{type(self).__name__} fd={self._fd}>"


class Conn(Descriptor):
    """A connection. Made by dial and accept, or of a connected socket of the standard library."""

    __slots__ = ()

    def recv(self, most: int = 65536) -> bytes:
        """Bytes, at least one and at most `most`, once there are some; b"" at the end."""
        return _recv(self._fd, most)

    def recv_into(self, buffer: Any) -> int:
        """Reads into a buffer; answers how many bytes, 0 at the end."""
        return _recv_into(self._fd, buffer)

    def send(self, data: Any) -> int:
        """Writes some of the bytes; answers how many."""
        return _send(self._fd, data)

    def sendall(self, data: Any) -> None:
        """Writes all of the bytes."""
        _send_all(self._fd, data)

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """As socket.shutdown."""
        self._ask("shutdown", how)

    @property
    def peer(self) -> Any:
        """The other end's address, as socket.getpeername has it."""
        return self._ask("getpeername")

    def __enter__(self) -> Conn:
        return self


class Listener(Descriptor):
    """Accepts connections; `for conn in listener` accepts until it is closed."""

    __slots__ = ()

    def accept(self) -> Conn:
        """The next connection."""
        return Conn._of(_accept(self._fd))

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.address[1])

    def __iter__(self) -> Iterator[Conn]:
        while self._fd >= 0:
            try:
                conn = self.accept()
            except Exception:
                if self._fd < 0:
                    return
                raise
            yield conn

    def __enter__(self) -> Listener:
        return self


def _system(code: int) -> int:
    if code < 0:
        # An address that can't be is the caller's mistake, and the resolver's codes speak for themselves.
        raise_code(code if code == -errno.EINVAL or code < RT_EAI_BASE else OF_SYSTEM + code)
    return code


def listen(address: str, backlog: int = 0) -> Listener:
    """Listens for TCP connections: "host:port", "[IPv6]:port", or ":port" for all addresses; port 0: any that is
    free.
    """
    _may_wait()
    return Listener._of(_system(lib.rt_tcp_listen(address.encode(), backlog)))


def dial(address: str, timeout: float | None = None) -> Conn:
    """Connects by TCP: "host:port"."""
    _may_wait()
    return Conn._of(_system(lib.rt_tcp_dial(address.encode(), nanoseconds(timeout))))


def wait_readable(fd: Any, timeout: float | None = None) -> None:
    """Waits until a descriptor, or an object with fileno(), has something to read; raises TimeoutError."""
    _wait(fd, READ, timeout)


def wait_writable(fd: Any, timeout: float | None = None) -> None:
    """Waits until a descriptor, or an object with fileno(), has room for writing; raises TimeoutError."""
    _wait(fd, WRITE, timeout)


def _wait(fd: Any, events: int, timeout: float | None) -> None:
    number = fd if isinstance(fd, int) else fd.fileno()
    _fd_wait(number, events, nanoseconds(timeout))
