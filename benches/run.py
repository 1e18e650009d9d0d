#!/usr/bin/env python3
"""Runs the benches beside the same programs on other runtimes, in turn, and reports the ratios.

A round is one run of each program, one after the other, so that all see the same machine. A pair is gort's run and a
peer's of the same round. The ratio of a bench is the median over its pairs; below 1 means that gort is faster (or
smaller), and of a rate (/s) the other way round.

With one P every program has one CPU, by its affinity, with two it has two. Each program runs once before what counts,
with the small size of --quick.

target/bench/table.md has the report, values.json every single value, bars-1p.svg, bars-2p.svg and growth.svg the plots.
Values stay in target/bench/results, a file for each bench: what is run again (--only, --peers, --procs) replaces its
own values, and the report is of all that is there. What --quick finds is in target/bench/quick: it shows that all
works, and measures nothing.

suite.py says which benches there are; a bench that a peer does not have is in the report with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import growth
import report
import suite
from peers import BENCHES, OUT, ROOT, TARGET, BenchError, Gort, Peer, command, find_peers
from suite import GO, GORT, Bench

RUNS, QUICK_RUNS = 5, 1
BUSY = 0.5  # a load from which on times are not to be trusted
PAGES = 2_400_000  # what the largest of those that fill the memory takes


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def load() -> float:
    return os.getloadavg()[0]


def machine() -> str:
    try:
        cpus = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        cpus = None
    model = cpus[1] if cpus else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} x {model}, {memory:.0f} GiB, {platform.system()} {platform.release()}"


class Session:
    """One call of this program: its options, the peers, and what it knows of the machine."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.cpus = sorted(os.sched_getaffinity(0))
        self.peers = {name: peer for name, peer in find_peers().items() if name in [GORT, *options.peers]}
        self.folder = OUT / ("quick" if options.quick else "results")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.client = ""
        self.toucher = ""
        self.failed = False
        self.about = {
            "when": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC"),
            "machine": machine(),
            "load": round(load(), 2),
            "runs": options.runs,
            "versions": {name: peer.version() for name, peer in self.peers.items() if not peer.missing},
        }

    def fail(self, what: str, error: BenchError) -> None:
        self.failed = True
        say(f"{what} failed: {error}")

    def gort(self) -> Gort:
        gort = self.peers[GORT]
        assert isinstance(gort, Gort)
        return gort

    def build(self, benches: list[Bench]) -> None:
        """Builds all there is to build, so that nothing is compiled between two runs."""
        jobs = [(peer, bench) for bench in benches for peer in self.having(bench)]
        self.client = self.gort().compile("echo_client")
        self.toucher = self.gort().compile("touch")
        with ThreadPoolExecutor(max(1, len(self.cpus))) as pool:
            for (peer, bench), built in [(job, pool.submit(job[0].build, job[1])) for job in jobs]:
                try:
                    built.result()
                except BenchError as error:
                    self.fail(f"building {bench.name} of {peer.name}", error)

    def having(self, bench: Bench) -> list[Peer]:
        """Those that have this bench here, gort first; none without gort."""
        there = [self.peers[name] for name in (GORT, *bench.peers) if name in self.peers]
        there = [peer for peer in there if not peer.lacks(bench)]
        return there if there and there[0].name == GORT else []

    def touch(self, pages: int) -> None:
        """Touches so much memory, and gives it back. A virtual machine's host may have taken memory away that nobody
        used for a while, and who wants it first pays for it: twice the time of a page, or more. That is to be no
        runtime's.
        """
        command([self.toucher, str(min(pages, os.sysconf("SC_PHYS_PAGES") // 2))])

    def run(self, bench: Bench, procs: int, program: list[str], args: tuple[int, ...]) -> dict[str, tuple[float, str]]:
        """Runs a program once: {measure: (value, unit)}."""
        if bench.name == "httpd":
            program, args = ["python3", str(BENCHES / "httpd.py"), str(args[0]), *program], ()
        cpus = self.cpus[:procs] if bench.first_cpu else self.cpus[-procs:]
        pinned = ["taskset", "-c", ",".join(map(str, cpus))] if bench.pinned else []
        env = {"RT_MAXPROCS": str(procs), "GOMAXPROCS": str(procs), "ECHO_CLIENT": self.client}
        values = {}
        for line in command([*pinned, *program, *map(str, args)], env).splitlines():
            name, number, unit = line.split()
            # A program that stands for several benches prints its own name.
            if bench.program:
                name = name.replace(bench.program, bench.name, 1)
            values[name] = (float(number), unit)
        return values


def skip(session: Session, bench: Bench, procs: int, why: str) -> None:
    """Says why nobody runs this bench here, in the report too, unless it has values of an earlier run."""
    say(f"skipped: {bench.name}, {procs} P: {why}")
    path = session.folder / f"{bench.name}-{procs}p.json"
    if not path.exists() or not json.loads(path.read_text())["measures"]:
        record = {"bench": bench.name, "procs": procs, "abouts": {session.about["when"]: session.about}}
        path.write_text(json.dumps({**record, "measures": {}, "skipped": {GORT: why}}, indent=1) + "\n")


def measure(session: Session, bench: Bench, procs: int) -> None:
    """Runs a bench, and keeps what it finds: each peer's values with those of gort beside them."""
    options = session.options
    there = {peer.name: peer.build(bench) for peer in session.having(bench)}
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    units = {}
    failed: dict[str, str] = {}
    for number in range(0 if options.quick else -1, options.runs):
        say(f"{bench.name}, {procs} P, " + (f"run {number + 1} of {options.runs}" if number >= 0 else "warming up"))
        for name, program in there.items():
            small = options.quick or number < 0
            args = bench.quick if small else bench.peer_args.get(name, bench.args)
            try:
                if name in failed:
                    continue
                if bench.fills_memory and not small:
                    session.touch(PAGES)
                found = session.run(bench, procs, program, args)
            except BenchError as error:
                session.fail(f"{bench.name} of {name}", error)
                failed[name] = str(error).splitlines()[0]
                continue
            if number >= 0:
                for key, (value, unit) in found.items():
                    values[key][name].append(value)
                    units[key] = unit
        if GORT in failed:
            return  # what is there of earlier runs stays

    path = session.folder / f"{bench.name}-{procs}p.json"
    kept = json.loads(path.read_text()) if path.exists() else {"measures": {}, "abouts": {}}
    kept.setdefault("abouts", {})
    kept.update(bench=bench.name, procs=procs)
    kept["measures"] = {key: kept["measures"].get(key, {"peers": {}}) for key in values}
    for key, each in values.items():
        entry = kept["measures"][key]
        entry.update(unit=units[key], gort=each[GORT])
        for name in there:
            if name == GORT:
                continue
            entry["peers"].pop(name, None)
            if len(each[name]) == len(each[GORT]):
                entry["peers"][name] = {"when": session.about["when"], "gort": each[GORT], "peer": each[name]}
    used = {pairs["when"] for entry in kept["measures"].values() for pairs in entry["peers"].values()}
    kept["abouts"] = {when: about for when, about in kept["abouts"].items() if when in used}
    kept["abouts"][session.about["when"]] = session.about
    lacking = {name: peer.lacks(bench) for name, peer in session.peers.items() if name in bench.peers}
    skipped = {name: why for name, why in kept.get("skipped", {}).items() if name not in session.peers}
    skipped.update({name: why for name, why in lacking.items() if why})
    skipped.update({name: f"it failed: {why}" for name, why in failed.items()})
    kept["skipped"] = skipped
    path.write_text(json.dumps(kept, indent=1) + "\n")


def grow(session: Session, procs: int) -> None:
    """Runs parked with rising sizes, and without the question of what is left, which takes long."""
    options = session.options
    bench = next(bench for bench in suite.BENCHES if bench.name == "parked")
    programs = {growth.TOUCH: [session.gort().compile("touch")], growth.GORT: session.gort().build(bench)}
    if GO in session.peers and not session.peers[GO].missing:
        programs[growth.GO] = session.peers[GO].build(bench)
    most = suite.GROWTH_MOST_QUICK if options.quick else suite.GROWTH_MOST
    points = []
    for count in [most // 1000, most // 100, most // 10, most]:
        each: dict[tuple[str, str], list[float]] = defaultdict(list)
        for number in range(options.runs):
            say(f"growth, {count:,} goroutines, {procs} P, run {number + 1} of {options.runs}")
            session.touch(2 * count)
            for series, program in programs.items():
                for key, (value, unit) in session.run(bench, procs, program, (count, 0)).items():
                    each[growth.MEASURES[key], series].append(value / count * 1e9 if unit == "s" else value)
        for (kind, series), found in each.items():
            points.append(growth.Point(kind, series, procs, count, statistics.median(found)))
    kept = {
        "abouts": {session.about["when"]: session.about},
        "procs": procs,
        "points": [asdict(point) for point in points],
    }
    (session.folder / f"growth-{procs}p.json").write_text(json.dumps(kept, indent=1) + "\n")


def find_matplotlib() -> str | None:
    """A Python that has it: what `scripts/deps.sh bench` has made, or the one that runs this."""
    for python in [str(TARGET / "venv" / "bin" / "python3"), sys.executable]:
        try:
            command([python, "-c", "import matplotlib"])
            return python
        except BenchError:
            pass
    return None


def plot(folder: Path, out: Path) -> str:
    """Draws what there is, and answers what there is to say about it."""
    for old in out.glob("*.svg"):
        old.unlink()  # one of other values
    python = find_matplotlib()
    if python is None:
        return "Skipped: the plots. There is no matplotlib; `scripts/deps.sh bench` fetches it."
    # It keeps a list of the fonts that it found.
    env = {"MPLCONFIGDIR": str(OUT / "matplotlib")}
    command([python, str(BENCHES / "plot.py"), str(folder), str(out)], env)
    names = sorted(path.name for path in out.glob("*.svg"))
    return f"Plots: {', '.join(names)} in {out.relative_to(ROOT)}."


def parse_options(args: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help=f"pairs of each bench ({RUNS}, with --quick {QUICK_RUNS})")
    parser.add_argument("--only", action="append", choices=suite.NAMES, help="this bench; may be repeated")
    parser.add_argument("--peers", default=",".join(suite.PEERS), help="with commas between (all)")
    parser.add_argument("--procs", default="1,2", help="numbers of Ps, with commas between (1,2)")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that all work, not how fast")
    parser.add_argument("--report", action="store_true", help="run nothing, and report what is there")
    parser.add_argument("--update-docs", action="store_true", help="put the report into docs/PERFORMANCE.md, too")
    options = parser.parse_args(args)
    options.runs = options.runs or (QUICK_RUNS if options.quick else RUNS)
    options.peers = [peer for peer in options.peers.split(",") if peer]
    try:
        options.procs = [int(procs) for procs in options.procs.split(",")]
    except ValueError:
        parser.error("--procs: numbers, with commas between")
    if options.runs < 1 or min(options.procs) < 1:
        parser.error("--runs and --procs: from 1 on")
    if set(options.peers) - set(suite.PEERS):
        parser.error(f"--peers: of {', '.join(suite.PEERS)}")
    if options.update_docs and options.quick:
        parser.error("--update-docs: --quick measures nothing")
    return options


def run_all(session: Session) -> None:
    names = list(session.options.only or suite.NAMES)
    benches = [bench for bench in suite.BENCHES if bench.name in names]
    session.build(benches)
    if session.about["load"] > BUSY:
        say(f"WARNING: the load is {session.about['load']}. These times are not to be trusted.")
    for procs in session.options.procs:
        cpus = f"this machine lets it have {len(session.cpus)} CPU(s)" if procs > len(session.cpus) else None
        for bench in [bench for bench in benches if bench.runs_with(procs)]:
            why = cpus or session.gort().lacks(bench)
            if why:
                skip(session, bench, procs, why)
                continue
            try:
                measure(session, bench, procs)
            except BenchError as error:
                session.fail(bench.name, error)
        if suite.GROWTH in names and not cpus:
            try:
                grow(session, procs)
            except BenchError as error:
                session.fail(suite.GROWTH, error)


def main() -> int:
    options = parse_options()
    folder = OUT / ("quick" if options.quick else "results")
    out = folder if options.quick else OUT
    failed = False
    try:
        if not options.report:
            session = Session(options)
            run_all(session)
            failed = session.failed
        plots = plot(folder, out)
    except BenchError as error:
        say(str(error))
        return 1
    results = report.read(folder)
    text = report.whole(results, plots, options.quick)
    (out / "table.md").write_text(text)
    (out / "values.json").write_text(json.dumps(results.benches, indent=1) + "\n")
    print(text, end="")
    if options.update_docs:
        report.update_docs(results, ROOT / "docs", out)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
