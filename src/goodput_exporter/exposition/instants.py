"""Instants as people and programs write them: RFC 3339 and Unix seconds, exactly."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import BadInputError

_RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+ -]\d\d:\d\d)"
)
_UNIX_SECONDS: Final = re.compile(r"\d{1,10}(?:\.\d{1,9})?")


def rfc3339(at_ns: int) -> str:
    """Return an instant in UTC with all nine digits, so that nothing is rounded."""
    seconds, fraction_ns = divmod(at_ns, NS_PER_SECOND)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{fraction_ns:09d}Z"


def parse_instant(text: str) -> int:
    """
    Read Unix seconds or an RFC 3339 time, in nanoseconds since the epoch.

    Raises:
        BadInputError: It is neither.
    """
    if _UNIX_SECONDS.fullmatch(text):
        return int(Decimal(text) * NS_PER_SECOND)
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise BadInputError(_refusal(text))
    day, clock, fraction, zone = match.groups()
    # A "+" that was not percent-encoded arrives as a space.
    offset = zone.upper().replace("Z", "+00:00").replace(" ", "+")
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{offset}")
    except ValueError as exc:
        raise BadInputError(_refusal(text)) from exc
    return int(whole.timestamp()) * NS_PER_SECOND + int((fraction or "0").ljust(9, "0"))


def _refusal(text: str) -> str:
    return (
        f"{text[:64]!r} is not an instant; "
        "send Unix seconds or RFC 3339, such as 2025-10-09T08:53:20Z"
    )
