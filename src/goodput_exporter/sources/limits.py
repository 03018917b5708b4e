"""Bounds on what senders may make the exporter do, keep and say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND

NS_PER_MINUTE: Final = 60 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Every bound of a heartbeat source; together they bound its memory.

    Args:
        queued_datagrams, queued_bytes: Read and not drained yet; the newest is
            dropped beyond either.
        rate_per_second, burst: Each sender's token bucket.
        senders: Senders whose bucket is not full, per transport.
        incarnations_per_sender, incarnations: Alive at once.
        runs: Distinct run names of the incarnations that are kept.
        silent_after_ns: An incarnation silent for longer, or ended, makes room
            when room is needed. Its return costs nothing but the memory of its
            last ``seq``.
        watched_pids: Processes watched for their exit, one descriptor each.
        log_lines_per_minute: Over all senders and reasons.
    """

    queued_datagrams: int = 16_384
    queued_bytes: int = 32 * 2**20
    rate_per_second: float = 20.0
    burst: float = 100.0
    senders: int = 4_096
    incarnations_per_sender: int = 64
    incarnations: int = 16_384
    runs: int = 4_096
    silent_after_ns: int = NS_PER_MINUTE
    watched_pids: int = 4_096
    log_lines_per_minute: int = 60


class Bucket:
    """
    A token bucket: *rate_per_second* on average, *burst* at once.

    Args:
        limits: The rate and the burst.
        now_ns: When it is opened, full.
    """

    __slots__ = ("_burst_ns", "_credit_ns", "_price_ns", "_since_ns")

    def __init__(self, limits: Limits, now_ns: int) -> None:
        # Credit is counted in nanoseconds of waiting, so that refilling is an
        # addition and an idle bucket is full to the nanosecond.
        self._price_ns = round(NS_PER_SECOND / limits.rate_per_second)
        self._burst_ns = round(self._price_ns * limits.burst)
        self._credit_ns = self._burst_ns
        self._since_ns = now_ns

    def take(self, now_ns: int) -> bool:
        """Pay for one message; False if there is no credit for it."""
        credit_ns = self._credit_ns + now_ns - self._since_ns
        self._since_ns = now_ns
        credit_ns = min(credit_ns, self._burst_ns)
        if credit_ns < self._price_ns:
            self._credit_ns = credit_ns
            return False
        self._credit_ns = credit_ns - self._price_ns
        return True

    def is_full(self, now_ns: int) -> bool:
        """Return whether forgetting this bucket would change nothing."""
        return self._credit_ns + now_ns - self._since_ns >= self._burst_ns


class LogGate:
    """
    Lets one line a minute through per key, and a bounded number in all.

    Args:
        lines_per_minute: Over all keys; also bounds how many keys are kept.
    """

    def __init__(self, lines_per_minute: int) -> None:
        self._lines_per_minute = lines_per_minute
        self._last_ns: dict[tuple[str, str], int] = {}

    def opens(self, sender: str, reason: str, now_ns: int) -> bool:
        """Return whether a line about *sender* and *reason* may be written now."""
        key = (sender, reason)
        last_ns = self._last_ns.get(key)
        if last_ns is not None and now_ns - last_ns < NS_PER_MINUTE:
            return False
        if len(self._last_ns) >= self._lines_per_minute:
            self._forget(now_ns)
            if len(self._last_ns) >= self._lines_per_minute:
                return False
        self._last_ns.pop(key, None)
        self._last_ns[key] = now_ns
        return True

    def _forget(self, now_ns: int) -> None:
        """Drop what is older than a minute; the dict is in the order of writing."""
        while self._last_ns:
            oldest = next(iter(self._last_ns))
            if now_ns - self._last_ns[oldest] < NS_PER_MINUTE:
                return
            del self._last_ns[oldest]
