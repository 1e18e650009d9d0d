#!/usr/bin/env python3
"""The Python package beside asyncio and gevent: the same programs, in turn, in processes of their own.

A round is one run of each. A ratio is the median over the rounds of gort's time (or memory) by the other's: below 1
gort is the faster. The table is also left in target/bench/python.md. It runs with the Python of target/venv, where
`scripts/deps.sh bench` puts gevent; without gevent there are no figures of it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "benches" / "python"
OUT = ROOT / "target" / "bench"
PYTHON = ROOT / "target" / "venv" / "bin" / "python3"
RUN_SECONDS = 300

# What it is called, its unit, its size, the size of --quick, and the most that it may be of asyncio's.
MEASURES = {
    "switch": ("switch among 100", "us", 200_000, 20_000, 1.0),
    "switch_pair": ("switch between 2", "us", 200_000, 20_000, 1.0),
    "pingpong": ("queue or channel, there or back", "us", 100_000, 10_000, 1.0),
    "spawn": ("spawn 10,000 and wait for all, each", "us", 10_000, 2_000, 1.5),
    "spawn_each": ("spawn one and wait for it", "us", 20_000, 2_000, None),
    "parked": ("memory of one that waits", "bytes", 20_000, 2_000, None),
}
OTHERS = ["asyncio", "gevent"]


def run(library: str, measure: str, size: int) -> float | None:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "GORT_LIBRARY": str(ROOT / "target/release/libgort.so")}
    program = [str(PYTHON), str(PROGRAMS / f"with_{library}.py"), measure, str(size)]
    done = subprocess.run(program, env=env, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if done.returncode == 0:
        return float(done.stdout)
    if library == "gevent" and "ModuleNotFoundError" in done.stderr:
        return None
    raise SystemExit(f"python.py: {' '.join(program)}: exit code {done.returncode}\n{done.stderr}")


def shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: only shows that it works")
    parser.add_argument("--runs", type=int, default=9, help="rounds (9)")
    parser.add_argument("--only", nargs="*", choices=MEASURES, default=list(MEASURES))
    args = parser.parse_args()
    version = subprocess.run([str(PYTHON), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    lines = [
        f"{version}, medians of {1 if args.quick else args.runs} rounds",
        "",
        "| measure | gort | asyncio | gevent | gort / asyncio | wanted | gort / gevent |",
        "|---|---|---|---|---|---|---|",
    ]
    for measure in args.only:
        title, unit, size, quick, wanted = MEASURES[measure]
        print(f"python.py: {measure}", file=sys.stderr, flush=True)
        values: dict[str, list[float | None]] = {name: [] for name in ["gort", *OTHERS]}
        for _ in range(1 if args.quick else args.runs):
            for name, each in values.items():
                each.append(run(name, measure, quick if args.quick else size))
        medians = {n: statistics.median(v) if None not in v else None for n, v in values.items()}
        ratios = {}
        for name in OTHERS:
            pairs = [a / b for a, b in zip(values["gort"], values[name]) if a is not None and b]
            ratios[name] = statistics.median(pairs) if pairs else None
        limit = "-" if wanted is None else f"<= {wanted}"
        cells = [f"{title} ({unit})", *(shown(medians[name]) for name in values)]
        cells += [shown(ratios["asyncio"]), limit, shown(ratios["gevent"])]
        lines.append(f"| {' | '.join(cells)} |")
    table = "\n".join(lines)
    print(table)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "python.md").write_text(table + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
