"""Bounds on what agents may make the aggregator read, hold and say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND

NS_PER_MINUTE: Final = 60 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Every bound of the ingest; together they bound its memory.

    An agent sends one request of some kilobytes every five seconds. After an
    hour's silence it has some megabytes to catch up on, all at once.

    Args:
        body_bytes: One request.
        body_seconds: From its head to its last byte.
        held_bytes: Requests that are being read or wait for their commit.
        requests_per_second, requests_burst: Per sender.
        bytes_per_second, bytes_burst: Per sender.
        senders: Whose account is not full.
        commit_seconds: How long a request waits for its commit.
        log_lines_per_minute: Over all senders.
    """

    body_bytes: int = 2**20
    body_seconds: float = 10.0
    held_bytes: int = 128 * 2**20
    requests_per_second: float = 4.0
    requests_burst: float = 100.0
    bytes_per_second: float = 2**20
    bytes_burst: float = 64 * 2**20
    senders: int = 20_000
    commit_seconds: float = 10.0
    log_lines_per_minute: int = 60


@dataclass(slots=True)
class Credit:
    """What a sender may still ask for at once, as of an instant."""

    requests: float
    bytes: float
    at_ns: int


class Allowances:
    """
    A token bucket of requests and one of bytes for each sender.

    Args:
        limits: The rates and the bursts.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._credits: dict[str, Credit] = {}

    def wait_seconds(self, sender: str, size: int, now_ns: int) -> float:
        """
        Charge for one request, or say how long to wait before the next try.

        Returns:
            0 if it is paid for.
        """
        limits, credit = self._limits, self._refilled(sender, now_ns)
        if credit is None:
            return 1.0
        lacking = max(
            (1 - credit.requests) / limits.requests_per_second,
            (size - credit.bytes) / limits.bytes_per_second,
        )
        if lacking > 0:
            return lacking
        credit.requests -= 1
        credit.bytes -= size
        return 0.0

    def _refilled(self, sender: str, now_ns: int) -> Credit | None:
        limits = self._limits
        credit = self._credits.get(sender)
        if credit is None:
            if len(self._credits) >= limits.senders and not self._make_room(now_ns):
                return None
            credit = Credit(limits.requests_burst, limits.bytes_burst, now_ns)
            self._credits[sender] = credit
        seconds = max(0, now_ns - credit.at_ns) / NS_PER_SECOND
        requests = credit.requests + seconds * limits.requests_per_second
        size = credit.bytes + seconds * limits.bytes_per_second
        credit.requests = min(limits.requests_burst, requests)
        credit.bytes = min(limits.bytes_burst, size)
        credit.at_ns = now_ns
        return credit

    def _make_room(self, now_ns: int) -> bool:
        """Forget accounts that would be full by now: that changes nothing."""
        limits = self._limits
        refill_seconds = max(
            limits.requests_burst / limits.requests_per_second,
            limits.bytes_burst / limits.bytes_per_second,
        )
        full_ns = now_ns - round(refill_seconds * NS_PER_SECOND)
        self._credits = {
            name: credit
            for name, credit in self._credits.items()
            if credit.at_ns > full_ns
        }
        return len(self._credits) < limits.senders


class LogGate:
    """
    Lets one line a minute through per sender, and a bounded number in all.

    Args:
        lines_per_minute: Over all senders; also bounds how many are remembered.
    """

    def __init__(self, lines_per_minute: int) -> None:
        self._lines_per_minute = lines_per_minute
        self._last_ns: dict[str, int] = {}

    def opens(self, sender: str, now_ns: int) -> bool:
        """Tell whether a line about *sender* may be written now."""
        since_ns = now_ns - NS_PER_MINUTE
        if self._last_ns.get(sender, since_ns) > since_ns:
            return False
        if len(self._last_ns) >= self._lines_per_minute:
            self._last_ns = {k: at for k, at in self._last_ns.items() if at > since_ns}
        if len(self._last_ns) >= self._lines_per_minute:
            return False
        self._last_ns[sender] = now_ns
        return True
