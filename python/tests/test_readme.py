"""The programs in the README and in docs/PYTHON.md."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from support import HERE, script

ROOT = os.path.join(HERE, "..", "..")


def programs(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return re.findall(r"^```python\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)


class Readme(unittest.TestCase):
    def test_the_server(self):
        source = next(program for program in programs("README.md") if "gort.listen" in program)
        self.assertLessEqual(len(source.splitlines()), 20)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.assertIn("127.0.0.1:7777", source)
        server = subprocess.Popen(
            [sys.executable, "-c", source.replace("7777", str(port))], stderr=subprocess.PIPE, text=True
        )
        try:
            self.ask(port)
            server.send_signal(signal.SIGINT)
            _, err = server.communicate(timeout=60)
        finally:
            server.kill()
        self.assertIn("KeyboardInterrupt", err)
        self.assertEqual(server.returncode, -signal.SIGINT)

    def test_asyncio(self):
        (source,) = programs(os.path.join("docs", "PYTHON.md"))
        self.assertEqual(script(source), (0, "5\n", ""))

    def ask(self, port):
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=60).close()
                break
            except ConnectionRefusedError:
                self.assertLess(time.monotonic(), end, "the server does not listen")
                time.sleep(0.01)
        echoed = []

        def client(i):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as conn:
                message = f"client {i}".encode() * 5000
                threading.Thread(target=conn.sendall, args=[message]).start()
                got = b""
                while len(got) < len(message):
                    got += conn.recv(65536)
                echoed.append(got == message)

        clients = [threading.Thread(target=client, args=[i]) for i in range(20)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        self.assertEqual(echoed, [True] * 20)


if __name__ == "__main__":
    unittest.main()
