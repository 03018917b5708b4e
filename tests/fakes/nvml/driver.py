"""Builds the fake NVML library and writes the scenario that it plays."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("nvml.c")
LIBRARY = "libnvidia-ml.so.1"
HEALTHY_8 = ("count 8",)


@dataclass(frozen=True, slots=True)
class FakeDriver:
    """
    One fake driver: a directory for the loader and a scenario file.

    Args:
        library_dir: What LD_LIBRARY_PATH names; the library may not be there yet.
        scenario: The file that the library plays; see the head of ``nvml.c``.
        built: The compiled library.
    """

    library_dir: Path
    scenario: Path
    built: Path

    def play(self, *rules: str) -> None:
        """Replace the whole scenario at once; calls under way see it too."""
        fresh = self.scenario.with_suffix(".new")
        fresh.write_text("\n".join(rules) + "\n", encoding="ascii")
        fresh.replace(self.scenario)

    def load(self) -> None:
        """Put the library where the loader finds it, as a driver install does."""
        (self.library_dir / LIBRARY).symlink_to(self.built)

    def environment(self) -> dict[str, str]:
        """Return the environment in which the real binding finds this driver."""
        return os.environ | {
            "LD_LIBRARY_PATH": str(self.library_dir),
            "FAKE_NVML_SCENARIO": str(self.scenario),
        }


def compile_library(folder: Path) -> Path:
    """
    Compile the fake driver once.

    Without a C compiler the calling test is skipped, and fails where CI=true:
    a suite that skips its real binding silently proves nothing.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        why = "no C compiler (cc, gcc, clang) to build the fake NVML library with"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    built = folder / LIBRARY
    options = ["-O1", "-shared", "-fPIC", "-o", str(built), str(SOURCE), "-lpthread"]
    subprocess.run([compiler, *options], check=True, timeout=60)
    return built


def install(folder: Path, built: Path, *, loaded: bool = True) -> FakeDriver:
    """Return a fake driver of its own in *folder*, with eight healthy GPUs."""
    library_dir = folder / "lib"
    library_dir.mkdir()
    driver = FakeDriver(library_dir, folder / "scenario.txt", built)
    driver.play(*HEALTHY_8)
    if loaded:
        driver.load()
    return driver
