"""The end of the interpreter, signals, forks."""

import os
import signal
import sys
import textwrap
import unittest

from support import Case, script

ENDINGS = {
    "nothing": "",
    "parked": "[gort.go(gort.Chan().recv) for _ in range(100)]; gort.sleep(0.01)",
    "sleeping": "[gort.go(gort.sleep, 0.001 * i) for i in range(200)]; gort.sleep(0.01)",
    "yielding": """
        def forever():
            while True:
                gort.yield_()
        [gort.go(forever) for _ in range(5)]; gort.sleep(0.01)""",
    "computing": """
        def forever():
            while True:
                pass
        gort.go(forever); gort.sleep(0.01)""",
    "blocking": "[gort.go(gort.blocking, time.sleep, 100) for _ in range(5)]; gort.sleep(0.01)",
    "a system call": "gort.go(time.sleep, 100); gort.sleep(0.01)",
    "a short system call": "gort.go(time.sleep, 0.1); gort.sleep(0.01)",
    "just started": "[gort.go(gort.sleep, 0) for _ in range(100)]",
    "ticking": """
        def ticks():
            for _ in gort.Ticker(0.0001):
                pass
        [gort.go(ticks) for _ in range(5)]; gort.sleep(0.01)""",
    "threads that wait": """
        c = gort.Chan()
        def waits(timeout):
            while True:
                try: c.recv(timeout=timeout)
                except gort.TimeoutError: pass
        [threading.Thread(target=waits, args=[t], daemon=True).start() for t in (0.0001, 0.001, None)]
        gort.sleep(0.01)""",
    "through ctypes": """
        import ctypes
        lib = ctypes.CDLL(gort._lib.path)
        lib.rt_sleep.argtypes = [ctypes.c_int64]
        def forever():
            while True: lib.rt_sleep(1000)
        [gort.go(forever) for _ in range(5)]; gort.sleep(0.01)""",
    "what swallows all": """
        def forever():
            while True:
                try:
                    while True: pass
                except BaseException: pass
        gort.go(forever); gort.sleep(0.01)""",
    "sockets": """
        listener = gort.listen("127.0.0.1:0")
        gort.go(listener.accept)
        c = gort.dial(f"127.0.0.1:{listener.port}")
        gort.go(c.recv); gort.sleep(0.01)""",
    "generators that wait at their end": """
        def generator():
            try: yield 1
            finally: gort.sleep(0.01)
        kept = generator(); next(kept)
        gort.go(gort.sleep, 10); gort.sleep(0.01)""",
}


def program(body, end):
    return "import gort, sys, threading, time\n" + textwrap.dedent(body).strip() + "\n" + end


class Exit(Case):
    def test_endings(self):
        for name, body in ENDINGS.items():
            with self.subTest(name):
                code, out, err = script(program(body, "print('end'); sys.exit(7)"))
                self.assertEqual((code, out, err), (7, "end\n", ""))

    def test_from_within(self):
        code, out, err = script("import gort, sys\ngort.run(sys.exit, 9)")
        self.assertEqual((code, out, err), (9, "", ""))

    def test_an_error_of_the_main_program(self):
        code, _, err = script(program(ENDINGS["yielding"], "1 / 0"))
        self.assertEqual(code, 1)
        self.assertIn("ZeroDivisionError", err)

    def test_after_the_end_nothing_starts(self):
        code, out, err = script("""
import atexit, gort
def late():
    try: gort.go(print, "no")
    except gort.Canceled: print("refused")
    c = gort.Chan()
    try: c.recv(timeout=0.01)
    except gort.TimeoutError: print("time")
import gort._exit
atexit.unregister(gort._exit._at_exit)
atexit.register(late)
atexit.register(gort._exit._at_exit)
gort.go(gort.sleep, 100)
""")
        self.assertEqual((code, out, err), (0, "refused\ntime\n", ""))

    def test_the_gate_closes_without_goroutines(self):
        code, out, err = script("""
import atexit, threading, time
count = 0
def late():
    time.sleep(0.05)
    before = count
    time.sleep(0.2)
    print(count == before, before > 0)
atexit.register(late)
import gort
def waits():
    global count
    while True:
        try: gort.Chan().recv(timeout=0.001)
        except gort.TimeoutError: count += 1
threading.Thread(target=waits, daemon=True).start()
time.sleep(0.1)
""")
        self.assertEqual((code, out, err), (0, "True True\n", ""))

    def test_callbacks_on_goroutines_of_c(self):
        # Python ends in the midst of them. What may happen once it is gone is for the program to see to.
        for also in ("", "gort.go(int).join()"):
            _, _, err = script(f"""
import ctypes, gort
lib = ctypes.CDLL(gort._lib.path)
lib.rt_go.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
{also}
for _ in range(20000): lib.rt_go(ctypes.cast(body, ctypes.c_void_p), None)
""")
            self.assertNotIn("gort: fatal", err)


class Signals(Case):
    def test_keyboard_interrupt(self):
        for waits in (
            "gort.run(gort.sleep, 60)",
            "gort.run(forever)",
            "gort.Chan().recv()",
            "gort.Chan().send(1)",
            "gort.select([gort.Chan()])",
            "gort.sleep(60)",
            "m = gort.Mutex(); m.lock(); m.lock()",
            "gort.listen('127.0.0.1:0').accept()",
            "gort.RawChan(8).recv()",
            "gort.wait_readable(os.pipe()[0])",
            "pair = socket.socketpair(); gort.Conn(pair[0]).sendall(bytes(10_000_000))",
        ):
            with self.subTest(waits):
                code, out, err = script(f"""
import gort, os, signal, socket, sys, threading, time
def forever():
    while True: gort.yield_()
threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
begun = time.monotonic()
try: {waits}
except KeyboardInterrupt: print("interrupted", time.monotonic() - begun < 30)
sys.exit(3)
""")
                self.assertEqual((code, out, err), (3, "interrupted True\n", ""))

    def test_handlers_run_and_the_wait_goes_on(self):
        code, out, err = script("""
import gort, os, signal, sys
signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
def main():
    os.kill(os.getpid(), signal.SIGUSR1)
    gort.sleep(0.05)
    return "end"
r, w = os.pipe()
os.set_blocking(w, False)
signal.set_wakeup_fd(w)
print(gort.run(main))
assert signal.set_wakeup_fd(-1) == w
print(os.read(r, 10) == bytes([signal.SIGUSR1]))
""")
        self.assertEqual((code, out, err), (0, "handled\nend\nTrue\n", ""))


class Forks(Case):
    def test_fork(self):
        code, out, err = script("""
import gort, os, sys, warnings
warnings.simplefilter("ignore")
c = gort.Chan()
def main():
    [gort.go(c.recv) for _ in range(10)]
    return gort.blocking(int)
gort.run(main)
def again():
    d = gort.Chan()
    [gort.go(d.send, i) for i in range(10)]
    return sum(d.recv() for _ in range(10)) + gort.blocking(int, 5)
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        ok = gort.run(again) == 50
        sys.exit(4 if ok else 5)
    assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 4
print(gort.run(again))
""")
        self.assertEqual((code, out, err), (0, "50\n", ""))

    def test_fork_on_a_goroutine(self):
        code, out, err = script("""
import gort, os, sys, warnings
warnings.simplefilter("ignore")
def main():
    pid = os.fork()
    if pid == 0:
        refused = 0
        for call in (
            lambda: gort.go(print), lambda: gort.sleep(0.001), gort.yield_, gort.Chan().recv, lambda: gort.blocking(int)
        ):
            try: call()
            except RuntimeError: refused += 1
        os._exit(4 if refused == 5 else 5)
    assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 4
    pid = os.fork()
    if pid == 0:
        return
    assert os.waitpid(pid, 0)[1] == 0
    pid = os.fork()
    if pid == 0:
        sys.exit(6)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1])
print(gort.run(main))
""")
        self.assertEqual((code, out, err), (0, "6\n", ""))

    def test_groups_stay_with_their_process(self):
        code, out, err = script("""
import gort, os, signal, sys, warnings
warnings.simplefilter("ignore")
def child(*, exits=True):
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        if exits: sys.exit(6)
    return pid
def status(pid): return os.waitpid(pid, 0)[1]
def waits(ctx):
    try: ctx.done.recv()
    except gort.Closed: print("woken", os.getpid() == parent, flush=True)
def within():
    with gort.Group() as group:
        group.go(waits, group.ctx)
        gort.sleep(0.01)
        pids.append(child())
        group.ctx.cancel()
parent, pids = os.getpid(), []
with gort.Group() as group:
    group.go(lambda: pids.append(child()))
    group.go(lambda: pids.append(child(exits=False)))
with gort.WaitGroup() as waitgroup:
    waitgroup.go(lambda: pids.append(child()))
gort.run(within)
within()
with gort.Group(limit=1) as group:
    group.go(waits, group.ctx)
    gort.run(gort.sleep, 0.01)
    pid = child(exits=False)
    if pid == 0:
        group.wait()
        try: group.go(print)
        except RuntimeError: sys.exit(gort.run(lambda: 9))
    pids.append(pid)
    group.ctx.cancel()
print([os.WEXITSTATUS(status(pid)) if pid else None for pid in pids])
""")
        self.assertEqual((code, out, err), (0, "woken True\n" * 3 + "[6, 0, 6, 6, 6, 9]\n", ""))

    def test_multiprocessing(self):
        import tempfile

        for method in ("fork", "spawn"):
            for where in ("main", "goroutine"):
                with self.subTest(f"{method} from {where}"), tempfile.TemporaryDirectory() as folder:
                    path = os.path.join(folder, "program.py")
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(f"""
import multiprocessing, os, sys, warnings, gort
warnings.simplefilter("ignore")
def square(queue, n):
    if {where == "main" or method == "spawn"}:
        c = gort.Chan()
        gort.go(c.send, n * n)
        n = c.recv()
    else:
        n = n * n
    queue.put(n)
def main():
    context = multiprocessing.get_context("{method}")
    queue = context.Queue()
    processes = [context.Process(target=square, args=(queue, n)) for n in range(3)]
    [p.start() for p in processes]
    print(sorted(gort.blocking(queue.get) for _ in processes))
    [gort.blocking(p.join) for p in processes]
    print([p.exitcode for p in processes])
if __name__ == "__main__":
    gort.go(gort.Chan().recv)
    {"main()" if where == "main" else "gort.run(main)"}
""")
                    import subprocess

                    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60)
                    self.assertEqual((done.returncode, done.stdout), (0, "[0, 1, 4]\n[0, 0, 0]\n"), done.stderr)

    def test_sigint_is_as_before(self):
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)


if __name__ == "__main__":
    unittest.main()
