"""Accounts of groups of runs: sums that outlive the runs, and their ratios."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.bookings import Booking, Restatement
from goodput_exporter.domain.placement import Owner
from goodput_exporter.domain.ratios import LayerRatios, ratios
from goodput_exporter.domain.rolling import WINDOWS, Rolling
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause, RunState

LIFETIME = "lifetime"


class GroupKind(StrEnum):
    """By what runs are grouped."""

    CLUSTER = "cluster"
    NAMESPACE = "namespace"
    TEAM = "team"
    QUEUE = "queue"
    GPU_MODEL = "gpu_model"
    NODE_POOL = "node_pool"


@dataclass(frozen=True, slots=True, order=True)
class GroupKey:
    """
    What some runs have in common.

    Args:
        kind: One of ``GroupKind``.
        name: Its value.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        """Return the form used in the ledger and in URLs: ``kind/name``."""
        return f"{self.kind}/{self.name}"


def groups_of(key: RunKey, owner: Owner) -> Iterator[GroupKey]:
    """Yield the groups that a run is in; what is not known of it groups nothing."""
    found = {
        GroupKind.CLUSTER: key.cluster,
        GroupKind.NAMESPACE: key.namespace,
        GroupKind.TEAM: owner.team,
        GroupKind.QUEUE: owner.queue,
        GroupKind.GPU_MODEL: owner.gpu_model,
        GroupKind.NODE_POOL: owner.pool,
    }
    for kind, name in found.items():
        if name:
            yield GroupKey(kind.value, name)


@dataclass(slots=True)
class Totals:
    """
    What a group's runs have booked since the ledger began; it never shrinks.

    Args:
        live: Sealed GPU time by state, and the bad of it by cause.
        restated: GPU time moved afterwards, by ``"from>to"``.
    """

    live: Account = field(default_factory=Account)
    restated: dict[str, int] = field(default_factory=dict)

    def add(self, booking: Booking) -> None:
        """Take one more entry of one of the group's runs."""
        match booking:
            case Segment():
                self.live.add(booking.state, booking.gpu_ns, booking.cause)
            case Restatement():
                key = f"{booking.from_state}>{booking.to_state}"
                self.restated[key] = self.restated.get(key, 0) + booking.gpu_ns
            case _:
                pass

    def copy(self) -> Totals:
        """Return an independent copy."""
        return Totals(self.live.copy(), dict(self.restated))


@dataclass(frozen=True, slots=True)
class GroupView:
    """
    One group, as published.

    Args:
        sealed: Its runs' sealed time, of those that are over, too.
        restated: GPU time moved afterwards, by (from, to).
        ratios: By window; ratios of sums over sealed time, never means of ratios.
    """

    key: GroupKey
    sealed: Account
    restated: Mapping[tuple[str, str], int]
    ratios: Mapping[str, LayerRatios]


Booked = tuple[RunKey, Booking]


@dataclass(slots=True)
class Rollups:
    """
    All groups of one ledger.

    Args:
        totals: As committed.
        rolling: The last day of each group, from committed entries.
    """

    totals: dict[GroupKey, Totals] = field(default_factory=dict)
    rolling: dict[GroupKey, Rolling] = field(default_factory=dict)

    def ahead(
        self, booked: Iterable[Booked], owners: Mapping[RunKey, Owner]
    ) -> dict[GroupKey, Totals]:
        """Return what the totals of changed groups will be once this is committed."""
        changed: dict[GroupKey, Totals] = {}
        groups = {key: tuple(groups_of(key, owner)) for key, owner in owners.items()}
        for key, booking in booked:
            for group in groups.get(key, ()):
                if group not in changed:
                    known = self.totals.get(group)
                    changed[group] = Totals() if known is None else known.copy()
                changed[group].add(booking)
        return changed

    def remember(
        self, booked: Iterable[Booked], owners: Mapping[RunKey, Owner], now_ns: int
    ) -> None:
        """Take committed entries into the recent windows."""
        groups = {key: tuple(groups_of(key, owner)) for key, owner in owners.items()}
        for key, booking in booked:
            for group in groups.get(key, ()):
                rolling = self.rolling.setdefault(group, Rolling())
                if isinstance(booking, Segment):
                    rolling.add(booking, now_ns)
                elif isinstance(booking, Restatement):
                    rolling.restate(booking, now_ns)

    def views(self, now_ns: int) -> tuple[GroupView, ...]:
        """Return what may be shown of every group, in the order of their names."""
        return tuple(
            GroupView(
                group,
                totals.live,
                {_pair(key): gpu_ns for key, gpu_ns in totals.restated.items()},
                dict(self._ratios(group, totals, now_ns)),
            )
            for group, totals in sorted(self.totals.items(), key=lambda each: each[0])
        )

    def _ratios(
        self, group: GroupKey, totals: Totals, now_ns: int
    ) -> Iterator[tuple[str, LayerRatios]]:
        rolling = self.rolling.get(group)
        for window in WINDOWS if rolling is not None else ():
            account, _ = rolling.read(window, now_ns) if rolling else (Account(), None)
            yield window, ratios(account)
        yield LIFETIME, ratios(totals.live)


def encode(totals: Totals) -> dict[str, dict[str, int]]:
    """Lay a group's totals out for the ledger."""
    return {
        "live": {state.value: ns for state, ns in totals.live.gpu_ns.items()},
        "bad": {cause.value: ns for cause, ns in totals.live.bad_gpu_ns.items()},
        "restated": dict(totals.restated),
    }


def decode(data: Mapping[str, Mapping[str, int]]) -> Totals:
    """Read back what ``encode`` laid out."""
    live = {RunState(name): ns for name, ns in data["live"].items()}
    bad = {Cause(name): ns for name, ns in data["bad"].items()}
    return Totals(Account(live, bad), dict(data["restated"]))


def _pair(key: str) -> tuple[str, str]:
    before, _, after = key.partition(">")
    return before, after
