#!/usr/bin/env python3
"""Drives proxy, with servers of its own behind it. Usage: test_proxy.py PATH-OF-PROXY"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from check import PATIENCE, Check, Server, ended, read_all, read_exactly, reset

check = Check("proxy")


class Target:
    """A listening socket; the test plays its server by hand."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.listener.settimeout(PATIENCE)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self) -> socket.socket:
        s = self.listener.accept()[0]
        s.settimeout(PATIENCE)
        return s

    def pair(self, proxy: Server) -> tuple[socket.socket, socket.socket]:
        """Both ends of a new connection through the proxy."""
        client = proxy.connect()
        return client, self.accept()


def send_all(s: socket.socket, data: bytes) -> threading.Thread:
    """Sends, and ends this half, on a thread."""

    def send() -> None:
        with contextlib.suppress(OSError):
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def was_reset(s: socket.socket) -> bool:
    try:
        read_all(s)
    except ConnectionResetError:
        return True
    except OSError:
        pass
    return False


def test_bytes(proxy: Server, target: Target) -> None:
    up, down = os.urandom(10_000_000), os.urandom(10_000_000)
    client, server = target.pair(proxy)
    threads = [send_all(client, up), send_all(server, down)]
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(read_all, [client, server]))
    for thread in threads:
        thread.join()
    check.ok("both directions at once", got == [down, up])
    client.close()
    server.close()


def test_half_close(proxy: Server, target: Target) -> None:
    client, server = target.pair(proxy)
    client.sendall(b"request")
    client.shutdown(socket.SHUT_WR)
    check.same("the client's half ends", read_all(server), b"request")
    time.sleep(0.1)
    for part in b"an", b"swer":
        server.sendall(part)
        check.same(f"the target's goes on: {part!r}", read_exactly(client, len(part)), part)
    server.close()
    check.ok("and ends", ended(client))

    client.close()
    client, server = target.pair(proxy)
    server.sendall(b"hello")
    server.shutdown(socket.SHUT_WR)
    check.same("the target's half ends", read_all(client), b"hello")
    time.sleep(0.1)
    client.sendall(b"more")
    check.same("the client's goes on", read_exactly(server, 4), b"more")
    client.close()
    check.ok("and ends, too", ended(server))
    server.close()


def test_resets(proxy: Server, target: Target) -> None:
    client, server = target.pair(proxy)
    client.sendall(b"x")
    server.recv(1)
    reset(client)
    check.ok("a reset of the client reaches the target", was_reset(server))
    server.close()
    client, server = target.pair(proxy)
    server.sendall(b"x")
    client.recv(1)
    reset(server)
    check.ok("a reset of the target reaches the client", was_reset(client))
    client.close()
    # One direction waits for room when the other breaks.
    client, server = target.pair(proxy)
    thread = send_all(client, bytes(50_000_000))
    time.sleep(0.2)
    reset(server)
    thread.join(PATIENCE)
    check.ok("a reset reaches a client that sends", not thread.is_alive())
    client.close()


def test_many(proxy: Server, target: Target) -> None:
    pairs = [target.pair(proxy) for _ in range(200)]
    for number, (client, _) in enumerate(pairs):
        client.sendall(b"%4d" % number)
    got = [read_exactly(server, 4) for _, server in pairs]
    check.ok("200 at once", got == [b"%4d" % number for number in range(200)])
    ticks = proxy.ticks()
    time.sleep(0.5)
    check.ok("idle connections cost no CPU", proxy.ticks() - ticks <= 2, proxy.ticks() - ticks)
    for pair in pairs:
        for s in pair:
            s.close()


def test_limit(program: str, target: Target) -> None:
    with Server(program, "-c", "2", "127.0.0.1:0", target.address) as proxy:
        pairs = [target.pair(proxy), target.pair(proxy)]
        third = proxy.connect()
        target.listener.settimeout(0.3)
        try:
            target.listener.accept()
            came = True
        except socket.timeout:
            came = False
        check.ok("beyond the limit", not came)
        target.listener.settimeout(PATIENCE)
        pairs[0][0].close()
        pairs[0][1].close()
        third.sendall(b"now")
        server = target.accept()
        check.same("its turn comes", read_exactly(server, 3), b"now")
        for s in [third, server, *pairs[1]]:
            s.close()


def test_no_target(program: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        with Server(program, "127.0.0.1:0", f"127.0.0.1:{bound.getsockname()[1]}") as proxy:
            with proxy.connect() as s:
                check.ok("refused: closed", ended(s))
            proxy.terminate()
            code, error = proxy.wait()
            check.ok("refused: said", code == 0 and "refused" in error, (code, error))
    # A target whose queue is full answers nothing at all.
    with socket.socket() as full, contextlib.ExitStack() as fillers:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            s = fillers.enter_context(socket.socket())
            s.setblocking(False)
            s.connect_ex(full.getsockname())
        with Server(program, "-t", "0.4", "127.0.0.1:0", f"127.0.0.1:{full.getsockname()[1]}") as proxy:
            start = time.monotonic()
            with proxy.connect() as s:
                check.ok("no answer: closed", ended(s))
            took = time.monotonic() - start
            check.ok("no answer: in its time", 0.3 < took < 3, took)


def test_stop(program: str, target: Target) -> None:
    with Server(program, "127.0.0.1:0", target.address) as proxy:
        client, server = target.pair(proxy)
        proxy.terminate()
        check.ok("stop: nobody new", proxy.refuses())
        data = os.urandom(5_000_000)
        thread = send_all(server, data)
        check.ok("stop: who is there goes on", read_all(client) == data)
        thread.join()
        check.same("stop: it waits", proxy.process.poll(), None)
        client.close()
        check.same("stop: exit code, stderr", proxy.wait(), (0, ""))
        server.close()
    with Server(program, "-g", "0.3", "127.0.0.1:0", target.address) as proxy:
        client, server = target.pair(proxy)
        start = time.monotonic()
        proxy.terminate()
        check.same("stop: not for ever", proxy.wait(), (0, "proxy: not everybody was through in time\n"))
        took = time.monotonic() - start
        check.ok("stop: after its time", 0.25 < took < 3, took)
        client.close()
        server.close()


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    program = sys.argv[1]
    target = Target()
    with Server(program, "127.0.0.1:0", target.address) as proxy:
        test_bytes(proxy, target)
        test_half_close(proxy, target)
        test_resets(proxy, target)
        test_many(proxy, target)
        again = subprocess.run(
            [program, f"127.0.0.1:{proxy.port}", target.address],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        check.ok("port in use", again.returncode == 1 and "in use" in again.stderr, again)
        proxy.terminate()
        check.same("exit code, stderr", proxy.wait(), (0, ""))
    test_limit(program, target)
    test_no_target(program)
    test_stop(program, target)
    usage = subprocess.run([program, "127.0.0.1:0"], capture_output=True, timeout=PATIENCE, check=False)
    check.same("usage", usage.returncode, 2)
    return check.finish()


if __name__ == "__main__":
    sys.exit(main())
