#!/usr/bin/env python3
"""Checks that the rooms of src/ depend on each other only downwards.

Reads every path that starts at the crate (`crate::room::...`, also in braces, and `super::super::room`), in the tests
of a room as well, and compares it with the table below. A room is a directory or a file of src/, or a single file of a
directory where the table names it (`time::heap`).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

SRC = Path(__file__).resolve().parent.parent / "src"

# Which rooms a room may use, from the bottom up. Itself it may use always.
ALLOWED: dict[str, set[str]] = {
    "error": set(),
    "sys": {"error"},
    "time::heap": {"error", "sys"},  # a plain data structure: every P keeps its sleepers in one
    "time::timeout": {"error", "sys"},  # plain values
    "sched": {"error", "sys", "time::heap"},
    "sync": {"error", "sys", "sched", "time::timeout"},
    "time": {"error", "sys", "time::heap", "time::timeout", "sched", "sync"},  # timers feed channels
    "net": {"error", "sys", "sched", "sync", "time::timeout"},
    "scope": {"error", "sys", "sched", "time::timeout", "sync", "time"},
    "observe": {"error", "sys", "sched", "sync", "time", "net", "scope"},
    "rt": {"error", "sys", "sched", "time::timeout", "net", "scope", "observe"},
    "capi": {"error", "sys", "sched", "time::timeout", "sync", "time", "net", "scope", "observe", "rt"},
    "python": {"error", "sys", "capi"},  # calls the C functions, as the package does
}

COMMENT_OR_STRING = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(\#*)".*?"\1|b?"(?:\\.|[^"\\])*"|'(?:\\.[^']*|[^'\\])'""", re.DOTALL
)
START = re.compile(r"(?<![\w:])(?:\$?crate|(?P<up>super(?:\s*::\s*super)*))\s*::\s*")
NAME = re.compile(r"\s*(?:r#)?(\w+)")


def blank(match: re.Match[str]) -> str:
    """Takes comments and strings away, and leaves the lines where they are."""
    return re.sub(r"[^\n]", " ", match[0])


def tails(text: str, at: int, prefix: tuple[str, ...] = ()) -> tuple[list[tuple[str, ...]], int]:
    """The paths that begin at `at`, two segments of each, and where the text goes on. Braces are taken apart."""
    if len(prefix) < 2 and text.startswith("{", at):
        found: list[tuple[str, ...]] = []
        at += 1
        while at < len(text) and text[at] != "}":
            before = at
            paths, at = tails(text, at, prefix)
            found += paths
            while at < len(text) and text[at] not in ",{}":  # `as x`, `::*`, what is beyond two segments
                at += 1
            if at < len(text) and text[at] == "{":
                at = closing(text, at)
            if at < len(text) and text[at] == ",":
                at += 1
            while at < len(text) and text[at].isspace():
                at += 1
            at = max(at, before + 1)
        return found, at + 1
    name = NAME.match(text, at)
    if name is None:
        return [prefix], at
    path = (*prefix, name[1])
    at = name.end()
    onward = re.compile(r"\s*::\s*").match(text, at)
    if onward and len(path) < 2:
        return tails(text, onward.end(), path)
    return [path], at


def closing(text: str, at: int) -> int:
    """Just behind the brace that closes the one at `at`."""
    depth = 0
    while at < len(text):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
        if depth == 0:
            break
    return at


def room_of(path: tuple[str, ...], rooms: set[str]) -> str | None:
    """The room a path leads to; None for what stands at the top of the crate, such as a macro."""
    if "::".join(path[:2]) in ALLOWED:
        return "::".join(path[:2])
    return path[0] if path and path[0] in rooms else None


def check(file: Path, rooms: set[str], edges: set[tuple[str, str]]) -> list[str]:
    """What is wrong in a file; adds the edges it has."""
    module = tuple(part for part in file.relative_to(SRC).with_suffix("").parts if part != "mod")
    if module == ("lib",):
        return []  # the map of the house names every room
    room = room_of(module, rooms) or module[0]
    if room not in ALLOWED:
        return [f"src/{'/'.join(module)}: the room {room} is not in the table of scripts/check_layers.py"]
    text = COMMENT_OR_STRING.sub(blank, file.read_text(encoding="utf-8"))
    where = file.relative_to(SRC.parent)
    wrong = []
    for start in START.finditer(text):
        ups = len(re.findall("super", start["up"] or ""))
        if start["up"] and ups < len(module):
            continue  # does not leave the room
        for path in tails(text, start.end())[0]:
            other = room_of(path, rooms)
            if other is None or other == room:
                continue
            edges.add((room, other))
            if other not in ALLOWED[room]:
                line = text.count("\n", 0, start.start()) + 1
                wrong.append(f"{where}:{line}: {room} may not use {other} ({'::'.join(path)})")
    return wrong


def main() -> int:
    files = sorted(SRC.rglob("*.rs"))
    rooms = {file.relative_to(SRC).parts[0].removesuffix(".rs") for file in files} - {"lib"}
    edges: set[tuple[str, str]] = set()
    wrong = [line for file in files for line in check(file, rooms, edges)]
    print("\n".join(wrong or [f"layers: {len(files)} files, {len(edges)} dependencies between rooms, all downwards"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
