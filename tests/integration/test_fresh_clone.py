"""A newcomer's first command works in a fresh clone, and the numbers add up."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.parts import require

ROOT = Path(__file__).resolve().parents[2]
RUN_FOR_SECONDS = 75
# What a developer's shell may have set and a newcomer's has not.
OURS = ("GOODPUT_", "PYTHON", "VIRTUAL_ENV", "MAKE", "MFLAGS", "OPENBLAS", "OMP_")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone of what is committed."""
    folder = tmp_path_factory.mktemp("fresh") / "goodput-exporter"
    subprocess.run(
        [require("git"), "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)],
        check=True,
    )
    return folder


def newcomer() -> dict[str, str]:
    """Return the environment of somebody who has just arrived."""
    return {k: v for k, v in os.environ.items() if not k.startswith(OURS)}


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.real
@pytest.mark.timeout(420)
def test_make_run_accounts_for_a_crash_to_the_nanosecond(clone: Path) -> None:
    """
    One command tells the whole story within two minutes.

    Steps, saves, a crash, the outage, the restore, the redone steps, and an
    account whose two totals are one number.
    """
    done = subprocess.run(
        [require("make"), "run", f"RUN_FOR={RUN_FOR_SECONDS}", f"PORT={free_port()}"],
        cwd=clone,
        env=newcomer(),
        capture_output=True,
        text=True,
        check=False,
    )

    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    assert "\x1b" not in said
    account = said.partition("device-seconds")[2]
    for state in ("productive", "checkpointing", "down", "restoring", "recomputing"):
        assert re.search(rf"^{state} ", account, re.MULTILINE), said
    booked, wall = re.findall(r"(\d+) ns", said)
    assert booked == wall
    assert int(booked) > 0
    percentages = re.findall(r"^\w+ +[\d.]+ +([\d.]+) ", account, re.MULTILINE)
    assert round(sum(map(float, percentages)), 6) == 100
    assert said.rstrip().splitlines()[-1].startswith("Of ")


@pytest.mark.real
@pytest.mark.timeout(60)
def test_make_without_a_target_explains_itself(clone: Path) -> None:
    """Whoever types make alone gets the list, and nothing is installed."""
    done = subprocess.run(
        [require("make")],
        cwd=clone,
        env=newcomer(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert "make run" in done.stdout
    assert "make test" in done.stdout
