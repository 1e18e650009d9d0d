"""What the programs of benches/python.py share: each is called with a measure and a size, and prints one number."""

from __future__ import annotations

import gc
import os
import sys
import time
from typing import Any, Callable


def timed(run: Callable[[], Any], n: int) -> float:
    """Microseconds for each of n."""
    gc.collect()
    before = time.perf_counter()
    run()
    return (time.perf_counter() - before) / n * 1e6


def memory() -> int:
    """Bytes that the process has in memory."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(measures: dict[str, Any]) -> None:
    if measures["__name__"] == "__main__":
        print(measures[sys.argv[1]](int(sys.argv[2])))
