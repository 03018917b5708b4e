"""Where a program will listen that others know of first; a run that lost nothing."""

from __future__ import annotations

import socket

import pytest

from tests.fakes.station import Station


def unused_port(host: str) -> int:
    """Return a port where nobody listens."""
    with socket.socket() as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


def assert_whole(one: Station, run: str, last_step: int) -> None:
    """Check that a finished run's account is its wall time, and its steps are all."""
    page = one.page()
    began = page.one("goodput_run_started_timestamp_seconds", run=run)
    ended = page.one("goodput_run_ended_timestamp_seconds", run=run)
    states = page.states(run)
    assert began is not None
    assert ended is not None
    told = (one.url, began, ended, states)
    assert sum(states.values()) == pytest.approx(ended - began, abs=1e-6), told
    assert "unobserved" not in states
    assert page.one("goodput_run_steps_total", run=run, execution="first") == last_step
