"""Log lines: one event, one line, every field in a place of its own."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from goodput_exporter.services.logs import Structured, configure


def record(message: str, **extra: object) -> logging.LogRecord:
    """Return a record as a logger would make it."""
    fields = {"name": "goodput", "levelname": "WARNING", "msg": message, "created": 0.0}
    return logging.makeLogRecord(fields | extra)


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """Give the root logger back as it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_a_json_line_holds_extra_fields_as_they_are() -> None:
    """A log store can filter by run without parsing the message."""
    line = Structured("json").format(record("late", run="ml/llama", lag_seconds=1.5))

    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "level": "warning",
        "logger": "goodput",
        "message": "late",
        "run": "ml/llama",
        "lag_seconds": 1.5,
    }


def test_logfmt_quotes_only_what_needs_it() -> None:
    """People and grep read the same line."""
    line = Structured("logfmt").format(record("tick is late", step=7, empty=""))

    assert line == (
        "time=1970-01-01T00:00:00.000+00:00 level=warning logger=goodput "
        'message="tick is late" step=7 empty=""'
    )


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_a_hostile_name_cannot_forge_a_second_line(style: str) -> None:
    """Line breaks and escape sequences in what a sender chose stay inside a field."""
    line = Structured(style).format(record("x", run='a\n\x1b[2J level=error "b'))

    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


def test_an_extra_field_cannot_hide_the_time() -> None:
    """The record's own fields win over a sender's field of the same name."""
    line = Structured("json").format(record("x", time="yesterday", level="fine"))

    assert json.loads(line)["time"].startswith("1970")
    assert json.loads(line)["level"] == "warning"


def test_a_traceback_is_a_field() -> None:
    """An exception does not tear one event into forty lines."""
    error = ValueError("no")
    event = record("failed", exc_info=(ValueError, error, error.__traceback__))

    line = Structured("logfmt").format(event)

    assert "ValueError: no" in line
    assert len(line.splitlines()) == 1


def test_only_what_is_severe_enough_is_written(root: logging.Logger) -> None:
    """The level holds for every logger of the process."""
    stream = io.StringIO()
    configure("warning", "logfmt", stream)

    root.getChild("anything").info("unsaid")
    root.getChild("anything").warning("said")

    assert "unsaid" not in stream.getvalue()
    assert "message=said" in stream.getvalue()
