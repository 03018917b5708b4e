"""One log line per event on stderr, as logfmt or JSON; extra fields stay fields."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""What every log record has; anything else came in through ``extra``."""

UNWANTED = frozenset({"color_message"})
"""What uvicorn adds for its own terminal output: the message once more."""


class Structured(logging.Formatter):
    """
    A record as a flat set of fields, each in one place.

    Args:
        style: ``"logfmt"`` or ``"json"``.
    """

    def __init__(self, style: str) -> None:
        super().__init__()
        self._render = _json if style == "json" else _logfmt

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; a traceback is a field of it, not lines of its own."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        extra = {k: v for k, v in vars(record).items() if k not in STANDARD | UNWANTED}
        # An extra called "time" must not hide the time.
        fields = extra | fields if fields.keys() & extra.keys() else fields | extra
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return self._render(fields)


def configure(level: str, style: str, stream: TextIO | None = None) -> None:
    """
    Send every logger's lines to one stream.

    Args:
        level: The least severe level that is written.
        style: ``"logfmt"`` or ``"json"``.
        stream: Where to; stderr if None.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Structured(style))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # One line per request says nothing that /metrics does not say better.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)


def _json(fields: dict[str, object]) -> str:
    return json.dumps(fields, default=str, ensure_ascii=True)


def _logfmt(fields: dict[str, object]) -> str:
    return " ".join(f"{key}={_bare_or_quoted(value)}" for key, value in fields.items())


def _bare_or_quoted(value: object) -> str:
    text = str(value)
    # A run's name is the sender's: quoting keeps it inside its own field and line.
    plain = text.isascii() and text.isprintable()
    if text and plain and not any(c in ' ="\\' for c in text):
        return text
    return json.dumps(text)
