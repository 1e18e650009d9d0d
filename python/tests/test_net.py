"""Sockets, and channels of memory shared with goroutines in C."""

import ctypes
import errno
import os
import socket
import struct
import threading
import unittest
import warnings

import gort
from gort import _errors
from support import Case, goroutine, wait_until

HELPER = os.environ.get("GORT_PYHELPER")


def echo(conn):
    with conn:
        while data := conn.recv():
            conn.sendall(data)


def serve(listener):
    for conn in listener:
        gort.go(echo, conn)


class Sockets(Case):
    @goroutine
    def test_many_connections(self):
        with gort.listen("127.0.0.1:0") as listener:
            server = gort.go(serve, listener)

            def client(i):
                with gort.dial(f"127.0.0.1:{listener.port}", timeout=30) as conn:
                    for n in (1, 100, 200000):
                        message = bytes([i % 256]) * n
                        gort.go(conn.sendall, message)
                        got = b""
                        while len(got) < n:
                            got += conn.recv()
                        self.assertEqual(got, message)

            with gort.WaitGroup() as group:
                for i in range(50):
                    group.go(client, i)
        server.join(timeout=30)

    def test_from_plain_threads(self):
        listener = gort.listen("localhost:0")
        threading.Thread(target=serve, args=[listener], daemon=True).start()
        conn = gort.dial(f"localhost:{listener.port}")
        conn.sendall(b"hello")
        buffer = bytearray(10)
        self.assertEqual(conn.recv_into(buffer), 5)
        self.assertEqual(buffer[:5], b"hello")
        self.assertEqual(conn.peer[1], listener.port)
        conn.shutdown()
        self.assertEqual(conn.recv(), b"")
        conn.close()
        conn.close()
        listener.close()

    @goroutine
    def test_errors(self):
        with self.assertRaises(ConnectionRefusedError):
            gort.dial("127.0.0.1:1", timeout=30)
        with self.assertRaises(ValueError):
            gort.dial("127.0.0.1")
        with self.assertRaises(socket.gaierror):
            gort.dial("host.invalid:80", timeout=30)
        with gort.listen("127.0.0.1:0") as listener, self.assertRaises(OSError):
            gort.listen(f"127.0.0.1:{listener.port}")
        with self.assertRaises(OSError):
            listener.accept()
        a, b = (gort.Conn(s) for s in socket.socketpair())
        b.close()
        with self.assertRaises(BrokenPipeError):
            a.sendall(b"x")
        with self.assertRaises(TypeError):
            a.send("text")
        with self.assertRaises(ValueError):
            a.recv(-1)

    @goroutine
    def test_errors_are_those_of_python(self):
        never_listened = gort.Listener(socket.socket())
        with self.assertRaises(OSError) as caught:
            never_listened.accept()
        self.assertEqual(caught.exception.errno, errno.EINVAL)
        with gort.listen("127.0.0.1:0") as listener:
            client = socket.create_connection(listener.address)
            conn = listener.accept()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            with self.assertRaises(ConnectionResetError):
                conn.recv()
            with self.assertRaises(BrokenPipeError):
                conn.sendall(b"x")
        for code, kind in (
            (errno.EPERM, PermissionError),
            (errno.EAGAIN, BlockingIOError),
            (errno.EINVAL, OSError),
            (errno.ETIMEDOUT, gort.TimeoutError),
            (errno.ECANCELED, gort.Canceled),
        ):
            with self.assertRaises(kind):
                _errors.raise_code(_errors.OF_SYSTEM - code)

    @goroutine
    def test_deadlines_and_close(self):
        a, b = (gort.Conn(s) for s in socket.socketpair())
        a.set_deadline(0.01)
        with self.assertRaises(gort.TimeoutError):
            a.recv()
        a.set_deadline(None)
        gort.go(b.send, b"x")
        self.assertEqual(a.recv(), b"x")
        gort.go(a.close)
        with self.assertRaises(gort.Canceled):
            a.recv()
        self.assertEqual(a.fileno(), -1)

    @goroutine
    def test_waits_for_sockets_of_the_library(self):
        a, b = socket.socketpair()
        with a, b:
            gort.wait_writable(a)
            with self.assertRaises(gort.TimeoutError):
                gort.wait_readable(a, timeout=0.01)
            gort.go(b.send, b"x")
            gort.wait_readable(a.fileno(), timeout=30)
            self.assertEqual(a.recv(5), b"x")

    @goroutine
    def test_a_forgotten_connection_is_closed(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            a, b = (gort.Conn(s) for s in socket.socketpair())
            del b
        self.assertEqual(a.recv(), b"")


class Raw(Case):
    @goroutine
    def test_values(self):
        for element, value in ((0, b""), (5, b"12345"), ("q", -7), ("=iB", (1, 2))):
            c = gort.RawChan(element, 1)
            with self.assertRaises(gort.WouldBlock):
                c.try_recv()
            c.send(value)
            self.assertFalse(c.try_send(value))
            self.assertEqual((c.recv(), len(c), c.capacity), (value, 0, 1))
            gort.go(c.send, value)
            self.assertEqual(c.recv(timeout=30), value)
            self.assertEqual(gort.select([(c, value)]).case, 0)
            self.assertEqual(gort.select([gort.Chan(), c]).value, value)
            with self.assertRaises(gort.TimeoutError):
                c.recv(timeout=0.01)
            with c:
                pass
            self.assertEqual(list(c), [])
            with self.assertRaises(gort.Closed):
                c.send(value)

    def test_misuse(self):
        with self.assertRaises(ValueError):
            gort.RawChan(-1)
        with self.assertRaises(ValueError):
            gort.RawChan(4).send(b"12345")
        c = gort.RawChan(8)
        with self.assertRaises(ValueError):
            gort.RawChan(4, pointer=c.pointer)

    def test_a_second_object_for_a_channel(self):
        c = gort.RawChan("q", 1)
        d = gort.RawChan(8, pointer=c.pointer)
        c.send(1)
        del c
        self.assertEqual(d.recv(), (1).to_bytes(8, "little"))

    @unittest.skipUnless(HELPER, "GORT_PYHELPER names no helper")
    def test_goroutines_in_c(self):
        helper = ctypes.CDLL(HELPER)
        lib = ctypes.CDLL(gort._lib.path)
        lib.rt_go.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        lib.rt_go.restype = ctypes.c_int64

        def check():
            incoming, outgoing = gort.RawChan("q", 3), gort.RawChan("q", 3)
            pipe = (ctypes.c_void_p * 2)(incoming.pointer, outgoing.pointer)
            self.assertGreater(lib.rt_go(ctypes.cast(helper.pyhelper_squares, ctypes.c_void_p), pipe), 0)
            gort.go(lambda: [incoming.send(i) for i in range(1000)] and incoming.close())
            self.assertEqual(list(outgoing), [i * i for i in range(1000)])
            wait_until(lambda: gort._lib.held.rt_chan_len(incoming.pointer) == 0)
            # The goroutine in C has seen the end of its input, and closed its output, as the last thing that it does.
            gort.sleep(0.01)
            return pipe

        kept = [gort.run(check), check()]
        self.assertEqual(len(kept), 2)


if __name__ == "__main__":
    unittest.main()
