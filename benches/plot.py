#!/usr/bin/env python3
"""The plots: what the peers take beside gort, as bars, and what growth costs. They need matplotlib, which the Python
that runs run.py may lack. So this file is a program of its own: plot.py FOLDER-OF-RESULTS FOLDER-FOR-PLOTS
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

import growth
import matplotlib
import report
import suite

matplotlib.use("svg")
# Text stays text, and the same values make the same file.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "gort"})

from matplotlib import pyplot, ticker  # noqa: E402 (after the backend)

COLOURS = {
    suite.GO: "tab:orange",
    suite.BOOST: "tab:green",
    suite.MAY: "tab:red",
    suite.TOKIO: "tab:purple",
    suite.COROSENSEI: "tab:brown",
}
# Latest values, peaks and shares of memory: not what peers are compared by at one glance.
LEFT_OUT = ("_max", "_spawn", "_left", "_serial", "_threads", "_plain")


def times_gort(pairs: dict[str, list[float]], unit: str) -> list[float]:
    """How many times what gort takes the peer takes, in each pair; of a rate, how many times less it answers."""
    ratios = report.ratios(pairs)
    return sorted(ratios if unit.endswith("/s") else (1 / ratio for ratio in ratios if ratio > 0))


def bars(benches: list[dict[str, Any]], procs: int, path: Path) -> None:
    """A group of bars for each measure, and in it one for each peer, as long as it takes beside gort."""
    groups = []
    for record in benches:
        for measure, entry in record["measures"].items():
            found = {
                peer: times_gort(entry["peers"][peer], entry["unit"]) for peer in COLOURS if peer in entry["peers"]
            }
            found = {peer: values for peer, values in found.items() if values}
            if record["procs"] == procs and found and not measure.endswith(LEFT_OUT):
                groups.append((measure, found))
    if not groups:
        return
    rows = sum(len(found) for _, found in groups) + len(groups)
    figure, axis = pyplot.subplots(figsize=(10, 1.5 + 0.17 * rows), layout="constrained")
    row, ticks = 0, []
    placed: dict[str, list[tuple[int, list[float]]]] = {}
    for measure, found in groups:
        ticks.append((row + (len(found) - 1) / 2, measure))
        for peer, values in found.items():
            placed.setdefault(peer, []).append((row, values))
            row += 1
        row += 1
    for peer, bars_of_peer in placed.items():
        at = [place for place, _ in bars_of_peer]
        middle = [statistics.median(values) for _, values in bars_of_peer]
        widths = [value - 1 for value in middle]
        axis.barh(at, widths, left=1, color=COLOURS[peer], label=suite.TITLES[peer], height=0.9)
        least, most = ([values[end] for _, values in bars_of_peer] for end in (0, -1))
        axis.hlines(at, least, most, color="black", linewidth=1)
    axis.set_xscale("log")
    axis.axvline(1, color="tab:blue", linewidth=1.5)
    axis.set_yticks([at for at, _ in ticks], [name for _, name in ticks])
    axis.set_ylim(row - 0.5, -1)
    axis.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
    axis.grid(visible=True, axis="x", alpha=0.4)
    axis.set_xlabel(
        "times what gort takes (right of the line: more than gort); thin lines: least and most of the pairs"
    )
    axis.set_title(f"Beside gort, {procs} P")
    axis.legend(loc="upper right")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main(args: list[str]) -> int:
    results, out = report.read(Path(args[0])), Path(args[1])
    for procs in sorted({record["procs"] for record in results.benches}):
        bars(results.benches, procs, out / f"bars-{procs}p.svg")
    if results.points:
        growth.plot(results.points, out / "growth.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
