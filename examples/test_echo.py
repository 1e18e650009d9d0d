#!/usr/bin/env python3
"""Drives echo by TCP and by UDP. Usage: test_echo.py PATH-OF-ECHO"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from check import PATIENCE, Check, Server, read_all, read_exactly, reset

check = Check("echo")


def whole(server: Server, data: bytes) -> bool:
    """Sends while it receives: far more than fits on the way."""
    with server.connect() as s:

        def send() -> None:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        thread.start()
        got = read_all(s)
        thread.join()
        return got == data


def test_tcp(server: Server) -> None:
    for size in [0, 1, 4095, 4096, 4097, 20_000_000]:
        check.ok(f"{size} bytes", whole(server, os.urandom(size)))
    with server.connect() as s:
        for turn in range(1000):
            s.sendall(b"%d" % turn)
            if read_exactly(s, len(b"%d" % turn)) != b"%d" % turn:
                check.ok(f"turn {turn}", False)
        check.ok("a thousand turns", True)

    sockets = [server.connect() for _ in range(1000)]
    for number, s in enumerate(sockets):
        s.sendall(b"%4d" % number)
    got = [read_exactly(s, 4) for s in reversed(sockets)]
    check.ok("a thousand connections", got == [b"%4d" % number for number in reversed(range(1000))])
    for s in sockets[::2]:
        s.sendall(b"lost")
        reset(s)
    for s in sockets[1::2]:
        s.sendall(b"still")
    got = [read_exactly(s, 5) for s in sockets[1::2]]
    check.ok("others are reset", got == [b"still"] * 500)
    for s in sockets[1::2]:
        s.close()
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: whole(server, b"short"), range(500)))
    check.ok("500 short ones", all(done))


def test_udp(server: Server) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as s, socket.socket(type=socket.SOCK_DGRAM) as other:
        for each in s, other:
            each.settimeout(PATIENCE)
            each.connect(("127.0.0.1", server.port))
        for size in [1, 0, 1472, 1473, 65_507]:
            data = os.urandom(size)
            s.send(data)
            check.ok(f"datagram of {size} bytes", s.recv(70_000) == data)
        s.send(b"one")
        other.send(b"other")
        check.same("each gets its own", (s.recv(10), other.recv(10)), (b"one", b"other"))


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with Server(sys.argv[1], "127.0.0.1:0") as server:
        test_tcp(server)
        test_udp(server)
        again = subprocess.run(
            [sys.argv[1], f"127.0.0.1:{server.port}"], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        check.ok("port in use", again.returncode == 1 and "in use" in again.stderr, again)
        check.same("it still runs", server.process.poll(), None)
    return check.finish()


if __name__ == "__main__":
    sys.exit(main())
