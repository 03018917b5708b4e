"""The exporter goes and comes back, in every way there is; the run's book does not."""

from __future__ import annotations

import random
import signal
import socket
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.heartbeats import heartbeat
from tests.fakes.station import Page, Station, station, until, went_back
from tests.integration.jobs import job

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

INTERVAL_S = 0.1
FROZEN_S = 3.0


def states(answer: dict[str, Any]) -> dict[str, int]:
    """Return a run's live account in device nanoseconds, without zeros."""
    shares = {s["name"]: int(s["gpu_ns"]) for s in answer["live"]["states"]}
    return {name: gpu_ns for name, gpu_ns in shares.items() if gpu_ns}


def say(station: Station, **fields: object) -> None:
    """Send one datagram."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.sendto(heartbeat(**fields), str(station.unix))


def test_what_was_sent_right_before_sigterm_is_not_lost(exporter: Station) -> None:
    """
    Asked to stop, the exporter takes what the kernel still holds and books it.

    Every life of it knows the last datagram of the one before.
    """
    born_s = time.monotonic()
    for life in range(3):
        for seq in range(8):
            step = 10 * life + seq
            up = time.monotonic() - born_s
            say(
                exporter,
                run="last-word",
                seq=step,
                st=step,
                sn=step,
                up=up,
                pa=0.0,
                cum={"train_step": up},
            )

        assert exporter.stop() == 0
        exporter.start()

        assert exporter.page().one("goodput_run_step", run="last-word") == 10 * life + 7


def test_ctrl_c_is_a_wish_and_no_error(exporter: Station) -> None:
    """SIGINT ends it as SIGTERM does: status 0, no traceback, everything booked."""
    assert exporter.end(signal.SIGINT) == 0
    assert "stopped; all that was received" in exporter.lines()[-1]
    assert not [line for line in exporter.lines() if "Traceback" in line]
    assert not exporter.unix.exists()


def test_a_job_that_lives_through_a_restart_has_one_unbroken_book(
    exporter: Station, tmp_path: Path
) -> None:
    """The gap is bridged by what the job counted meanwhile; nothing is invented."""
    with job(tmp_path, exporter) as toy:
        toy.start()
        toy.seen(5)
        until(lambda: exporter.page().states("toy"), "the first sealed time")
        before = exporter.page()
        exporter.stop()
        toy.passes(toy.step() + 20)
        exporter.start()
        first = exporter.page()
        toy.seen(toy.step())
        assert toy.finish() == [0]
        last = exporter.ended("toy")

    assert went_back(before, first) == []
    assert went_back(first, exporter.page()) == []
    assert not {"down", "unobserved", "interrupted"} & states(last).keys()
    assert last["interruptions"] == 0
    assert last["adds_up"]["exact"]
    assert last["progress"]["steps_first_time"] == toy.step()


def test_a_job_that_dies_unseen_is_unobserved_and_then_down(
    exporter: Station, tmp_path: Path
) -> None:
    """Nobody saw when it died: up to our return it is unobserved, from there down."""
    with job(tmp_path, exporter) as toy:
        toy.start()
        toy.seen(25)
        exporter.stop()
        toy.passes(toy.step() + 3)
        toy.kill()
        exporter.start()
        until(lambda: exporter.page().states("toy").get("down"), "the outage")
        toy.start(last=toy.step() + 20)
        assert toy.ended() == [0]
        last = exporter.ended("toy")

    found = states(last)
    pieces = [piece["state"] for piece in last["timeline"]]
    assert {"unobserved", "down", "restoring", "recomputing"} <= found.keys()
    assert pieces.index("unobserved") < pieces.index("down")
    assert pieces.count("down") == 1
    assert last["interruptions"] == 1
    assert last["adds_up"]["exact"]


def test_a_job_whose_first_word_was_all_that_was_heard_is_looked_for(
    tmp_path: Path,
) -> None:
    """Killed before that word was decided about, the exporter knows its process."""
    with station(tmp_path, BOOKS_GRACE_SECONDS="4") as exporter:
        exporter.start()
        with job(tmp_path, exporter) as toy:
            toy.start()
            toy.seen(1)
            exporter.kill()
            toy.kill()
        exporter.start()

        until(lambda: exporter.page().states("toy").get("down"), "the outage")


def test_killing_the_exporter_costs_nothing(exporter: Station, tmp_path: Path) -> None:
    """Three times kill -9 at any moment: the job is whole, and so is its book."""
    dice = random.Random(20)  # noqa: S311 - the same moments every time, no secret
    pages: list[Page] = []
    with job(tmp_path, exporter, ranks=2) as toy:
        toy.start()
        for _ in range(3):
            toy.seen(toy.step() + dice.randrange(1, 20))
            pages.append(exporter.page())
            exporter.kill()
            toy.passes(toy.step() + dice.randrange(1, 20))
            exporter.start()
            pages.append(exporter.page())
        toy.seen(toy.step())
        assert toy.finish() == [0, 0]
        last = exporter.ended("toy")
        pages.append(exporter.page())

    for before, after in pairwise(pages):
        assert went_back(before, after) == []
    assert not {"down", "unobserved", "interrupted"} & states(last).keys()
    assert last["adds_up"]["exact"]
    assert last["interruptions"] == 0
    assert last["progress"]["steps_first_time"] == max(toy.step(0), toy.step(1))


def test_a_frozen_exporter_is_not_an_outage(exporter: Station, tmp_path: Path) -> None:
    """Stopped for seconds and continued, it finds the job where the job is."""
    with job(tmp_path, exporter) as toy:
        toy.start()
        toy.seen(20)
        step, began = toy.step(), time.monotonic()
        toy.passes(step + 50)
        awake_s = time.monotonic() - began

        exporter.signal(signal.SIGSTOP)
        step, began = toy.step(), time.monotonic()
        toy.passes(step + 50)
        frozen_s = time.monotonic() - began
        until(lambda: time.monotonic() - began > FROZEN_S, "the end of the frost")
        exporter.signal(signal.SIGCONT)

        toy.seen(toy.step())
        assert toy.finish() == [0]
        last = exporter.ended("toy")

    assert not {"down", "unobserved", "stalled"} & states(last).keys()
    assert last["interruptions"] == 0
    assert last["adds_up"]["exact"]
    assert last["progress"]["steps_first_time"] == toy.step()
    # A job that waited for us would have stood still; a busy machine is slower.
    assert frozen_s < 5 * awake_s + 1
