"""The report: what was measured, as Markdown."""

from __future__ import annotations

import json
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import growth
import suite
from suite import GO, TITLES

BEGIN, END = "<!-- results: written by benches/run.py --update-docs -->", "<!-- end of results -->"


@dataclass
class Results:
    """All that is in a folder of results: of each bench and number of Ps one record, and the points of growth."""

    benches: list[dict[str, Any]]
    points: list[growth.Point]
    abouts: list[dict[str, Any]]


def read(folder: Path) -> Results:
    order = {name: number for number, name in enumerate(suite.NAMES)}
    records = [json.loads(path.read_text()) for path in folder.glob("*-*p.json")]
    benches = [record for record in records if record.get("bench") in order]
    benches.sort(key=lambda record: (order[record["bench"]], record["procs"]))
    growths = sorted((record for record in records if "points" in record), key=lambda record: record["procs"])
    points = [growth.Point(**point) for record in growths for point in record["points"]]
    abouts = [about for record in [*benches, *growths] for about in record["abouts"].values()]
    return Results(benches, points, sorted(abouts, key=lambda about: about["when"]))


def digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def ratios(pairs: dict[str, list[float]]) -> list[float]:
    """Of each pair, in order of size."""
    both = zip(pairs["gort"], pairs["peer"])
    return sorted(mine / other for mine, other in both if other > 0)


def target(bench: str, measure: str, procs: int) -> float | None:
    for line in suite.BENCHES:
        if line.name == bench and measure in line.targets:
            return line.targets[measure][min(procs, 2) - 1]
    return None


def go_rows(results: Results) -> list[str]:
    rows = []
    for record in results.benches:
        for measure, entry in record["measures"].items():
            unit = entry["unit"]
            cells = [measure, str(record["procs"])]
            pairs = entry["peers"].get(GO)
            found = ratios(pairs) if pairs else []
            if found:
                ratio = statistics.median(found)
                wanted = target(record["bench"], measure, record["procs"])
                cells.append(f"{digits(statistics.median(pairs['gort']))} {unit}")
                cells.append(f"{digits(statistics.median(pairs['peer']))} {unit}")
                cells += [f"{ratio:.2f}", f"{found[0]:.2f}..{found[-1]:.2f}"]
                missed = wanted is not None and ratio > wanted
                cells.append("" if wanted is None else f"**{wanted:.2f}**, missed" if missed else f"{wanted:.2f}")
            else:
                cells += [f"{digits(statistics.median(entry['gort']))} {unit}", "-", "-", "-", ""]
            rows.append("| " + " | ".join(cells) + " |")
    return rows


def peer_rows(results: Results, peers: list[str]) -> list[str]:
    rows = []
    for record in results.benches:
        for measure, entry in record["measures"].items():
            if not any(peer in entry["peers"] for peer in peers):
                continue
            unit = entry["unit"]
            cells = [measure, str(record["procs"]), f"{digits(statistics.median(entry['gort']))} {unit}"]
            for peer in peers:
                pairs = entry["peers"].get(peer)
                found = ratios(pairs) if pairs else []
                if not found:
                    cells.append("-")
                    continue
                value = f"{digits(statistics.median(pairs['peer']))} {unit}"
                cells.append(f"{value}: {statistics.median(found):.2f} ({found[0]:.2f}..{found[-1]:.2f})")
            rows.append("| " + " | ".join(cells) + " |")
    return rows


def skipped(results: Results) -> list[str]:
    """A line for each peer and reason."""
    lines = [f"- {name}: {reason}." for name, reason in suite.WHY_NOBODY.items()]
    why: dict[tuple[str, str], list[str]] = {}
    everybody = [peer for peer in suite.PEERS if peer != suite.COROSENSEI]
    for bench in suite.BENCHES:
        for peer in everybody if bench.name not in suite.WHY_NOBODY else []:
            if peer not in bench.peers:
                why.setdefault((TITLES[peer], suite.why_not(peer, bench)), []).append(bench.name)
    for record in results.benches:
        for peer, reason in record.get("skipped", {}).items():
            why.setdefault((TITLES[peer], reason), []).append(f"{record['bench']} ({record['procs']} P)")
    here = {(record["bench"], record["procs"]) for record in results.benches}
    for bench in suite.BENCHES:
        procs = [procs for procs in bench.procs if (bench.name, procs) not in here]
        if procs:
            name = bench.name + "".join(f" ({number} P)" for number in procs if procs != list(bench.procs))
            why.setdefault(("Not run here", "nobody has asked for it"), []).append(name)
    return lines + [f"- {title}: {', '.join(names)}: {reason}." for (title, reason), names in why.items()]


def header(results: Results) -> list[str]:
    """The machine and the dates."""
    lines = [f"- Machine: {text}." for text in dict.fromkeys(about["machine"] for about in results.abouts)]
    whens = sorted(about["when"] for about in results.abouts)
    loads = [about["load"] for about in results.abouts]
    if whens:
        when = whens[0] if whens[0] == whens[-1] else f"{whens[0]} to {whens[-1]}"
        runs = sorted({about["runs"] for about in results.abouts})
        pairs = str(runs[0]) if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
        lines.append(f"- Begun: {when}. Load at the start: {max(loads):.2f}. Pairs of each: {pairs}.")
        if max(loads) > 0.5:
            lines.append("- **The machine was busy at the start: these times are not to be trusted.**")
    versions: dict[str, str] = {}
    for about in results.abouts:
        versions.update(about["versions"])
    lines += [f"- {TITLES[name]}: {text}." for name, text in versions.items()]
    return lines


def body(results: Results, level: str) -> list[str]:
    lines = header(results)
    rows = go_rows(results)
    if rows:
        lines += ["", f"{level} Beside Go", ""]
        lines += ["| measure | P | gort | Go | gort / Go | min..max | target |", "|---|--:|--:|--:|--:|--:|--:|", *rows]
    peers = [peer for peer in suite.PEERS if peer != GO]
    rows = peer_rows(results, peers)
    if rows:
        lines += ["", f"{level} Beside the others", ""]
        lines.append("The peer's value, then the ratio of gort's to it (min..max).")
        lines += ["", "| measure | P | gort | " + " | ".join(TITLES[peer] for peer in peers) + " |"]
        lines += ["|---|--:|--:|" + "--:|" * len(peers), *rows]
    if results.points:
        lines += ["", f"{level} Growth", "", "What each goroutine costs, of so many that are parked.", ""]
        lines += growth.table(results.points)
    lines += ["", f"{level} Skipped, and what differs", "", *skipped(results), *(f"- {note}" for note in suite.NOTES)]
    return lines


def whole(results: Results, plots: str, quick: bool) -> str:
    lines = ["# gort beside others", ""]
    if quick:
        lines += ["Quick: small sizes and few runs. These are no measurements.", ""]
    return "\n".join([*lines, *body(results, "##"), "", plots]) + "\n"


def update_docs(results: Results, docs: Path, out: Path) -> None:
    """Replaces what stands between the two marks, and the plots beside it."""
    page = docs / "PERFORMANCE.md"
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page}: where are the marks of the results?")
    plots = []
    (docs / "plots").mkdir(exist_ok=True)
    for path in sorted(out.glob("*.svg")):
        shutil.copy(path, docs / "plots" / path.name)
        plots.append(f"![{path.stem}](plots/{path.name})")
    page.write_text("\n".join([before + BEGIN, "", *body(results, "###"), "", *plots, "", END]) + after)
