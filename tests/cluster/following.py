"""What the aggregator makes of a real cluster: watches, runs, and their books."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.placement import Placement, Stage
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.ledger.state import decode_state
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.sources.kubernetes.access import explicit
from goodput_exporter.sources.kubernetes.changes import ChangeQueue
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.kinds import kind_of
from goodput_exporter.sources.kubernetes.lean import plain
from goodput_exporter.sources.kubernetes.reflector import Reflector
from goodput_exporter.sources.kubernetes.standing import State
from goodput_exporter.sources.kubernetes.waits import Waits
from goodput_exporter.sources.workloads.entry import Entry
from goodput_exporter.sources.workloads.table import TABLE
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.ledger import MemoryLedger

CLUSTER: Final = "real"
PATIENCE_S: Final = 90.0
TICK_S: Final = 0.25
SHORT: Final = Waits(
    silence_s=8.0,
    watch_least_s=2,
    watch_most_s=4,
    pause_first_s=0.1,
    pause_most_s=1.0,
    forbidden_s=0.5,
    absent_s=0.5,
)
"""Watches end soon, so that every story lives through many."""
FOLLOWED: Final = tuple(entry for entry in TABLE if entry.is_followed)
BUILT_IN: Final = tuple(entry for entry in FOLLOWED if not entry.is_optional)


class Following:
    """
    Everything between the API server and the books.

    Args:
        url: The API server's address.
        ca_file: Whom to believe.
        token_file: Who asks.
        entries: The kinds to follow.
    """

    def __init__(
        self,
        url: str,
        ca_file: Path,
        token_file: Path,
        entries: Iterable[Entry] = BUILT_IN,
    ) -> None:
        self.queue = ChangeQueue()
        entries = tuple(entries)
        api = ApiServer(explicit(url, token_file, ca_file), SHORT)
        self.reflectors = [
            Reflector(
                api,
                kind_of(entry),
                self.queue,
                now_ns=time.time_ns,
                chance=Random(number),  # noqa: S311 - when watches end, no secret
                waits=SHORT,
            )
            for number, entry in enumerate(entries)
        ]
        followed = [(entry.group, entry.kind) for entry in entries]
        self.tracker = Tracker(CLUSTER, followed=followed)
        self.ledger = MemoryLedger()
        self.books = Bookkeeper(
            self.ledger,
            Rules(grace_ns=NS_PER_SECOND, settle_ns=NS_PER_SECOND),
            cluster=CLUSTER,
            namespace="",
            silence_ns=10 * NS_PER_SECOND,
            retention_ns=10**18,
        )
        self.placements: list[Placement] = []
        self.evidence: list[Evidence] = []
        self._due_s = 0.0

    @contextmanager
    def going(self) -> Iterator[Following]:
        """Follow for the length of the block, from the first complete lists on."""
        for reflector in self.reflectors:
            reflector.start()
        try:
            self.until(
                lambda: all(
                    one.standing().state in {State.SYNCED, State.ABSENT}
                    for one in self.reflectors
                ),
                "every kind is listed",
            )
            yield self
        finally:
            self.queue.close()
            for reflector in self.reflectors:
                reflector.stop()
            for reflector in self.reflectors:
                reflector.close()

    def tick(self) -> None:
        """Take what has come, and decide."""
        for change in self.queue.drain():
            raw = plain(change.found, change.kind)
            self.tracker.change(
                change.verb.value, raw, change.seen_ns, estimated=change.estimated
            )
        now_ns = time.time_ns()
        found = self.tracker.drain(now_ns)
        self.placements += [one for one in found if isinstance(one, Placement)]
        self.evidence += [one for one in found if isinstance(one, Evidence)]
        self.books.take(found)
        assert self.books.tick(now_ns)

    def until(self, holds: Callable[[], object], what: str) -> None:
        """
        Go on until something holds.

        Raises:
            AssertionError: It did not in time; with all that was told.
        """
        ends_at = time.monotonic() + PATIENCE_S
        while True:
            self.queue.wait(TICK_S)
            self.tick()
            if holds():
                return
            if time.monotonic() > ends_at:
                said = "\n".join(line(one) for one in self.placements)
                stands = [one.standing() for one in self.reflectors]
                msg = f"not in {PATIENCE_S:.0f} s: {what}\n{said}\n{stands}"
                raise AssertionError(msg)

    def of(self, name: str) -> list[Placement]:
        """Return all that was told of the runs whose workload has a name."""
        return [one for one in self.placements if one.owner.name == name]

    def reach(
        self, name: str, stage: Stage, *, since_ns: int = 0, reason: str = ""
    ) -> Placement:
        """Go on until a run stands so; return the placement that says it."""
        found: list[Placement] = []

        def has() -> bool:
            found[:] = [
                one
                for one in self.of(name)[-1:]
                if one.stage is stage
                and reason in one.reason
                # The API's dates are whole seconds.
                and one.at_ns > since_ns - NS_PER_SECOND
            ]
            return bool(found)

        self.until(has, f"{name} is {stage.value} {reason}")
        return found[0]

    def ends(self, name: str) -> Placement:
        """Go on until a run has ended; return the placement that says how."""

        def last() -> Placement | None:
            found = self.of(name)
            return found[-1] if found and found[-1].ended is not None else None

        self.until(last, f"{name} ends")
        return self.of(name)[-1]

    def fold(self, key: RunKey) -> Fold:
        """Return what the ledger holds of a run's fold."""
        state = self.ledger.state_of(key)
        assert state is not None, f"{key} is not in the ledger"
        return decode_state(state)

    def settle(self, key: RunKey, through_ns: int) -> dict[str, float]:
        """
        Go on until the books have passed an instant; return GPU-seconds by state.

        They must tile, and add up to what was asked, as placements told it.
        """
        self.until(lambda: self._booked_to(key) >= through_ns, f"{key} is booked")
        assert self.ledger.verify(key) == []
        window = Span(0, through_ns)
        account = self.ledger.account(key, window)
        told = [one for one in self.placements if one.key == key]
        assert account.total_gpu_ns == asked_gpu_ns(told, through_ns)
        return {
            state.value: spent / NS_PER_SECOND
            for state, spent in account.gpu_ns.items()
            if spent
        }

    def _booked_to(self, key: RunKey) -> int:
        state = self.ledger.state_of(key)
        if state is not None and decode_state(state).ended_ns is not None:
            return 2**63
        return max((s.span.end_ns for s in self.ledger.segments(key)), default=0)


def asked_gpu_ns(told: Iterable[Placement], through_ns: int) -> int:
    """Return the GPU time that a run held a claim to, by its placements alone."""
    total, since = 0, None
    for one in told:
        if since is not None:
            total += since.asked * (min(one.at_ns, through_ns) - since.at_ns)
        since = None if one.ended is not None else one
    if since is not None:
        total += since.asked * (through_ns - since.at_ns)
    return total


def stages(told: Iterable[Placement]) -> list[str]:
    """Return the stages that were passed, each once in a row."""
    found: list[str] = []
    for one in told:
        word = one.stage.value if one.ended is None else one.ended.value
        if found[-1:] != [word]:
            found.append(word)
    return found


def line(one: Placement) -> str:
    """Return a placement for a person."""
    ended = "" if one.ended is None else f" {one.ended.value}"
    how = "" if one.how is None else f" by {one.how.value}"
    at_s = one.at_ns / NS_PER_SECOND
    return (
        f"{at_s:.1f} {one.owner.name} {one.stage.value} "
        f"{one.running}/{one.asked} ({one.reason}){how}{ended}"
    )
