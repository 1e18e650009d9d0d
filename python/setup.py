"""Builds the wheel: the package, and libgort.so inside it.

Not by maturin or setuptools-rust: these make extension modules, built for one Python or its stable ABI. libgort.so
knows no Python, so one wheel serves all versions (py3-none-PLATFORM), and it is the very file that `make lib` makes:
building one after the other compiles once. GORT_LIBRARY names one that is built already; without it cargo builds the
crate around this folder.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.dist import Distribution

ROOT = Path(__file__).resolve().parent.parent


class BuildPy(build_py):
    def run(self):
        # What was there before is not to get into this wheel.
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if self.editable_mode:
            self.library()  # the package finds it in the build tree
            return
        target = Path(self.build_lib, "gort", "libgort.so")
        self.mkpath(str(target.parent))
        shutil.copyfile(self.library(), target)

    def library(self):
        ready = os.environ.get("GORT_LIBRARY")
        if ready:
            return ready
        if not (ROOT / "Cargo.toml").exists():
            raise SystemExit("gort: the wheel is built in the source tree, whose crate it is made of")
        subprocess.run(["cargo", "build", "--release", "--lib"], cwd=ROOT, check=True)
        return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "release", "libgort.so")


class BdistWheel(bdist_wheel):
    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


class WithLibrary(Distribution):
    """A library makes the wheel one for a platform."""

    def has_ext_modules(self):
        return True


version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
(ROOT / "target").mkdir(exist_ok=True)
setup(version=version, cmdclass={"build_py": BuildPy, "bdist_wheel": BdistWheel}, distclass=WithLibrary)
