"""Accounts of the recent past, kept up to date as segments are booked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.bookings import Restatement
from goodput_exporter.domain.corrected import is_about_time, shift
from goodput_exporter.domain.settings import MINUTE_NS
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState

Name = TypeVar("Name", RunState, Cause)
HOUR_NS: Final = 60 * MINUTE_NS

WINDOWS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "5m": (5 * MINUTE_NS, MINUTE_NS // 6),
        "1h": (HOUR_NS, MINUTE_NS),
        "24h": (24 * HOUR_NS, 15 * MINUTE_NS),
    }
)
"""Length and bucket of each window: its start is rounded down to a bucket."""


@dataclass(slots=True)
class Bucket:
    """What was booked for one stretch of time."""

    account: Account = field(default_factory=Account)
    model_flops: float | None = None


@dataclass(slots=True)
class Rolling:
    """
    One run's last day, in buckets; exact, since buckets cut segments exactly.

    Derived data: after a restart the ledger's segments of the last day
    rebuild it.

    Args:
        buckets: What was booked for each stretch, by its number.
        totals: The sum of all buckets that are kept, so that a look adds nothing up.
    """

    buckets: dict[str, dict[int, Bucket]] = field(
        default_factory=lambda: {name: {} for name in WINDOWS}
    )
    totals: dict[str, Account] = field(
        default_factory=lambda: {name: Account() for name in WINDOWS}
    )

    def add(self, segment: Segment, now_ns: int) -> None:
        """Take one booked segment into every window that it touches."""
        end_ns = segment.span.end_ns
        for name, (length_ns, bucket_ns) in WINDOWS.items():
            at_ns = max(segment.span.start_ns, _begin(now_ns, length_ns, bucket_ns))
            if at_ns >= end_ns:
                continue
            gpu_ns = (end_ns - at_ns) * segment.devices
            self.totals[name].add(segment.state, gpu_ns, segment.cause)
            while at_ns < end_ns:
                number = at_ns // bucket_ns
                part_ns = min(end_ns, (number + 1) * bucket_ns) - at_ns
                _charge(self._bucket(name, number), segment, part_ns)
                at_ns += part_ns

    def restate(self, move: Restatement, now_ns: int) -> None:
        """Move what later evidence moved, in every window that it touches."""
        if not is_about_time(move):
            return
        for name, (length_ns, bucket_ns) in WINDOWS.items():
            start_ns = max(move.span.start_ns, _begin(now_ns, length_ns, bucket_ns))
            while start_ns < move.span.end_ns:
                number = start_ns // bucket_ns
                end_ns = min(move.span.end_ns, (number + 1) * bucket_ns)
                bucket = self._bucket(name, number)
                shift(bucket.account, move, Span(start_ns, end_ns))
                shift(self.totals[name], move, Span(start_ns, end_ns))
                start_ns = end_ns

    def _bucket(self, name: str, number: int) -> Bucket:
        kept = self.buckets[name]
        if number not in kept:
            kept[number] = Bucket()
        return kept[number]

    def read(self, name: str, now_ns: int) -> tuple[Account, float | None]:
        """Return the account of one window up to now, and its model FLOPs."""
        length_ns, bucket_ns = WINDOWS[name]
        first = _begin(now_ns, length_ns, bucket_ns) // bucket_ns
        buckets = self.buckets[name]
        for number in [number for number in buckets if number < first]:
            _take_off(self.totals[name], buckets.pop(number).account)
        known = [b.model_flops for b in buckets.values() if b.model_flops is not None]
        return self.totals[name].copy(), sum(known) if known else None


def _take_off(total: Account, part: Account) -> None:
    """Subtract exactly; what nothing is left of is dropped."""
    _subtract(total.gpu_ns, part.gpu_ns)
    _subtract(total.bad_gpu_ns, part.bad_gpu_ns)


def _subtract(amounts: dict[Name, int], gone: Mapping[Name, int]) -> None:
    for name, gpu_ns in gone.items():
        amounts[name] = amounts.get(name, 0) - gpu_ns
        if not amounts[name]:
            del amounts[name]


def window_of(name: str, now_ns: int) -> Span:
    """Return the span that a window covers now."""
    length_ns, bucket_ns = WINDOWS[name]
    return Span(_begin(now_ns, length_ns, bucket_ns), now_ns)


def _begin(now_ns: int, length_ns: int, bucket_ns: int) -> int:
    return (now_ns - length_ns) // bucket_ns * bucket_ns


def _charge(bucket: Bucket, segment: Segment, part_ns: int) -> None:
    bucket.account.add(segment.state, part_ns * segment.devices, segment.cause)
    if segment.model_flops is not None:
        share = part_ns / segment.span.length_ns
        bucket.model_flops = (bucket.model_flops or 0.0) + segment.model_flops * share
