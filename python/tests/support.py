"""What the tests share."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
import time
import unittest

import gort

HERE = os.path.dirname(os.path.abspath(__file__))


def goroutine(test):
    """The test runs as a goroutine."""

    @functools.wraps(test)
    def runs(self):
        gort.run(test, self)

    return runs


class Case(unittest.TestCase):
    """No goroutine of a test ends with an exception that nobody expects."""

    def setUp(self):
        self.reported = []
        self.usual_hook, threading.excepthook = threading.excepthook, self.reported.append
        self.addCleanup(setattr, threading, "excepthook", self.usual_hook)
        self.expect_reports = 0

    def tearDown(self):
        self.assertEqual(len(self.reported), self.expect_reports, self.reported)


def wait_until(condition, seconds=30):
    """Works on goroutines and on threads."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it does not come to pass")
        gort.sleep(0.001)


def script(source, *args, timeout=60, **kwargs):
    """Runs a program of its own: its exit code, what it printed, and its errors."""
    done = subprocess.run(
        [sys.executable, "-c", source, *args], capture_output=True, text=True, timeout=timeout, cwd=HERE, **kwargs
    )
    return done.returncode, done.stdout, done.stderr
