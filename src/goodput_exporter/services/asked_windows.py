"""Windows as people write them on a command line: dates, instants and lengths."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.errors import BadInputError, ConfigError
from goodput_exporter.exposition.instants import parse_instant

UNITS: Final = MappingProxyType({"m": 60, "h": 3_600, "d": 86_400, "w": 604_800})
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_LENGTH: Final = re.compile(r"(\d{1,6})([mhdw])")


def window_of(
    begins: str | None,
    ends: str | None,
    last: str | None,
    *,
    whole: Span,
    now_ns: int,
) -> Span:
    """
    Return the window that is asked for.

    Args:
        begins: ``--from``: a date (midnight in UTC), RFC 3339 or Unix seconds.
        ends: ``--to``, likewise: the first instant that is not part of it.
        last: ``--last``: a length up to this second, such as ``7d``.
        whole: What is meant where nothing is asked for.
        now_ns: The present.

    Raises:
        ConfigError: They cannot be read, or contradict each other.
    """
    if last is not None:
        if begins is not None or ends is not None:
            msg = "--last ends now; use it alone, or use --from and --to"
            raise ConfigError(msg)
        # The second that is going on is part of no report of this instant.
        now_ns -= now_ns % NS_PER_SECOND
        return Span(now_ns - length_ns(last), now_ns)
    start_ns = whole.start_ns if begins is None else instant_ns("--from", begins)
    end_ns = whole.end_ns if ends is None else instant_ns("--to", ends)
    if start_ns >= end_ns:
        msg = (
            f"--from {begins or 'the first entry'} is not before "
            f"--to {ends or 'the last entry'}; a window holds its start and not its end"
        )
        raise ConfigError(msg)
    return Span(start_ns, end_ns)


def instant_ns(flag: str, text: str) -> int:
    """
    Read a date, an RFC 3339 time or Unix seconds, in nanoseconds since the epoch.

    Raises:
        ConfigError: It is none of them.
    """
    try:
        return parse_instant(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except BadInputError as exc:
        msg = (
            f"{flag} {text[:64]!r} is no instant; write a date such as 2026-03-01 "
            "(midnight in UTC), or a time with its offset: 2026-03-01T08:30:00Z"
        )
        raise ConfigError(msg) from exc


def length_ns(text: str) -> int:
    """
    Read a length such as ``90m``, ``24h``, ``7d`` or ``4w``.

    Raises:
        ConfigError: It is none.
    """
    found = _LENGTH.fullmatch(text)
    if found is None or int(found.group(1)) == 0:
        msg = f"--last {text[:64]!r} is no length; write 90m, 24h, 7d or 4w"
        raise ConfigError(msg)
    return int(found.group(1)) * UNITS[found.group(2)] * NS_PER_SECOND
