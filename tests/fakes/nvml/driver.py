"""Builds the fake NVML library and writes the scenario that it plays."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from goodput_exporter.sources.nvml.host import Host
from goodput_exporter.sources.nvml.search import LOADER, Nodes

SOURCES = sorted(Path(__file__).parent.glob("*.c"))
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
        devices: The folder whose files stand for the device nodes.
    """

    library_dir: Path
    scenario: Path
    built: Path
    devices: Path

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
            "FAKE_NVML_DEVICES": str(self.devices),
        }

    def nodes(self) -> tuple[Nodes, ...]:
        """Return the device nodes as the exporter's own search reports them."""
        names = sorted(path.name for path in self.devices.iterdir())
        return (Nodes(str(self.devices), tuple(names)),) if names else ()

    def host(self) -> Host:
        """Return a machine with this driver, without files that outlive us."""
        return Host(
            environment=self.environment(),
            gpus_on_bus=lambda: 0,
            libraries=lambda: [LOADER],
            nodes=self.nodes,
        )


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
    # The name that the real library carries in itself, by which the loader knows it.
    name = f"-Wl,-soname,{LIBRARY}"
    options = ["-O1", "-shared", "-fPIC", name, "-o", str(built), "-lpthread"]
    subprocess.run([compiler, *map(str, SOURCES), *options], check=True, timeout=60)
    return built


def install(folder: Path, built: Path, *, loaded: bool = True) -> FakeDriver:
    """Return a fake driver of its own in *folder*, with eight healthy GPUs."""
    library_dir = folder / "lib"
    library_dir.mkdir()
    devices = folder / "dev"
    devices.mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (devices / name).touch()
    driver = FakeDriver(library_dir, folder / "scenario.txt", built, devices)
    driver.play(*HEALTHY_8)
    if loaded:
        driver.load()
    return driver
