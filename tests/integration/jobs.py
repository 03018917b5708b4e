"""Small real training jobs: processes that work, report through the SDK, and die."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.fakes.station import PATIENCE_S, Station, until
from tests.sdk.agent import environment

# Real work, no sleeping: steps of some 15 ms, saves at step 20, 420, ..., a file
# that says how far it is (for the tests) and one to restore from (for itself).
TRAIN: Final = """
import pathlib, sys
import goodput_sdk as gp

def write(file, text):
    # Killed at any moment, it leaves the old text or the new one.
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)

folder, last, rank = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
kept, stop = folder / f"kept-{rank}", folder / "stop"
hb = gp.init()
with hb.phase("checkpoint_restore"):
    step = int(kept.read_text()) if kept.exists() else 0
    sum(range(200_000))
hb.restored(step)
while step < last and not stop.exists():
    with hb.phase("data_loading"):
        sum(range(20_000))
    with hb.step(step + 1):
        sum(range(600_000))
    step += 1
    if step % 400 == 20:
        with hb.checkpoint(step):
            sum(range(100_000))
            write(kept, str(step))
    write(folder / f"at-{rank}", str(step))
hb.close()
"""
FOR_EVER: Final = 10**9


class Job:
    """
    One run's ranks, which may be started, killed and started again.

    Args:
        folder: Where its checkpoints are.
        station: Whom it reports to.
        run: Its run id.
        ranks: How many processes.
    """

    def __init__(
        self, folder: Path, station: Station, run: str, ranks: int = 1
    ) -> None:
        self.run = run
        self._folder = folder / run
        self._folder.mkdir()
        self._station = station
        self._ranks = ranks
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, last: int = FOR_EVER) -> None:
        """Start every rank; they train up to step *last*, or until told to stop."""
        for rank in range(self._ranks):
            env = environment(
                self._station.address,
                GOODPUT_INTERVAL_S="0.1",
                GOODPUT_RUN_ID=self.run,
                RANK=str(rank),
                WORLD_SIZE=str(self._ranks),
            )
            where = [str(self._folder), str(last), str(rank)]
            command = [sys.executable, "-c", TRAIN, *where]
            self.processes.append(subprocess.Popen(command, env=env))

    def step(self, rank: int = 0) -> int:
        """Return the last step that a rank has completed."""
        at = self._folder / f"at-{rank}"
        text = at.read_text() if at.exists() else ""
        return int(text or 0)

    def passes(self, step: int) -> None:
        """Wait until the first rank has completed *step*."""
        until(lambda: self.step() >= step, f"step {step} of {self.run}")

    def seen(self, step: int) -> None:
        """Wait until the exporter knows of *step* of the run."""

        def known() -> bool:
            at = self._station.page().one("goodput_run_step", run=self.run)
            return at is not None and at >= step

        until(known, f"step {step} of {self.run} on the page")

    def finish(self) -> list[int]:
        """Let it end well after the step that it is in; return the exit statuses."""
        (self._folder / "stop").touch()
        return self.ended()

    def ended(self) -> list[int]:
        """Wait until all are gone; return the exit statuses."""
        statuses = [process.wait(PATIENCE_S) for process in self.processes]
        self.processes.clear()
        return statuses

    def kill(self) -> None:
        """Kill every rank."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
        self.ended()


@contextmanager
def jobs(
    folder: Path, station: Station, *runs: str, ranks: int = 1
) -> Iterator[list[Job]]:
    """Give some jobs that are not started yet; they are gone afterwards."""
    made = [Job(folder, station, run, ranks) for run in runs]
    with ExitStack() as cleanup:
        for job in made:
            cleanup.callback(job.kill)
        yield made


@contextmanager
def job(
    folder: Path, station: Station, run: str = "toy", ranks: int = 1
) -> Iterator[Job]:
    """Give one job that is not started yet; it is gone afterwards."""
    with jobs(folder, station, run, ranks=ranks) as made:
        yield made[0]
