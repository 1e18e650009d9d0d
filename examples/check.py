"""What the tests of the servers share: counting, and servers that do not outlive the test."""

from __future__ import annotations

import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

PATIENCE = 10  # seconds until something that does not come counts as not coming


class Check:
    """Counts what holds and what does not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.passed = self.failed = 0

    def ok(self, what: str, holds: bool, seen: object = None) -> None:
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"not ok: {what}" + (f": {seen!r}"[:600] if seen is not None else ""), file=sys.stderr)

    def same(self, what: str, got: object, want: object) -> None:
        self.ok(what, got == want, got)

    def finish(self) -> int:
        print(f"{self.name}: {self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


class Server:
    """A program that prints its port in its first line. It is killed at the end of the `with`, if it is still there."""

    def __init__(self, program: str | Path, *args: str | Path, before: list[str] | None = None) -> None:
        self.process = subprocess.Popen(
            [*(before or []), str(program), *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        found = re.search(r"(\d+)/?\s*$", line)
        if not found:
            raise SystemExit(f"{program}: {line!r} {self.process.communicate()[1]!r}")
        self.port = int(found[1])

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def connect(self, receive_buffer: int = 0) -> socket.socket:
        s = socket.socket()
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.settimeout(PATIENCE)
        s.connect(("127.0.0.1", self.port))
        return s

    def refuses(self) -> bool:
        """Whether nobody listens any more, within PATIENCE. It connects only then: a connection would be work to do."""
        end = time.monotonic() + PATIENCE
        listening = re.compile(rf": 0100007F:{self.port:04X} 00000000:0000 0A ")
        while listening.search(Path("/proc/net/tcp").read_text()):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return True
        return False

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> tuple[int | None, str]:
        """Its exit code, None if it does not end; and what it wrote to stderr."""
        try:
            error = self.process.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired:
            return None, ""
        return self.process.returncode, error

    def memory(self) -> int:
        """Bytes of memory that are in use."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def ticks(self) -> int:
        """Hundredths of a second of CPU time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])


def read_all(s: socket.socket) -> bytes:
    """Everything up to the end; a reset or a long silence is an OSError."""
    parts = []
    while True:
        part = s.recv(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def read_exactly(s: socket.socket, size: int) -> bytes:
    """So many bytes, or those that came before the end."""
    data = b""
    while len(data) < size:
        part = s.recv(size - len(data))
        if not part:
            break
        data += part
    return data


def ended(s: socket.socket) -> bool:
    """Whether the other side has closed, or does so within PATIENCE, without a word."""
    try:
        return s.recv(1) == b""
    except ConnectionResetError:
        return True
    except OSError:
        return False


def reset(s: socket.socket) -> None:
    """Closes so that the other side sees a reset."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
