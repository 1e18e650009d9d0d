"""How each peer's programs are built, and what a run of one is. What is built goes to target/bench."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

from suite import BOOST, COROSENSEI, GO, GORT, MAY, TOKIO, Bench

ROOT = Path(__file__).resolve().parent.parent
BENCHES = ROOT / "benches"
TARGET = ROOT / "target"
LIBRARY = TARGET / "release" / "libgort.so"
OUT = TARGET / "bench"
RUN_SECONDS = 600  # a program that takes longer hangs

WARNINGS = ["-O2", "-pthread", "-Wall", "-Wextra", "-Werror"]

# What the programs in Go share, as those in C share headers.
GO_SHARED = ["burn.go", "late.go", "memory.go", "sleepers.go"]
# Only files of ours and the standard library: nothing may be fetched.
GO_ENV = {
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "-mod=mod",
    "GOPROXY": "off",
    "GOWORK": "off",
    "CGO_ENABLED": "0",
    "GOCACHE": str(OUT / "gocache"),
}

FETCH = "`scripts/deps.sh bench` fetches what is missing"


class BenchError(Exception):
    """A program that cannot be built or run."""


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


def stale(program: Path, folder: Path) -> bool:
    """Whether a file in that folder, or gort's header, has changed since the program was built."""
    sources = [*folder.iterdir(), ROOT / "include" / "gort.h", Path(__file__)]
    newest = max(source.stat().st_mtime for source in sources if source.is_file())
    return not program.exists() or program.stat().st_mtime <= newest


def first_line(args: list[str]) -> str:
    try:
        return command(args).strip().splitlines()[0]
    except BenchError:
        return f"{args[0]} of an unknown version"


class Peer:
    """One runtime. `missing` says why none of its programs can be built here, if that is so."""

    name: str
    missing: str | None = None

    def version(self) -> str:
        raise NotImplementedError

    def lacks(self, bench: Bench) -> str | None:
        """What this one bench needs and is not there."""
        return self.missing

    def build(self, bench: Bench) -> list[str]:
        """Builds the program, unless it is there, and answers the beginning of its command line."""
        raise NotImplementedError


class Gort(Peer):
    name = GORT

    def __init__(self, rust: Rust) -> None:
        self.rust = rust
        if not LIBRARY.exists():
            raise BenchError(f"{LIBRARY.relative_to(ROOT)} is not there: make lib")
        # Cargo leaves the library without the name that programs look for at run time.
        soname = re.search(r"SONAME.*\[(.*)\]", command(["readelf", "-d", str(LIBRARY)]))
        if soname:
            link = OUT / soname[1]
            link.unlink(missing_ok=True)
            link.symlink_to(LIBRARY)

    def version(self) -> str:
        return f"{first_line([os.environ.get('CC', 'cc'), '--version'])}; {first_line(['rustc', '--version'])}"

    def lacks(self, bench: Bench) -> str | None:
        if bench.name == "raw":
            return self.rust.missing
        if bench.name == "httpd" and not (shutil.which("wrk") and Path("/usr/include/http_parser.h").exists()):
            return f"it takes wrk and http_parser; {FETCH}"
        return None

    def compile(self, name: str, sources: list[Path] | None = None, libraries: tuple[str, ...] = ()) -> str:
        program = OUT / "c" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        inputs = sources or [BENCHES / f"{name}.c"]
        if stale(program, inputs[0].parent):
            search = ["-I", str(ROOT / "include"), "-L", str(LIBRARY.parent), f"-Wl,-rpath,{OUT}"]
            call = [os.environ.get("CC", "cc"), "-std=gnu11", *WARNINGS, *map(str, inputs), "-o", str(program)]
            command([*call, *search, "-lgort", *libraries])
        return str(program)

    def build(self, bench: Bench) -> list[str]:
        if bench.name == "raw":
            return [*self.rust.program("raw"), "gort"]
        if bench.source == "httpd":
            sources = [ROOT / "examples" / file for file in ("httpd.c", "httpd_request.c")]
            return [self.compile("httpd", sources, ("-lhttp_parser",)), "-p", "0"]
        return [self.compile(bench.source)]


class Go(Peer):
    """On PATH, or where `scripts/deps.sh bench` has put it."""

    name = GO

    def __init__(self) -> None:
        wheels = [str(go) for go in (TARGET / "venv").glob("lib/python*/site-packages/go/bin/go")]
        self.missing = f"there is no Go toolchain; {FETCH}"
        for go in [shutil.which("go"), *wheels]:
            try:
                if go and command([go, "version"], GO_ENV):
                    self.go, self.missing = go, None
                    break
            except BenchError:
                pass

    def version(self) -> str:
        return command([self.go, "version"], GO_ENV).strip()

    def build(self, bench: Bench) -> list[str]:
        program, folder = OUT / "go" / bench.source, BENCHES / "go"
        if stale(program, folder):
            files = [str(folder / file) for file in [f"{bench.source}.go", *GO_SHARED]]
            command([self.go, "build", "-o", str(program), *files], GO_ENV)
            program.touch()  # the linker leaves one alone that would be the same
        return [str(program)]


class Boost(Peer):
    name = BOOST
    headers = Path("/usr/include/boost")

    def __init__(self) -> None:
        self.cxx = os.environ.get("CXX", "c++")
        if not (self.headers / "fiber" / "all.hpp").exists():
            self.missing = f"there is no Boost.Fiber; {FETCH}"
        elif not shutil.which(self.cxx):
            self.missing = f"there is no {self.cxx}"

    def version(self) -> str:
        text = (self.headers / "version.hpp").read_text()
        version = re.search(r'define BOOST_LIB_VERSION "(.*)"', text)
        return f"Boost {version[1].replace('_', '.') if version else '?'}; {first_line([self.cxx, '--version'])}"

    def build(self, bench: Bench) -> list[str]:
        program, folder = OUT / "boost" / bench.source, BENCHES / "boost"
        program.parent.mkdir(parents=True, exist_ok=True)
        if stale(program, folder):
            call = [self.cxx, "-std=c++17", *WARNINGS, str(folder / f"{bench.source}.cpp"), "-o", str(program)]
            command([*call, "-lboost_fiber", "-lboost_context"])
        return [str(program)]


class Rust:
    """The workspace of benches/rust: one program for each peer, which takes the bench's name."""

    def __init__(self) -> None:
        self.built = False
        self.lock = threading.Lock()
        self.missing: str | None = None
        self.env = {"CARGO_TARGET_DIR": str(OUT / "rust")}
        self.manifest = ["--locked", "--manifest-path", str(BENCHES / "rust" / "Cargo.toml")]
        try:
            command(["cargo", "fetch", *self.manifest], self.env)
        except BenchError as error:
            self.missing = "cargo cannot fetch it: " + str(error).strip().splitlines()[-1]

    def version(self, crate: str) -> str:
        text = (BENCHES / "rust" / "Cargo.lock").read_text()
        version = re.search(rf'name = "{crate}"\nversion = "(.*)"', text)
        return f"{crate} {version[1] if version else '?'}; {first_line(['rustc', '--version'])}"

    def program(self, package: str) -> list[str]:
        with self.lock:
            if not self.built:
                command(["cargo", "build", "--release", *self.manifest], self.env)
                self.built = True
        return [str(OUT / "rust" / "release" / f"bench-{package}")]


class RustPeer(Peer):
    def __init__(self, name: str, rust: Rust) -> None:
        self.name, self.rust, self.missing = name, rust, rust.missing

    def version(self) -> str:
        return self.rust.version(self.name)

    def build(self, bench: Bench) -> list[str]:
        if bench.name == "raw":
            return [*self.rust.program("raw"), self.name]
        return [*self.rust.program(self.name), bench.name if bench.source != "parked" else "parked"]


def find_peers() -> dict[str, Peer]:
    OUT.mkdir(parents=True, exist_ok=True)
    rust = Rust()
    peers: list[Peer] = [Gort(rust), Go(), Boost(), *(RustPeer(name, rust) for name in (MAY, TOKIO, COROSENSEI))]
    return {peer.name: peer for peer in peers}
