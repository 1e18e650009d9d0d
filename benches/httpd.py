#!/usr/bin/env python3
"""How many requests per second does a server of files answer, and what CPU time does each take?

    httpd.py SECONDS PROGRAM [OPTION]...

starts PROGRAM (examples/httpd, or its twin in Go) for a folder with a file of 1 KiB, and asks for that with wrk, over
64 connections. The server has as many CPUs as RT_MAXPROCS says, wrk those that are left, or all if none are.

A quick server with CPUs of its own waits for wrk, and the rate is wrk's: the CPU time says more then.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

CONNECTIONS = 64


def pinned(cpus: list[int], *command: str) -> list[str]:
    return ["taskset", "-c", ",".join(map(str, cpus)), *command]


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wrk(cpus: list[int], seconds: int, url: str) -> tuple[int, float]:
    """How many requests were answered, and how many in a second."""
    command = pinned(cpus, "wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", str(seconds), url)
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    count, rate = re.search(r"(\d+) requests in", out), re.search(r"Requests/sec: +([\d.]+)", out)
    if not count or not rate or "errors" in out or "Non-2xx" in out:
        sys.exit(out)
    return int(count[1]), float(rate[1])


def main() -> None:
    seconds, command = int(sys.argv[1]), sys.argv[2:]
    cpus = sorted(os.sched_getaffinity(0))
    procs = int(os.environ.get("RT_MAXPROCS", len(cpus)))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "file").write_bytes(b"x" * 1024)
        server = subprocess.Popen(pinned(cpus[:procs], *command, folder), stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            url = server.stdout.readline().partition(": ")[2].strip() + "file"
            wrk(cpus[procs:] or cpus, 1, url)
            before = cpu_seconds(server.pid)
            count, rate = wrk(cpus[procs:] or cpus, seconds, url)
            used = cpu_seconds(server.pid) - before
        finally:
            server.kill()
            server.wait()
    print(f"httpd_rate {rate:.3f} /s")
    print(f"httpd_cpu {used / count * 1e9:.3f} ns")


if __name__ == "__main__":
    main()
