#!/usr/bin/env python3
"""Runs the benches beside the same programs in Go, in turn, and prints the ratios as a Markdown table.

A pair is one run of each, one after the other, so that both see the same machine. The ratio of a bench is the median
over its pairs; below 1 means that gort is faster (or smaller), and of a rate (/s) the other way round. The table is
also left in target/bench/table.md, and every single value in target/bench/values.json. A bench that has no twin in Go,
or a measure that the twin does not print, shows "-" there.

`httpd` is the server of examples/, under wrk: see httpd.py.

`growth` has a table of its own, and a plot, target/bench/growth.svg: see growth.py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import growth

ROOT = Path(__file__).resolve().parent.parent
BENCHES = ROOT / "benches"
TARGET = ROOT / "target"
LIBRARY = TARGET / "release" / "libgort.so"
OUT = TARGET / "bench"
RUN_SECONDS = 300  # a program that takes longer hangs

# In the table's order, with the size that --quick gives to each.
QUICK_SIZES = {
    "switch": 200_000,
    "go": 100_000,
    "spawn_wait": 100_000,
    "pingpong": 100_000,
    "buffered": 1_000_000,
    "select": 200_000,
    "mutex": 1_000_000,
    "skynet": 100_000,
    "parked": 100_000,
    "growth": 100_000,
    "sleep": 10_000,
    "sleep1m": 100_000,
    "timer": 500_000,
    "blockers": 2,
    "hogs": 100,
    "burners": 50,
    "entry": 100,
    "httpd": 1,
    "echo": 300,
}

# Seconds, for httpd has no size of its own.
HTTPD_SECONDS = 3

# growth has no program of its own: it runs parked, and touch beside it, with this number, a tenth of it, and so on.
GROWTH_MOST = 1_000_000
GROWTH_MEASURES = {
    "touch": growth.CREATE,
    "parked_create": growth.CREATE,
    "parked_release": growth.RELEASE,
    "parked_bytes": growth.MEMORY,
}

# Servers: they get one CPU, with one P, and the program that asks them another.
SERVERS = {"echo"}

# What the programs in Go share, as those in C share headers.
GO_SHARED = ["burn.go", "late.go", "memory.go", "sleepers.go"]


class BenchError(Exception):
    """A program that cannot be built or run."""


@dataclass(frozen=True)
class Value:
    """One line of a bench's output."""

    number: float
    unit: str


@dataclass(frozen=True)
class Pair:
    """One measure of one bench, from two runs in a row."""

    gort: Value
    go: Value | None


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def command(args: list[str], env: dict[str, str] | None = None) -> str:
    """Runs a command, and answers its standard output."""
    try:
        done = subprocess.run(
            args,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{args[0]}: {error}") from error
    if done.returncode != 0:
        raise BenchError(f"{' '.join(args)}: exit code {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def build_c(name: str, sources: list[Path] | None = None, libraries: list[str] | None = None) -> Path:
    program = OUT / "c" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-std=gnu11", "-O2", "-pthread", "-Wall", "-Wextra", "-Werror"]
    search = ["-I", str(ROOT / "include"), "-L", str(LIBRARY.parent), f"-Wl,-rpath,{OUT}"]
    inputs = [str(source) for source in sources or [BENCHES / f"{name}.c"]]
    command([os.environ.get("CC", "cc"), *flags, *inputs, "-o", str(program), *search, "-lgort", *(libraries or [])])
    return program


def link_soname() -> None:
    """Cargo leaves the library without the name that programs look for at run time."""
    soname = re.search(r"SONAME.*\[(.*)\]", command(["readelf", "-d", str(LIBRARY)]))
    if soname:
        link = OUT / soname[1]
        link.unlink(missing_ok=True)
        link.symlink_to(LIBRARY)


def find_go() -> str | None:
    """On PATH, or where `scripts/deps.sh bench` has put it."""
    wheels = [str(go) for go in (TARGET / "venv").glob("lib/python*/site-packages/go/bin/go")]
    for go in [shutil.which("go"), *wheels]:
        try:
            if go and command([go, "version"], {"GOTOOLCHAIN": "local"}):
                return go
        except BenchError as error:
            say(f"bench: {error}")
    return None


def go_source(name: str) -> Path:
    return BENCHES / "go" / f"{name}.go"


def build_go(go: str, name: str) -> Path:
    program = OUT / "go" / name
    # Only files of ours and the standard library: nothing may be fetched.
    env = {
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
        "GOCACHE": str(OUT / "gocache"),
    }
    shared = [str(BENCHES / "go" / file) for file in GO_SHARED]
    command([go, "build", "-o", str(program), str(go_source(name)), *shared], env)
    return program


def measure(procs: int, *program: object) -> dict[str, Value]:
    """Runs a bench once: {measure: value}."""
    values = {}
    env = {"RT_MAXPROCS": str(procs), "GOMAXPROCS": str(procs)}
    args = [str(part) for part in program]
    if Path(args[0]).name in SERVERS:
        args = ["taskset", "-c", str(min(os.sched_getaffinity(0))), *args]
        env["ECHO_CLIENT"] = str(build_c("echo_client"))
    for line in command(args, env).splitlines():
        name, number, unit = line.split()
        values[name] = Value(float(number), unit)
    return values


def programs(name: str, go: str | None, quick: bool) -> tuple[list[object], list[object] | None]:
    """Builds a bench and its twin, and answers their command lines."""
    if name == "httpd":
        start = [BENCHES / "httpd.py", QUICK_SIZES[name] if quick else HTTPD_SECONDS]
        sources = [ROOT / "examples" / file for file in ("httpd.c", "httpd_request.c")]
        ours = [*start, build_c(name, sources, ["-lhttp_parser"]), "-p", "0"]
        return ours, [*start, build_go(go, name)] if go else None
    size = [QUICK_SIZES[name]] if quick else []
    return [build_c(name), *size], [build_go(go, name), *size] if go and go_source(name).exists() else None


def compare(name: str, go: str | None, procs: int, options: argparse.Namespace) -> dict[str, list[Pair]]:
    """Runs both programs in turn: {measure: its pairs}."""
    ours, theirs = programs(name, go, options.quick)
    pairs: dict[str, list[Pair]] = defaultdict(list)
    for number in range(options.runs):
        say(f"bench: {name}, {procs} P, run {number + 1} of {options.runs}")
        mine = measure(procs, *ours)
        other = measure(procs, *theirs) if theirs else {}
        for key, value in mine.items():
            pairs[key].append(Pair(value, other.get(key)))
    return pairs


def grow(go: str | None, procs: int, options: argparse.Namespace) -> list[growth.Point]:
    """Runs parked with rising sizes, and without the question of what is left, which takes long."""
    touch = build_c("touch")
    ours = build_c("parked")
    theirs = build_go(go, "parked") if go else None
    most = QUICK_SIZES["growth"] if options.quick else GROWTH_MOST
    points = []
    for count in [most // 1000, most // 100, most // 10, most]:
        each: dict[tuple[str, str], list[float]] = defaultdict(list)
        for number in range(options.runs):
            say(f"bench: growth, {count:,} goroutines, {procs} P, run {number + 1} of {options.runs}")
            runs = {growth.TOUCH: measure(procs, touch, count), growth.GORT: measure(procs, ours, count, 0)}
            if theirs:
                runs[growth.GO] = measure(procs, theirs, count, 0)
            for series, values in runs.items():
                for key, value in values.items():
                    ns_or_bytes = value.number / count * 1e9 if value.unit == "s" else value.number
                    each[GROWTH_MEASURES[key], series].append(ns_or_bytes)
        for (kind, series), values in each.items():
            points.append(growth.Point(kind, series, procs, count, statistics.median(values)))
    return points


def find_matplotlib() -> str | None:
    """A Python that has it: what `scripts/deps.sh bench` has made, or the one that runs this."""
    for python in [str(TARGET / "venv" / "bin" / "python3"), sys.executable]:
        try:
            command([python, "-c", "import matplotlib"])
            return python
        except BenchError:
            pass
    return None


def plot(points: list[growth.Point]) -> str:
    """Makes target/bench/growth.svg, and answers what there is to say about it."""
    values = OUT / "growth.json"
    path = OUT / "growth.svg"
    values.write_text(json.dumps([asdict(point) for point in points], indent=1) + "\n")
    python = find_matplotlib()
    if python is None:
        path.unlink(missing_ok=True)  # one of other values
        return "Skipped: the plot. There is no matplotlib; `scripts/deps.sh bench` fetches it."
    # It keeps a list of the fonts that it found.
    command([python, str(BENCHES / "growth.py"), str(values), str(path)], {"MPLCONFIGDIR": str(OUT / "matplotlib")})
    return f"The plot is {path.relative_to(ROOT)}."


def digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def row(name: str, procs: int, pairs: list[Pair]) -> str:
    unit = pairs[0].gort.unit
    gort = statistics.median(pair.gort.number for pair in pairs)
    cells = [name, str(procs), f"{digits(gort)} {unit}"]
    both = [(pair.gort.number, pair.go.number) for pair in pairs if pair.go and pair.go.number > 0]
    if both:
        ratios = sorted(mine / other for mine, other in both)
        cells.append(f"{digits(statistics.median(other for _, other in both))} {unit}")
        cells.append(f"{statistics.median(ratios):.2f}")
        cells.append(f"{ratios[0]:.2f}..{ratios[-1]:.2f}")
    else:
        cells += ["-", "-", "-"]
    return "| " + " | ".join(cells) + " |"


def machine() -> str:
    try:
        cpus = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        cpus = None
    model = cpus[1] if cpus else platform.machine()
    return f"{len(os.sched_getaffinity(0))} x {model}, {platform.system()} {platform.release()}"


def parse_options(args: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help="pairs of each bench (5, with --quick 2)")
    parser.add_argument("--only", action="append", choices=list(QUICK_SIZES), help="this bench; may be repeated")
    parser.add_argument("--procs", default="1,2", help="numbers of Ps, with commas between (1,2)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size: shows that all work, not how fast")
    options = parser.parse_args(args)
    options.runs = options.runs or (2 if options.quick else 5)
    try:
        options.procs = [int(procs) for procs in options.procs.split(",")]
    except ValueError:
        parser.error("--procs: numbers, with commas between")
    if options.runs < 1 or min(options.procs) < 1:
        parser.error("--runs and --procs: from 1 on")
    return options


def main() -> int:
    options = parse_options()
    if not LIBRARY.exists():
        say(f"bench: {LIBRARY.relative_to(ROOT)} is not there: cargo build --release")
        return 1
    OUT.mkdir(parents=True, exist_ok=True)
    notes = [machine()]
    rows: list[str] = []
    values: list[dict[str, object]] = []
    points: list[growth.Point] = []
    failed = False

    go = find_go()
    if go:
        notes.append(command([go, "version"], {"GOTOOLCHAIN": "local"}).strip())
    else:
        notes.append("Skipped: everything in Go. There is no Go toolchain; `scripts/deps.sh bench` fetches one.")
    if options.quick:
        notes.append("Quick: small sizes and few runs. These are no measurements.")
    cpus = len(os.sched_getaffinity(0))
    for procs in [procs for procs in options.procs if procs > cpus]:
        notes.append(f"Skipped: {procs} Ps. This process may use {cpus} CPU(s).")
        options.procs.remove(procs)

    link_soname()
    names = list(options.only or QUICK_SIZES)
    if "httpd" in names and not (shutil.which("wrk") and Path("/usr/include/http_parser.h").exists()):
        notes.append("Skipped: httpd. It takes wrk and http_parser, which `scripts/deps.sh bench` fetches.")
        names.remove("httpd")
    for name in names:
        for procs in [1] if name in SERVERS else options.procs:
            try:
                if name == "growth":
                    points += grow(go, procs, options)
                    continue
                measures = compare(name, go, procs, options)
            except BenchError as error:
                say(f"bench: {error}")
                notes.append(f"Failed: {name} with {procs} P.")
                failed = True
                continue
            for key, pairs in measures.items():
                rows.append(row(key, procs, pairs))
                numbers = [[pair.gort.number, pair.go.number if pair.go else None] for pair in pairs]
                values.append({"bench": key, "procs": procs, "unit": pairs[0].gort.unit, "gort_go": numbers})

    if points:
        try:
            notes.append(plot(points))
        except BenchError as error:
            say(f"bench: {error}")
            notes.append("Failed: the plot.")
            failed = True

    lines = [f"{options.runs} pairs each. " + notes[0] + "."] + [f"\n{note}" for note in notes[1:]]
    if rows:
        lines += ["", "| bench | P | gort | Go | gort / Go | min..max |", "|---|--:|--:|--:|--:|--:|", *rows]
    if points:
        lines += ["", "Growth: what each goroutine costs, of so many that are parked.", "", *growth.table(points)]
    table = "\n".join(lines) + "\n"
    (OUT / "table.md").write_text(table)
    (OUT / "values.json").write_text(json.dumps(values, indent=1) + "\n")
    print(table, end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
