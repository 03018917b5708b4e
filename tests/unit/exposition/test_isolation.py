"""A failing family costs only itself, is counted, and does not fill the log."""

from __future__ import annotations

import logging

import pytest

from goodput_exporter.exposition.isolation import LOG_EVERY_SECONDS, Isolation
from goodput_exporter.exposition.metric import Metric, gauge

GOOD = gauge("goodput_good", "It renders.")
BAD = gauge("goodput_bad", "It does not.")


class Seconds:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def _name(metric: Metric) -> str:
    if metric is BAD:
        msg = "no such run"
        raise LookupError(msg)
    return metric.name


def _page(isolation: Isolation) -> list[str | None]:
    isolation.begin_page()
    return isolation.each((BAD, GOOD, BAD), lambda metric: metric, _name)


def test_the_others_are_done() -> None:
    """What raises is left out; what does not is not."""
    isolation = Isolation()

    done = _page(isolation)

    assert done == [None, "goodput_good", None]
    assert isolation.failed_now == {"goodput_bad"}


def test_a_failure_counts_once_a_page() -> None:
    """Thousands of runs with one bug are one failing family, on each page."""
    isolation = Isolation()

    _page(isolation)
    _page(isolation)

    assert isolation.errors == {"goodput_bad": 2}


def test_a_family_gets_another_chance_on_the_next_page() -> None:
    """What was bad may have gone away with its run."""
    isolation = Isolation()
    _page(isolation)

    isolation.begin_page()

    assert not isolation.failed_now


def test_the_traceback_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A page a second must not mean a traceback a second."""
    seconds = Seconds()
    isolation = Isolation(seconds)

    _page(isolation)
    seconds.now = LOG_EVERY_SECONDS - 1
    _page(isolation)
    seconds.now = LOG_EVERY_SECONDS
    _page(isolation)

    records = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(records) == 2
    assert "goodput_bad" in records[0].getMessage()
    assert records[0].exc_info is not None


def test_refused_values_are_counted_one_by_one() -> None:
    """A NaN is an error of its family, which stays on the page."""
    isolation = Isolation()

    isolation.refuse("goodput_bad", 3)
    isolation.refuse("goodput_bad", 1)

    assert isolation.errors == {"goodput_bad": 4}
    assert not isolation.failed_now
