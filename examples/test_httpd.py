#!/usr/bin/env python3
"""Drives httpd with curl, wrk and raw sockets. Usage: test_httpd.py PATH-OF-HTTPD"""

from __future__ import annotations

import contextlib
import email.utils
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check import PATIENCE, Check, Server, ended, read_all, reset

check = Check("httpd")
BIG = 20_000_000
SIZES = [0, 1, 4095, 4096, 4097, 262_143, 262_144 + 4096, 1_000_000]

# root may read everything; without this the tests of what may not be read would see nothing.
LIMITED: list[str] = []
if os.geteuid() == 0:
    drop = "-dac_override,-dac_read_search"
    LIMITED = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}"]


def make_tree(root: Path) -> None:
    (root / "sub").mkdir()
    (root / "bare").mkdir()
    (root / "index.html").write_text("<h1>front</h1>\n")
    (root / "sub" / "index.html").write_text("<h1>sub</h1>\n")
    (root / "sub" / "a b%.txt").write_text("spaces\n")
    (root / ".hidden").write_text("hidden\n")
    (root / "locked").write_text("locked\n")
    (root / "locked").chmod(0)
    for size in SIZES:
        (root / f"{size}.bin").write_bytes(os.urandom(size))
    (root / "big").write_bytes(os.urandom(BIG))
    (root / "link").symlink_to("sub/index.html")
    (root / "up").symlink_to("sub/../index.html")
    (root / "out").symlink_to("../secret")
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    (root.parent / "secret").write_text("root:secret\n")


class Answer:
    """One answer, taken off the front of `data`."""

    def __init__(self, data: bytes, head: bool = False) -> None:
        top, _, rest = data.partition(b"\r\n\r\n")
        lines = top.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if lines[0].startswith("HTTP/1.1 ") else 0
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        size = 0 if head or self.status == 304 else int(self.headers.get("content-length", "0"))
        self.body, self.rest = rest[:size], rest[size:]


def curl(server: Server, path: str, *args: str) -> Answer:
    url = f"http://127.0.0.1:{server.port}{path}"
    command = ["curl", "-sS", "-i", "--path-as-is", "--max-time", str(PATIENCE), *args, url]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        check.ok(f"curl {path} {args}", False, done.stderr)
    return Answer(done.stdout, "-I" in args)


def raw(server: Server, data: bytes, end: bool = False) -> bytes:
    """Sends it all, and answers all that comes back until the server closes."""
    with server.connect() as s:
        with contextlib.suppress(ConnectionError):  # it may have seen enough before all was sent
            s.sendall(data)
            if end:
                s.shutdown(socket.SHUT_WR)
        try:
            return read_all(s)
        except OSError as error:
            return repr(error).encode()


def status(server: Server, data: bytes) -> int:
    return Answer(raw(server, data)).status


def request(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *headers, "", ""]).encode()


def test_files(server: Server, root: Path) -> None:
    for path, file in [
        ("/", "index.html"),
        ("/index.html", "index.html"),
        ("/?query=/../x", "index.html"),
        ("/sub/", "sub/index.html"),
        ("//sub//index.html", "sub/index.html"),
        ("/%73ub/a%20b%25.txt", "sub/a b%.txt"),
        ("/link", "sub/index.html"),
        ("/up", "index.html"),
        ("/big", "big"),
        *((f"/{size}.bin", f"{size}.bin") for size in SIZES),
    ]:
        want = (root / file).read_bytes()
        got = curl(server, path)
        check.same(f"{path}: status", got.status, 200)
        check.same(f"{path}: length", got.headers.get("content-length"), str(len(want)))
        check.ok(f"{path}: bytes", got.body == want and got.rest == b"")
        head = curl(server, path, "-I")
        same = {name: value for name, value in head.headers.items() if name != "date"}
        check.same(f"{path}: HEAD", same, {name: value for name, value in got.headers.items() if name != "date"})
        check.ok(f"{path}: HEAD has no body", head.status == 200 and head.rest == b"")
    check.same("absolute form", status(server, request("http://x/", "Connection: close")), 200)
    check.same("absolute form, no path", status(server, request("http://x", "Connection: close")), 200)

    for name, kind in [("index.html", "text/html"), ("0.bin", "application/octet-stream")]:
        check.same(f"type of {name}", curl(server, "/" + name, "-I").headers.get("content-type"), kind)
    check.same("type of text", curl(server, "/sub/a%20b%25.txt").headers.get("content-type"), "text/plain")

    date = email.utils.parsedate_to_datetime(curl(server, "/").headers["date"]).timestamp()
    check.ok("Date", abs(date - time.time()) < 3, date)
    os.utime(root / "index.html", (1_000_000_000, 1_000_000_000))
    check.same("Last-Modified", curl(server, "/").headers.get("last-modified"), "Sun, 09 Sep 2001 01:46:40 GMT")
    for since, want in [
        ("Sun, 09 Sep 2001 01:46:40 GMT", 304),
        ("Sun, 09 Sep 2001 01:46:39 GMT", 200),
        ("Sun, 09 Sep 2001 01:46:41 GMT", 304),
        ("yesterday", 200),
    ]:
        got = curl(server, "/", "-H", f"If-Modified-Since: {since}")
        check.ok(f"since {since}", got.status == want and bool(got.body) == (want == 200), got.status)
    check.same("curl -z", curl(server, "/", "-z", str(root / "index.html")).status, 304)


def test_ranges(server: Server, root: Path) -> None:
    whole = (root / "1000000.bin").read_bytes()
    size = len(whole)
    for wanted, first, last in [
        ("0-0", 0, 0),
        ("5-9", 5, 9),
        ("4095-4096", 4095, 4096),
        ("999999-", size - 1, size - 1),
        ("-1", size - 1, size - 1),
        ("-5000000", 0, size - 1),
        ("10-99999999999999999999", 10, size - 1),
    ]:
        got = curl(server, "/1000000.bin", "-r", wanted)
        check.same(f"range {wanted}", (got.status, got.body), (206, whole[first : last + 1]))
        check.same(f"range {wanted}: header", got.headers.get("content-range"), f"bytes {first}-{last}/{size}")
    for wanted in ["1000000-", "1000000-1000001", "-0"]:
        got = curl(server, "/1000000.bin", "-r", wanted)
        check.same(f"range {wanted}", (got.status, got.headers.get("content-range")), (416, f"bytes */{size}"))
    for wanted in [
        "bytes=9-5",
        "bytes=1-2,4-5",
        "bytes=x-",
        "bytes=",
        "bytes=-",
        "bytes=1-2x",
        "bytes=--5",
        "lines=1-2",
    ]:
        got = curl(server, "/1000000.bin", "-H", f"Range: {wanted}")
        check.ok(f"{wanted} is ignored", got.status == 200 and got.body == whole, got.status)
    got = curl(server, "/1000000.bin", "-r", "0-1", "-H", 'If-Range: "tag"')
    check.same("If-Range", (got.status, len(got.body)), (200, size))
    part = root.parent / "part"
    part.write_bytes(whole[:123_456])
    subprocess.run(["curl", "-sS", "-C", "-", "-o", part, f"http://127.0.0.1:{server.port}/1000000.bin"], check=False)
    check.ok("curl -C -", part.read_bytes() == whole)


def test_refusals(server: Server) -> None:
    for path, want in [
        ("/none", 404),
        ("/bare/", 404),
        ("/index.html/", 404),
        ("/pipe", 404),
        ("/loop", 404),
        ("/" + "n" * 300, 404),
        ("/bare", 301),
        ("/a%zz", 400),
        ("/a%0", 400),
        ("/a%00b", 400),
    ]:
        check.same(path[:20], curl(server, path).status, want)
    if LIMITED and not shutil.which("setpriv"):
        print("skipped: nothing can be made unreadable here (no setpriv)", file=sys.stderr)
    else:
        check.same("/locked", curl(server, "/locked").status, 403)
    check.same("redirect", curl(server, "/sub").headers.get("location"), "/sub/")
    check.same("no redirect to a host", curl(server, "//sub").headers.get("location"), "/sub/")

    for path in [
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/.%2e/secret",
        "/..%2fsecret",
        "/sub/%2e%2e%2f%2e%2e%2fsecret",
        "/..\\secret",
        "//../secret",
        "/out",
        "/absolute",
        "/%2fetc/passwd",
        "//etc/passwd",
        "/.hidden",
        "/%2ehidden",
        "/./.hidden",
    ]:
        got = curl(server, path)
        check.same(f"no way to {path}", (got.status, got.body), (404, b"404 Not Found\n"))

    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"]:
        got = curl(server, "/", "-X", method)
        check.same(method, (got.status, got.headers.get("allow")), (405, "GET, HEAD"))
    check.same("CONNECT", status(server, b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"), 405)
    check.same("a method of nobody's", status(server, request("/", method="BREW")), 501)
    check.same("no Host", status(server, b"GET / HTTP/1.1\r\n\r\n"), 400)
    check.same("two Hosts", status(server, request("/", "Host: y")), 400)
    check.same("HTTP/2.0", status(server, request("/", version="2.0")), 505)
    check.same("HTTP/0.9", status(server, b"GET /\r\n\r\n"), 505)
    check.same("no HTTP", status(server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 501)
    check.same("no target", status(server, b"GET \r\n\r\n"), 400)
    check.same("a header without a colon", status(server, request("/", "oops")), 400)
    check.same("a control character", status(server, request("/", "A: b\x01\x00c")), 400)
    check.same("long URL", status(server, request("/" + "u" * 2047, "Connection: close")), 404)
    check.same("too long URL", status(server, request("/" + "u" * 2048)), 414)
    check.same("endless URL", status(server, b"GET /" + b"u" * 1_000_000), 414)
    check.same("large headers", status(server, request("/", "A: " + "a" * 15_000, "Connection: close")), 200)
    check.same("too large headers", status(server, request("/", "A: " + "a" * 17_000)), 431)
    check.same("too many headers", status(server, request("/", *["A: b"] * 50_000)), 431)

    chunk = b"1000\r\n" + b"c" * 4096 + b"\r\n"
    chunked = request("/", "Transfer-Encoding: chunked", "Connection: close", method="POST")
    check.same("body", status(server, request("/", "Content-Length: 3", "Connection: close") + b"abc"), 200)
    check.same("large body", status(server, request("/", "Content-Length: 65537") + b"b" * 65_537), 413)
    check.same("huge body", status(server, request("/", "Content-Length: 9223372036854775807")), 413)
    check.same("impossible body", status(server, request("/", "Content-Length: 18446744073709551616")), 400)
    check.same("negative body", status(server, request("/", "Content-Length: -1")), 400)
    check.same("chunks", status(server, chunked + chunk * 16 + b"0\r\n\r\n"), 405)
    check.same("too many chunks", status(server, chunked + chunk * 200), 413)
    check.same("no chunk", status(server, chunked + b"oops\r\n"), 400)
    both = ["Content-Length: 3", "Transfer-Encoding: chunked"]
    check.same("two lengths", status(server, request("/", *both) + b"0\r\n\r\n"), 400)
    check.same("two Content-Lengths", status(server, request("/", "Content-Length: 3", "Content-Length: 4")), 400)
    upload = str(Path(__file__).resolve())
    check.same("Expect", curl(server, "/", "-T", upload, "-H", "Expect: 100-continue").status, 417)


def test_keep_alive(server: Server, root: Path) -> None:
    urls = [f"http://127.0.0.1:{server.port}/{size}.bin" for size in [1, 4096, 4097]]
    outputs = ["-o", os.devnull] * len(urls)
    command = ["curl", "-sS", "-w", "%{num_connects}\n", *outputs, *urls]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    check.same("curl uses the connection again", done.stdout.split(), ["1", "0", "0"])
    old = curl(server, "/", "--http1.0")
    check.same("HTTP/1.0", (old.status, old.headers.get("connection")), (200, "close"))
    old = curl(server, "/", "--http1.0", "-H", "Connection: keep-alive")
    check.same("HTTP/1.0 keep-alive", old.headers.get("connection"), "keep-alive")
    check.same("HTTP/1.0 without Host", status(server, b"GET / HTTP/1.0\r\n\r\n"), 200)

    # Requests of all kinds in one go, and cut into pieces: each gets its answer, in turn.
    kinds = [
        (request("/4097.bin"), 200, (root / "4097.bin").read_bytes()),
        (request("/none"), 404, b"404 Not Found\n"),
        (request("/", method="HEAD"), 200, b""),
        (request("/", "Content-Length: 5", method="POST") + b"hello", 405, b"405 Method Not Allowed\n"),
        (b"\r\n" + request("/sub/index.html"), 200, (root / "sub/index.html").read_bytes()),
        (request("/", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\nT: t\r\n\r\n", 200, b"<h1>front</h1>\n"),
        (request("/", "Connection: Upgrade", "Upgrade: websocket"), 200, b"<h1>front</h1>\n"),
        (request("/4096.bin", "Range: bytes=1-2"), 206, (root / "4096.bin").read_bytes()[1:3]),
        (request("/sub", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"), 301, b"301 Moved Permanently\n"),
        (request("/", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"), 304, b""),
    ]
    turns = [kind for _ in range(20) for kind in kinds]
    sent = b"".join(data for data, _, _ in turns)

    def answers(data: bytes) -> bool:
        for asked, want, body in turns:
            got = Answer(data, asked.startswith(b"HEAD"))
            if (got.status, got.body) != (want, body):
                check.ok(f"pipelined: {asked!r}", False, (got.status, got.body))
                return False
            data = got.rest
        return data == b""

    check.ok("pipelined, and half closed", answers(raw(server, sent, end=True)))
    close = request("/", "Connection: close")
    check.ok("what follows Connection: close is not answered", raw(server, close + sent).count(b"HTTP/1.1 ") == 1)
    with server.connect() as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(0, len(sent), 7):
            s.send(sent[i : i + 7])
        s.shutdown(socket.SHUT_WR)
        check.ok("in pieces", answers(read_all(s)))


def test_timeouts(httpd: str, root: Path) -> None:
    with Server(httpd, "-p", "0", "-r", "0.5", "-i", "0.6", "-w", "0.4", root) as server:
        idle, used, silent, reader = server.connect(), server.connect(), server.connect(), server.connect(4096)
        reader.sendall(request("/big"))
        used.sendall(request("/"))
        silent.sendall(b"GET / HTTP/1.1\r\nHo")
        start = time.monotonic()
        slow = server.connect()
        slow.settimeout(0.05)
        got = b""
        for byte in request("/", "A: " + "a" * 1000):
            slow.send(bytes([byte]))
            with contextlib.suppress(socket.timeout):
                got = slow.recv(4096)
                break
        took = time.monotonic() - start
        check.same("a byte now and then", Answer(got).status, 408)
        check.ok("a byte now and then does not put it off", 0.4 < took < 3, took)
        check.same("slow request", Answer(read_all(silent)).status, 408)
        check.ok("idle from the start: closed, without a word", ended(idle))
        check.same("idle after a request", Answer(read_all(used)).status, 200)
        try:
            came = len(read_all(reader))
        except OSError:
            came = 0
        check.ok("who does not read gets no more", came < BIG, came)
        for s in idle, used, silent, reader, slow:
            s.close()


def test_limit(httpd: str, root: Path) -> None:
    with Server(httpd, "-p", "0", "-c", "2", root) as server:
        first, second, third = server.connect(), server.connect(), server.connect()
        for s in first, second:
            s.sendall(request("/"))
            check.same("within the limit", Answer(s.recv(4096)).status, 200)
        third.sendall(request("/"))
        third.settimeout(0.3)
        try:
            got = third.recv(4096)
        except OSError:
            got = b""
        check.same("beyond the limit", got, b"")
        second.close()
        third.settimeout(PATIENCE)
        check.same("its turn comes", Answer(third.recv(4096)).status, 200)
        first.close()
        third.close()


def test_many(server: Server, root: Path) -> None:
    # 100 by curl, in parallel.
    want = (root / "1000000.bin").read_bytes()
    out = root.parent / "many"
    out.mkdir()
    url = f"http://127.0.0.1:{server.port}/1000000.bin?[1-100]"
    command = ["curl", "-sS", "-Z", "--parallel-max", "100", "--max-time", str(PATIENCE), "-o", f"{out}/#1", url]
    done = subprocess.run(command, capture_output=True, check=False)
    check.same("100 by curl in parallel", done.returncode, 0)
    check.same("100 by curl: bytes", sum(file.read_bytes() == want for file in out.iterdir()), 100)

    # 500 that stay: what they cost.
    before = server.memory()
    sockets = [server.connect() for _ in range(500)]
    for s in sockets:
        s.sendall(request("/4096.bin"))
    answers = [Answer(s.recv(8192)).status for s in sockets]
    check.same("500 at once", answers, [200] * 500)
    each = (server.memory() - before) / 500
    check.ok("memory of a connection", each < 48 * 1024, each)
    print(f"httpd: {each / 1024:.1f} KiB for each connection")
    ticks = server.ticks()
    time.sleep(0.5)
    check.ok("idle connections cost no CPU", server.ticks() - ticks <= 2, server.ticks() - ticks)
    for s in sockets:
        s.close()


def test_garbage(server: Server) -> None:
    """Whatever comes, there is an answer, or none if a request never came to its end; and then the connection ends."""
    seed = int(os.environ.get("GORT_SEED", "0")) or random.randrange(1, 1 << 32)
    print(f"httpd: GORT_SEED={seed}")
    good = request("/4097.bin", "Range: bytes=1-2", "If-Modified-Since: x", "Transfer-Encoding: chunked")
    good += b"1\r\na\r\n0\r\n\r\n"

    def disturb(number: int) -> str:
        chance = random.Random(seed + number)
        data = bytearray(good * 3)
        for _ in range(chance.randrange(1, 8)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = bytes(chance.randrange(256) for _ in range(chance.randrange(3)))
        with server.connect() as s:
            try:
                s.sendall(data)
                if number % 3 == 0:
                    reset(s)
                    return "reset"
                s.shutdown(socket.SHUT_WR)
                got = read_all(s)
            except ConnectionError:
                return "ended"
            except OSError:
                return f"hangs: {data!r}"
        return "answered" if got.startswith(b"HTTP/1.1 ") else "ended" if got == b"" else f"{data!r}: {got!r}"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(disturb, range(300)))
    check.same("garbage", set(results) - {"reset", "answered", "ended"}, set())
    check.ok("most of it is answered", results.count("answered") > 150, results.count("answered"))
    check.same("and it harms nobody", curl(server, "/").status, 200)


def test_stop(httpd: str, root: Path) -> None:
    with Server(httpd, "-p", "0", root) as server:
        idle, used, begun, busy = server.connect(), server.connect(), server.connect(), server.connect(4096)
        used.sendall(request("/1.bin"))
        check.same("stop: before", Answer(used.recv(4096)).status, 200)
        begun.sendall(b"GET / HT")
        busy.sendall(request("/big"))
        got = busy.recv(100)
        server.terminate()
        check.ok("stop: nobody new", server.refuses())
        check.ok("stop: idle ones are closed", ended(idle) and ended(used) and ended(begun))
        check.same("stop: it waits for who is served", server.process.poll(), None)
        got += read_all(busy)
        check.ok("stop: all of it came", Answer(got).body == (root / "big").read_bytes())
        check.same("stop: exit code, stderr", server.wait(), (0, ""))
        for s in idle, used, begun, busy:
            s.close()
    with Server(httpd, "-p", "0", "-g", "0.3", root) as server:
        stuck = server.connect(4096)
        stuck.sendall(request("/big"))
        stuck.recv(100)
        start = time.monotonic()
        server.terminate()
        check.same("stop: not for ever", server.wait(), (0, "httpd: not everybody was through in time\n"))
        took = time.monotonic() - start
        check.ok("stop: after its time", 0.25 < took < 3, took)
        stuck.close()


def test_wrk(httpd: str, root: Path) -> None:
    with Server(httpd, "-p", "0", root) as server:
        for path, seconds in [("/", 2), ("/262143.bin", 1)]:
            url = f"http://127.0.0.1:{server.port}{path}"
            done = subprocess.run(
                ["wrk", "-t", "1", "-c", "64", "-d", str(seconds), url], capture_output=True, text=True, check=False
            )
            out = done.stdout
            rate = [line.split()[1] for line in out.splitlines() if line.startswith("Requests/sec")]
            check.ok(f"wrk {path}: requests", done.returncode == 0 and rate != [] and float(rate[0]) > 100, out)
            check.ok(f"wrk {path}: no errors", "errors" not in out and "Non-2xx" not in out, out)
            print(f"httpd: wrk {path}: {rate} requests/s")
        # Stopped under load: nobody who got an answer got half of one.
        halves = []
        stop = threading.Event()

        def ask() -> None:
            want = (root / "4097.bin").read_bytes()
            with contextlib.suppress(OSError), server.connect() as s:
                while not stop.is_set():
                    s.sendall(request("/4097.bin"))
                    data = b""
                    while len(data) < len(want) or len(Answer(data).body) < len(want):
                        part = s.recv(65536)
                        if not part:
                            if data:
                                halves.append(data)
                            return
                        data += part

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        server.terminate()
        code = server.wait()
        stop.set()
        for thread in threads:
            thread.join()
        check.same("stop under load", (code, halves), ((0, ""), []))


def test_command_line(httpd: str, server: Server, root: Path) -> None:
    for args, want in [
        (["-h"], 0),
        ([], 2),
        (["-x", root], 2),
        (["-p", "70000", root], 2),
        (["-p", "0", root, root], 2),
        (["-p", "0", root / "none"], 1),
        (["-p", "0", root / "index.html"], 1),
        (["-p", str(server.port), root], 1),
    ]:
        done = subprocess.run([httpd, *args], capture_output=True, timeout=PATIENCE, check=False)
        check.same(f"httpd {args}", (done.returncode, bool(done.stderr)), (want, want != 0))


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    httpd = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as work:
        root = Path(work) / "root"
        root.mkdir()
        make_tree(root)
        with Server(httpd, "-p", "0", root, before=LIMITED) as server:
            test_files(server, root)
            test_ranges(server, root)
            test_refusals(server)
            test_keep_alive(server, root)
            test_many(server, root)
            test_garbage(server)
            test_command_line(httpd, server, root)
            server.terminate()
            check.same("exit code, stderr", server.wait(), (0, ""))
        test_timeouts(httpd, root)
        test_limit(httpd, root)
        test_stop(httpd, root)
        test_wrk(httpd, root)
    return check.finish()


if __name__ == "__main__":
    sys.exit(main())
