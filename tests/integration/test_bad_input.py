"""Whatever is thrown at its sockets, the exporter stays up, small and fair."""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.fakes.heartbeats import INC, fields, heartbeat
from tests.fakes.station import Page, Station, station, until
from tests.integration.jobs import job
from tests.parts import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

FLOOD = 100_000
RUN_NAMES = 10_000
NAMES_PER_SENDER = 50
MORE_MEMORY_BYTES = 512 * 2**20
"""Twice what two thousand runs in sight take; it would be gigabytes without limits."""
REASONS = {
    "too_big", "malformed", "depth", "version", "missing", "invalid",
    "field_type", "field_range", "field_text", "phases",
}  # fmt: skip
DICE = random.Random(4)  # noqa: S311 - the same bytes every time, no secret

JUNK = [
    b"",
    b"\x00",
    DICE.randbytes(64),
    DICE.randbytes(8_000),
    b"[" * 8_000,
    b'{"a":' * 1_500,
    b"{" + b'"x":1,' * 1_300 + b'"y":2}',
    b"x" * 20_000,
    heartbeat()[:-1],
    heartbeat(v=2),
    heartbeat(v="1"),
    heartbeat(inc=None),
    heartbeat(inc="not-a-life"),
    heartbeat(seq=-1),
    heartbeat(up=float("nan")),
    heartbeat(up=float("inf")),
    heartbeat(up=-1.0),
    heartbeat(up=10**400),
    heartbeat(pa=1e300),
    heartbeat(cum={"train_step": float("nan")}),
    heartbeat(cum={"train_step": -1.0}),
    heartbeat(cum=[1, 2, 3]),
    heartbeat(cum={f"phase-{n}": 0.1 for n in range(300)}),
    json.dumps(fields(st=10**400, run="digits")).encode(),
    json.dumps(fields(run="\ud800", ph="\udfff", role="\ud800")).encode(),
    heartbeat(run=17, rank="first", ws=[], st={}, sn="many"),
    heartbeat(run="a" * 1_000),
    heartbeat(rank=10**18, ws=10**18),
    heartbeat(t="hello", model={"params": "huge", "layers": [[[[[]]]]]}),
    heartbeat(t="hello", fpt=float("inf"), pk=-5, gpu=["g"] * 500),
]
"""Everything that has ever stopped a parser, a label or a sum; most of it is refused
whole, the rest is stripped of what cannot be read."""


def free_udp_port() -> int:
    """Return a port that nobody holds now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def open_to_all(folder: Path) -> Iterator[tuple[Station, int]]:
    """Give a running exporter that takes UDP too, and its port."""
    port = free_udp_port()
    with station(folder, HEARTBEATS_UDP_PORT=str(port)) as exporter:
        exporter.start()
        yield exporter, port


def send_all(exporter: Station, datagrams: Iterator[bytes]) -> None:
    """Send over the Unix socket, each as soon as the kernel takes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.connect(str(exporter.unix))
        for datagram in datagrams:
            door.send(datagram)


def send_from_many(port: int, batches: list[list[bytes]]) -> None:
    """Send each batch over UDP from a host of its own: the loopback has millions."""
    with ExitStack() as doors:
        for number, batch in enumerate(batches):
            door = doors.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            door.bind((f"127.1.0.{number + 1}", 0))
            door.connect(("127.0.0.1", port))
            for datagram in batch:
                door.send(datagram)


def refused(page: Page) -> dict[str, float]:
    """Return what was refused so far, by reason, without zeros."""
    found = page.by("goodput_datagrams_rejected_total", "reason")
    return {reason: count for reason, count in found.items() if count}


def promtool_reads(text: str) -> bool:
    """Tell whether Prometheus' own parser reads a page, and has nothing to say."""
    done = subprocess.run(
        [require("promtool", package="prometheus"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_flood_of_junk_takes_nothing_from_the_honest_job(
    exporter: Station, tmp_path: Path
) -> None:
    """
    A hundred thousand datagrams at full speed, beside a job that trains.

    The kernel's queue is full all the time, so the job's own datagrams are lost
    at times; its account is not.
    """
    with job(tmp_path, exporter) as honest:
        honest.start()
        honest.seen(1)
        before_bytes = exporter.resident_bytes()
        junk = cycle(JUNK)
        for _ in range(4):
            send_all(exporter, islice(junk, FLOOD // 4))
            assert exporter.page().text
        honest.seen(honest.step())
        assert honest.finish() == [0]
        last = exporter.ended("toy")

    page = exporter.page()
    assert sum(refused(page).values()) >= FLOOD / 2
    assert exporter.resident_bytes() - before_bytes < MORE_MEMORY_BYTES
    assert last["adds_up"]["exact"]
    assert last["progress"]["steps_first_time"] == honest.step()
    assert last["interruptions"] == 0
    assert page.sum("goodput_collector_errors_total") == 0
    assert promtool_reads(page.text)


def test_every_kind_of_junk_has_its_reason(tmp_path: Path) -> None:
    """From senders within their limits, each flaw is counted under its own name."""
    with open_to_all(tmp_path) as (exporter, port):
        lives = [f"{number:016x}".encode() for number in range(len(JUNK))]
        send_from_many(
            port,
            [
                [datagram.replace(INC.encode(), life)] * 2
                for datagram, life in zip(JUNK, lives, strict=True)
            ],
        )
        page = until(
            lambda: (
                page if refused(page := exporter.page()).keys() >= REASONS else None
            ),
            "every reason on the page",
        )

        assert promtool_reads(page.text)
        assert page.sum("goodput_collector_errors_total") == 0
        assert exporter.is_ready()


def test_ten_thousand_run_names_are_a_bounded_page(tmp_path: Path) -> None:
    """Beyond the limit new names are refused, and the page is answered all the time."""
    numbers = iter(range(RUN_NAMES))
    batches = [
        [
            heartbeat(inc=f"{number:016x}", run=f"run-{number}", rank=0, ws=1)
            for number in islice(numbers, NAMES_PER_SENDER)
        ]
        for _ in range(RUN_NAMES // NAMES_PER_SENDER)
    ]
    with open_to_all(tmp_path) as (exporter, port):
        before_bytes = exporter.resident_bytes()
        send_from_many(port, batches)
        text = until(lambda: crowded(exporter), "a page full of runs, some refused")

        assert text.count("\ngoodput_run_state{") < RUN_NAMES / 2
        assert promtool_reads(text)
        assert exporter.resident_bytes() - before_bytes < MORE_MEMORY_BYTES
        assert exporter.is_ready()
        assert exporter.stop() == 0


def crowded(exporter: Station) -> str | None:
    """Return the page once it shows a thousand runs, and that names were refused."""
    status, text = exporter.get("metrics")
    assert status == 200
    # Text and no parser of ours: Prometheus' own in Python takes seconds.
    is_full = text.count("\ngoodput_run_state{") >= 1_000
    is_told = re.search(r'rejected_total\{reason="runs"\} [1-9]', text)
    return text if is_full and is_told else None
