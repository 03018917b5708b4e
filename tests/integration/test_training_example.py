"""The training example is real: it learns, dies, comes back and redoes steps."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


def supervised(workdir: Path, *arguments: str) -> list[str]:
    """Return the command that trains under the supervisor."""
    where = ["--workdir", str(workdir)]
    supervise = [sys.executable, str(EXAMPLES / "supervise.py"), *where, "--"]
    train = [sys.executable, "-u", str(EXAMPLES / "train.py"), *where]
    return [*supervise, *train, "--data", str(workdir / "corpus"), *arguments]


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Start a program whose lines the test reads; it is gone afterwards."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


def test_a_killed_training_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    """SIGKILL in step 5 costs step 5 and step 4: the checkpoint is of step 3."""
    command = supervised(
        tmp_path, "--steps", "6", "--save-every", "3", "--crash-at-step", "5"
    )

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "attempt 1 ended: killed by SIGKILL" in done.stdout
    assert "step-000003.ckpt is whole" in done.stdout
    assert "restored step 3 from step-000003.ckpt" in done.stdout
    assert done.stdout.rstrip().endswith("saved step-000006.ckpt")


def test_the_loss_falls(tmp_path: Path) -> None:
    """Twenty steps of the real model lower the loss by a tenth or more."""
    command = supervised(tmp_path, "--steps", "20", "--save-every", "100")

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    losses = [float(x) for x in re.findall(r"step \d+ loss ([\d.]+)", done.stdout)]
    assert len(losses) == 2
    assert losses[1] < 0.9 * losses[0]


def test_sigterm_saves_and_ends_well(tmp_path: Path) -> None:
    """Asked to stop, the job finishes its step, saves, and exits with status 0."""
    with started(supervised(tmp_path, "--save-every", "2")) as program:
        assert program.stdout is not None
        for line in program.stdout:
            if line.startswith("saved step-000002"):
                break

        program.terminate()
        rest = program.stdout.read()

        assert program.wait() == 0
    assert rest.rstrip().splitlines()[-1].startswith("saved step-")


def test_the_example_never_sleeps() -> None:
    """Every second in the demo's account is a second of work."""
    sources = [
        EXAMPLES / "train.py",
        EXAMPLES / "supervise.py",
        *(EXAMPLES / "charlm").glob("*.py"),
    ]

    assert [path.name for path in sources if "sleep" in path.read_text("utf-8")] == []
