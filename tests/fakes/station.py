"""The standalone exporter as a process of its own, on a folder that a test owns."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from tests.parts import miss

T = TypeVar("T")

PATIENCE_S: Final = 30.0
POLL_S: Final = 0.02
LINES: Final = 30
QUICK: Final = {
    "HTTP_PORT": "0",
    "HEARTBEATS_UDP_PORT": "0",
    "NVML_ENABLED": "no",
    "BOOKS_TICK_SECONDS": "0.1",
    "BOOKS_GRACE_SECONDS": "0.3",
    "BOOKS_SETTLE_SECONDS": "5",
    "BOOKS_SETTLE_AFTER_START_SECONDS": "5",
    "RUN_REFERENCE_STEP_SECONDS": "3600",
}
"""Compressed time: what takes a minute in service takes seconds here. With the
reference pinned, no slow machine makes a step slow."""

Labels = tuple[tuple[str, str], ...]


def until(
    ask: Callable[[], T | None], what: str = "", *, within_s: float = PATIENCE_S
) -> T:
    """
    Ask again and again until the answer is true, and return it.

    Raises:
        AssertionError: It was not within the time.
    """
    ends_at = time.monotonic() + within_s
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > ends_at:
            msg = f"gave up after {within_s} s waiting for {what or ask}: {answer!r}"
            raise AssertionError(msg)
        time.sleep(POLL_S)


class Station:
    """
    One exporter on one ledger and one socket; may be started again and again.

    Args:
        folder: Where its ledger and its log are.
        sockets: Where its socket is; a path short enough for one.
        settings: Changes to ``QUICK``, by the name behind ``GOODPUT_EXPORTER_``.
    """

    def __init__(
        self, folder: Path, sockets: Path, settings: Mapping[str, str]
    ) -> None:
        self.ledger = folder / "ledger.sqlite"
        self.log = folder / "exporter.log"
        self.unix = sockets / "agent.sock"
        self.settings = {
            "LEDGER_PATH": str(self.ledger),
            "HEARTBEATS_UNIX_PATH": str(self.unix),
            **QUICK,
            **settings,
        }
        self.url = ""
        self.command = "standalone"
        self.environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Return what a job's GOODPUT_ADDR is."""
        return f"unix://{self.unix}"

    @property
    def pid(self) -> int:
        """Return the process's id."""
        assert self._process is not None
        return self._process.pid

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the program and wait for nothing."""
        ours = {f"GOODPUT_EXPORTER_{k}": v for k, v in self.settings.items()}
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GOODPUT_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "goodput_exporter.cli", self.command],
                env=kept | ours | self.environment,
                stdout=log,
                stderr=log,
            )
        return self._process

    def start(self, within_s: float = PATIENCE_S) -> None:
        """Start the program and wait until it has completed a tick."""
        already = len(self.lines())
        process = self.launch()

        def listening() -> re.Match[str] | None:
            assert process.poll() is None, self.log.read_text()
            said = "\n".join(self.lines()[already:])
            return re.search(r"message=listening page=(\S+)", said)

        said = until(listening, "the line that names the port", within_s=within_s)
        self.url = said.group(1)
        until(self.is_ready, "the first tick", within_s=within_s)

    def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        return self.end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it as the kernel does when memory is short."""
        self.end(signal.SIGKILL)

    def end(self, number: int) -> int:
        """Send a signal that ends it; return its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(PATIENCE_S)

    def signal(self, number: int) -> None:
        """Send a signal that does not end it."""
        os.kill(self.pid, number)

    def close(self) -> None:
        """Make sure that it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE_S)

    def lines(self) -> list[str]:
        """Return what it has said so far, in all its lives."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def get(self, path: str) -> tuple[int, str]:
        """Ask for a path; return the status and the text."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=PATIENCE_S) as reply:  # noqa: S310 - ours, on the loopback
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode()

    def is_ready(self) -> bool:
        """Tell whether ticks are fresh and committed."""
        return self.get("readyz")[0] == 200

    def page(self) -> Page:
        """Return the metrics page, read by Prometheus' own Python parser."""
        status, text = self.get("metrics")
        assert status == 200
        return Page(text)

    def run(self, name: str) -> dict[str, Any] | None:
        """Return what the API says of a run; None while it does not know it."""
        status, text = self.get(f"api/v1/runs/{name}")
        found: dict[str, Any] | None = json.loads(text) if status == 200 else None
        return found

    def ended(self, name: str) -> dict[str, Any]:
        """Wait until a run's book is closed and sealed; return it."""

        def closed() -> dict[str, Any] | None:
            # In this order: the answer must not be older than the page.
            return self.run(name) if self.page().sealed_whole(name) else None

        return until(closed, f"the end of {name}")

    def resident_bytes(self) -> int:
        """Return how much memory the process holds."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Page:
    """
    One scrape.

    Args:
        text: What ``/metrics`` answered; refused if it cannot be parsed.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: dict[str, dict[Labels, float]] = defaultdict(dict)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(sorted(sample.labels.items()))
                self.samples[sample.name][labels] = sample.value

    def by(self, name: str, label: str, **where: str) -> dict[str, float]:
        """Return one metric's values by one label, of the series that match."""
        return {
            dict(labels)[label]: value
            for labels, value in self.samples[name].items()
            if where.items() <= dict(labels).items()
        }

    def one(self, name: str, **where: str) -> float | None:
        """Return the value of the one series that matches; None without one."""
        found = [
            value
            for labels, value in self.samples[name].items()
            if where.items() <= dict(labels).items()
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def sum(self, name: str, **where: str) -> float:
        """Return the sum over the series that match."""
        return sum(
            value
            for labels, value in self.samples[name].items()
            if where.items() <= dict(labels).items()
        )

    def states(self, run: str) -> dict[str, float]:
        """Return a run's sealed device seconds by state, without zeros."""
        found = self.by("goodput_run_gpu_seconds_total", "state", run=run)
        return {state: seconds for state, seconds in found.items() if seconds}

    def sealed_whole(self, run: str) -> bool:
        """Tell whether a run that has ended is in the counters to its end."""
        ended = self.one("goodput_run_ended_timestamp_seconds", run=run)
        sealed = self.one("goodput_run_sealed_timestamp_seconds", run=run)
        return ended is not None and sealed is not None and sealed >= ended

    def counters(self) -> dict[tuple[str, Labels], float]:
        """Return every counter of runs, by name and labels."""
        return {
            (name, labels): value
            for name, series in self.samples.items()
            if name.startswith("goodput_run_") and name.endswith("_total")
            for labels, value in series.items()
        }


def went_back(before: Page, after: Page) -> list[str]:
    """Return the counters that fell or vanished from one page to a later one."""
    later = after.counters()
    return [
        f"{name} {dict(labels)}: {value} -> {later.get((name, labels))}"
        for (name, labels), value in before.counters().items()
        if later.get((name, labels), -1.0) < value
    ]


@contextmanager
def station(folder: Path, **settings: str) -> Iterator[Station]:
    """Give an exporter that is not started yet; it is gone afterwards."""
    if not hasattr(os, "pidfd_open"):
        miss("the exporter watches processes through pidfds: Linux 5.3 or newer")
    with tempfile.TemporaryDirectory(prefix="gp") as sockets:
        one = Station(folder, Path(sockets), settings)
        try:
            yield one
        finally:
            one.close()
            # pytest shows it where the test failed, and only there.
            sys.stdout.write("\n".join(["the exporter said:", *one.lines()[-LINES:]]))
