"""Does what goroutines cost grow in proportion to their number? The points, as a Markdown table and as a plot.

run.py measures the points, report.py prints the table, and plot.py, where there is matplotlib, makes the plot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GORT, GO = "gort", "Go"
TOUCH = "first touch"  # of as many pages, by a program that does nothing else: what the kernel alone takes
CREATE, RELEASE, MEMORY = "create", "release", "memory"
UNITS = {CREATE: "ns", RELEASE: "ns", MEMORY: "B"}
MEASURES = {"touch": CREATE, "parked_create": CREATE, "parked_release": RELEASE, "parked_bytes": MEMORY}
COLUMNS = [(CREATE, GORT), (CREATE, GO), (CREATE, TOUCH), (RELEASE, GORT), (RELEASE, GO), (MEMORY, GORT), (MEMORY, GO)]


@dataclass(frozen=True)
class Point:
    """What each of so many parked goroutines costs."""

    measure: str
    series: str
    procs: int
    count: int
    each: float


def table(points: list[Point]) -> list[str]:
    """Its lines. Where growth is linear, a column has the same number from top to bottom."""
    each = {(point.measure, point.series, point.procs, point.count): point.each for point in points}
    lines = ["| parked | P | " + " | ".join(f"{measure}: {series}" for measure, series in COLUMNS) + " |"]
    lines.append("|--:" * (2 + len(COLUMNS)) + "|")
    for procs, count in dict.fromkeys((point.procs, point.count) for point in points):
        cells = [f"{count:,}", str(procs)]
        for column in COLUMNS:
            value = each.get((*column, procs, count))
            cells.append("-" if value is None else f"{value:,.0f} {UNITS[column[0]]}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def plot(points: list[Point], path: Path) -> None:
    """Draws totals. With both axes logarithmic, what grows in proportion is a straight line, ten up for ten along."""
    from matplotlib import pyplot, ticker

    colours = {GORT: "tab:blue", GO: "tab:orange", TOUCH: "tab:gray"}
    procs_there = sorted({point.procs for point in points})
    styles = dict(zip(procs_there, ["-", "--", "-.", ":"] * len(procs_there)))
    panels = {
        CREATE: ("Time until all are parked", "seconds", 1e-9),
        MEMORY: ("Resident memory and page tables", "MB", 1e-6),
    }
    figure, axes = pyplot.subplots(1, len(panels), figsize=(11, 5), layout="constrained")
    for axis, (measure, (title, unit, scale)) in zip(axes, panels.items()):
        for series, colour in colours.items():
            for procs, style in styles.items():
                line = sorted(
                    (point.count, point.each * point.count * scale)
                    for point in points
                    if (point.measure, point.series, point.procs) == (measure, series, procs)
                )
                label = f"{series}, {'beside ' if series == TOUCH else ''}{procs} P"
                if line:
                    axis.plot(*zip(*line), style, color=colour, marker="o", markersize=4, label=label)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_title(title)
        axis.set_xlabel("parked goroutines")
        axis.set_ylabel(unit)
        axis.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
        axis.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
        axis.grid(visible=True, which="major", alpha=0.4)
        axis.legend()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
