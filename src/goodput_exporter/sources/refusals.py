"""Why datagrams are refused and fields dropped: two closed sets, and their counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from goodput_exporter.errors import BadInputError


class Reason(StrEnum):
    """Why a whole datagram was refused."""

    TOO_BIG = "too_big"
    MALFORMED = "malformed"
    DEPTH = "depth"
    VERSION = "version"
    MISSING = "missing"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    BACKWARDS = "backwards"
    ENDED = "ended"
    SENDER = "sender"
    OWNER = "owner"
    IDENTITY = "identity"
    INCARNATIONS = "incarnations"
    RUNS = "runs"
    RATE = "rate"
    SENDERS = "senders"
    OVERFLOW = "overflow"


class Flaw(StrEnum):
    """What was wrong with a datagram that was kept."""

    FIELD_TYPE = "field_type"
    FIELD_RANGE = "field_range"
    FIELD_TEXT = "field_text"
    RUN_CHANGED = "run_changed"
    CUM_SUM = "cum_sum"
    PHASES = "phases"
    CLOCK = "clock"
    CLAMPED = "clamped"


ADVICE: Final = MappingProxyType(
    {
        Reason.TOO_BIG: "a datagram holds at most 8192 bytes; send fewer fields",
        Reason.MALFORMED: "expected one JSON object in UTF-8",
        Reason.DEPTH: "JSON may nest 4 levels deep; look for a field that holds a tree",
        Reason.VERSION: "this exporter reads v=1; upgrade the exporter before the SDK",
        Reason.MISSING: "required are v, t, inc, seq, up, ph, pa and cum",
        Reason.INVALID: "a required field has the wrong type or an impossible value",
        Reason.DUPLICATE: "seq was seen before",
        Reason.BACKWARDS: "up and cum never shrink within one inc; a forked child or "
        "a restarted loop needs an inc of its own",
        Reason.ENDED: "this inc has said bye or its process is gone; a new life needs "
        "a new inc",
        Reason.SENDER: "this inc belongs to another sender; two processes share it, "
        "or one of them pretends",
        Reason.OWNER: "a run belongs to the first user whom the kernel vouched for; "
        "another user needs a run name of its own, and over UDP or from another pid "
        "namespace nobody is vouched for: use the Unix socket and the host's pids",
        Reason.IDENTITY: "the kubelet has not named the sender's pod yet; it is asked "
        "again, and what the sender says meanwhile it will repeat",
        Reason.INCARNATIONS: "too many live incarnations; is inc drawn anew for every "
        "message instead of every process?",
        Reason.RUNS: "too many run names; is the run id drawn anew for every process?",
        Reason.RATE: "more messages than its token bucket allows; send state every "
        "few seconds, not an event per step",
        Reason.SENDERS: "too many senders at once",
        Reason.OVERFLOW: "the queue is full; the exporter's tick is late or the "
        "senders are too many",
    }
)
"""What to check, per reason; the log lines end with it."""


class RefusedError(BadInputError):
    """
    One datagram that is not taken, and why.

    Args:
        reason: The counter it goes to.
        detail: The field or value, for the log.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


Drop = tuple[str, Flaw]
"""A field that was left out of a kept datagram, and what was wrong with it."""

NO_DROPS: Final[tuple[Drop, ...]] = ()


@dataclass(slots=True)
class Tally:
    """
    Counts of one thread; every key is there from the start, so memory is bounded.

    Args:
        accepted: Datagrams per transport. The source's reading thread does not
            know them yet; they are counted when they are decoded.
        refused: Whole datagrams per reason.
        flaws: Kept datagrams with something wrong, per flaw.
        dropped: Fields left out, per field.
        lost: Datagrams that never arrived, from gaps in ``seq``.
    """

    accepted: dict[str, int] = field(default_factory=lambda: {"unix": 0, "udp": 0})
    refused: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(Reason, 0))
    flaws: dict[Flaw, int] = field(default_factory=lambda: dict.fromkeys(Flaw, 0))
    dropped: dict[str, int] = field(default_factory=dict)
    lost: int = 0

    def drop(self, drops: Iterable[Drop]) -> None:
        """Count fields that were left out; their names come from our own table."""
        for name, flaw in drops:
            self.flaws[flaw] += 1
            self.dropped[name] = self.dropped.get(name, 0) + 1


@dataclass(frozen=True, slots=True)
class Counts:
    """What a heartbeat source has counted since its start; plain copies."""

    accepted: dict[str, int]
    rejected: dict[str, int]
    dropped: dict[str, int]
    lost: int
    unwatched: int


def merge(tallies: Iterable[Tally], *, unwatched: int) -> Counts:
    """Add up the counts of several threads; refusals and flaws share no name."""
    counts = Counts({}, {}, {}, 0, unwatched)
    lost = 0
    for tally in tallies:
        lost += tally.lost
        for into, part in (
            (counts.accepted, tuple(tally.accepted.items())),
            (counts.rejected, tuple(tally.refused.items())),
            (counts.rejected, tuple(tally.flaws.items())),
            (counts.dropped, tuple(tally.dropped.items())),
        ):
            _add(into, part)
    return Counts(counts.accepted, counts.rejected, counts.dropped, lost, unwatched)


def _add(into: dict[str, int], part: Iterable[tuple[str, int]]) -> None:
    for key, count in part:
        into[str(key)] = into.get(str(key), 0) + count
