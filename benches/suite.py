"""Which benches there are, who has which of them, and what gort is to reach beside Go. A line of BENCHES adds one."""

from __future__ import annotations

from dataclasses import dataclass, field

GORT, GO, BOOST, MAY, TOKIO, COROSENSEI = "gort", "go", "boost", "may", "tokio", "corosensei"
TITLES = {GORT: "gort", GO: "Go", BOOST: "Boost.Fiber", MAY: "may", TOKIO: "tokio", COROSENSEI: "corosensei"}
PEERS = [peer for peer in TITLES if peer != GORT]


@dataclass(frozen=True)
class Bench:
    """One line of the suite: a program of each peer's, run once per round."""

    name: str
    quick: tuple[int, ...]  # its arguments with --quick
    peers: tuple[str, ...]  # who has it, beside gort
    # Of its measures: the largest part of Go's time that gort is to take, with one P and with two.
    targets: dict[str, tuple[float, float]] = field(default_factory=dict)
    program: str = ""  # whose name is not the bench's
    args: tuple[int, ...] = ()  # instead of what the program takes by itself
    peer_args: dict[str, tuple[int, ...]] = field(default_factory=dict)  # of a peer that would take too long
    procs: tuple[int, ...] = (1, 2)
    pinned: bool = True  # False: it says itself on which CPUs its processes run
    first_cpu: bool = False  # the last one is for the program that asks this one
    fills_memory: bool = False  # much of its time is the kernel's, for memory: see Session.touch in run.py

    @property
    def source(self) -> str:
        return self.program or self.name

    def runs_with(self, procs: int) -> bool:
        return procs in self.procs or (procs > 2 and 2 in self.procs)


# In the table's order.
BENCHES = [
    Bench("raw", (10_000_000,), (COROSENSEI,), procs=(1,)),
    Bench("switch", (200_000,), (GO, BOOST, MAY, TOKIO), {"switch": (0.30, 0.30)}),
    Bench("go", (100_000,), (GO, BOOST, TOKIO), {"go": (0.40, 0.45)}),
    Bench("spawn_wait", (50_000,), (GO, BOOST, MAY, TOKIO), peer_args={MAY: (50_000,)}),
    Bench("pingpong", (100_000,), (GO, BOOST, MAY, TOKIO), {"pingpong": (0.35, 0.35)}),
    Bench("home", (100_000,), ()),
    Bench("buffered", (500_000,), (GO, BOOST, TOKIO), {"buffered": (0.40, 0.50)}),
    Bench("buffered4", (400_000,), (GO, BOOST), {"buffered4": (0.40, 0.50)}),
    Bench("select", (200_000,), (GO, TOKIO), {"select_unbuffered": (0.45, 0.50), "select_buffered": (0.60, 0.60)}),
    Bench("try_recv", (2_000_000,), (GO, BOOST, MAY, TOKIO), {"try_recv": (0.45, 0.45)}),
    Bench("mutex", (500_000,), (GO, BOOST, MAY, TOKIO), {"mutex": (1.0, 1.0), "mutex_work": (1.0, 1.0)}),
    Bench("skynet", (10_000,), (GO, BOOST, TOKIO), {"skynet": (0.45, 0.55)}),
    Bench("ring", (200_000,), (GO, BOOST, MAY, TOKIO), {"ring": (0.50, 0.50)}),
    Bench("sieve", (300,), (GO, BOOST, TOKIO), {"sieve": (0.70, 0.80)}),
    Bench("fib", (26,), (GO, BOOST, TOKIO), {"fib10": (0.50, 0.50), "fib2": (0.50, 0.50)}),
    Bench("parked100k", (10_000, 0), (GO, BOOST, TOKIO), program="parked", args=(100_000, 0)),
    Bench("parked", (20_000, 0), (GO, BOOST, TOKIO), {"parked_create": (1.0, 1.0)}, fills_memory=True),
    Bench("sleep", (10_000,), (GO, BOOST, TOKIO)),
    Bench(
        "sleep1m",
        (20_000,),
        (GO, BOOST, TOKIO),
        {"sleep1m_wall": (0.50, 0.60), "sleep1m_cpu": (0.50, 0.60)},
        fills_memory=True,
    ),
    Bench("lateness", (50,), (GO, BOOST, MAY, TOKIO), {"lateness_p50": (0.30, 0.30), "lateness_p99": (0.30, 0.30)}),
    Bench("timer", (200_000,), (GO,), {"timer_chan": (0.25, 0.25), "timer_func": (0.25, 0.25)}),
    Bench("blockers", (1,), (GO,)),
    Bench("hogs", (100,), (GO,)),
    Bench("burners", (20,), (GO,)),
    Bench("entry", (100,), (), procs=(1,)),
    Bench("httpd", (1,), (GO,), args=(3,), pinned=False),
    Bench("echo", (300,), (GO, MAY, TOKIO), {"echo_cpu": (0.90, 0.90)}, first_cpu=True),
]

# growth has no program of its own: it runs parked, and touch beside it, with this number, a tenth of it, and so on.
GROWTH = "growth"
GROWTH_MOST, GROWTH_MOST_QUICK = 1_000_000, 20_000

NAMES = [*(bench.name for bench in BENCHES), GROWTH]

# Why nobody else has a bench.
WHY_NOBODY = {
    "raw": "the others have a scheduler, and this is of the bare switch",
    "entry": "it is of how gort's calls enter the runtime",
    "home": "it is of goroutines that share a thread, which only gort's can ask for",
    "httpd": "it is of examples/httpd.c, which has a twin in Go alone",
}

_ALONE = "a task that computes or blocks holds up all others of its thread, and nothing interrupts it"
_BOUND = "its channels have no bound"
_MAPS = "its stacks are mappings of their own, of which the system allows 65,530: this needs more of them"

# Why a peer does not have a bench.
WHY_NOT = {
    BOOST: {
        **dict.fromkeys(["blockers", "hogs", "burners"], _ALONE),
        "select": "it has no select",
        "timer": "it has no timers",
        "echo": "it has no sockets of its own",
    },
    MAY: {
        **dict.fromkeys(["blockers", "hogs", "burners"], _ALONE),
        **dict.fromkeys(["buffered", "buffered4", "select", "sieve"], _BOUND),
        **dict.fromkeys(["go", "skynet", "fib", "parked100k", "parked", "sleep", "sleep1m"], _MAPS),
        "timer": "it has no timers",
    },
    TOKIO: {
        **dict.fromkeys(["blockers", "hogs", "burners"], _ALONE),
        "buffered4": "it has no channel with several receivers",
        "timer": "its timers can be reset but not stopped",
    },
}

# What else differs, for the report.
NOTES = [
    "tokio has no unbuffered channel. One with room for 1 stands for it (pingpong, select, skynet, ring, sieve).",
    "tokio's timers count in milliseconds, and round up. Its tasks have no stacks.",
    "may's channels have no bound: pingpong and ring use those, for they never hold more than one value.",
    "may's spawn_wait has 50,000 rounds, for those with two threads take long. The figure is per round.",
    "Boost's stacks are 64 KiB from malloc, without guards; its buffered channels hold 127, gort's and Go's 128.",
    "gort's raw switch also keeps the control words of floating point, which corosensei's does not.",
]


def why_not(peer: str, bench: Bench) -> str:
    """Why this peer has no such program."""
    return WHY_NOT.get(peer, {}).get(bench.name, "no such program is there")
