"""Raw inputs of a simulation through the real sources and a bookkeeper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import Fold, Interruption, Observation
from goodput_exporter.domain.observations import RankExited
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.state import decode_state
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.simulate.objects import NAMESPACE
from goodput_exporter.simulate.presets import PRESETS
from goodput_exporter.simulate.raw import Raw, Via
from goodput_exporter.simulate.telling import BOOT_NS
from goodput_exporter.simulate.truth import TrueIncident, TrueRun, Truth
from goodput_exporter.simulate.world import Simulated
from goodput_exporter.sources.evidence_lines import (
    evidence_of_kernel_line,
    evidence_of_log_line,
)
from goodput_exporter.sources.limits import Limits
from goodput_exporter.sources.reception import Reception
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.heartbeats import process
from tests.fakes.ledger import MemoryLedger

CLUSTER = "local"
GRACE_NS = 6 * NS_PER_SECOND
TICK_NS = 3600 * NS_PER_SECOND
"""The books are decided about so often; what is decided does not depend on it."""
SOON_NS = 30 * NS_PER_SECOND
"""So long at most before and after anything but a heartbeat."""
PATIENCE: Final = 3
"""
Reports between two changes are not kept, so a rank that is well seems silent; it
counts as silent after so many intervals of those that are.
"""
GENEROUS = Limits(
    rate_per_second=1e6, burst=1e6, incarnations_per_sender=10**6, incarnations=10**6
)
"""A clock that jumps makes many datagrams come at once."""


LOOK_EVERY: Final = 50
"""Commits of one run; far fewer incidents come between than its state holds."""


class JumpingClock:
    """
    The ledger's clock, which goes from event to event.

    Args:
        boot_ns: When every machine booted.
    """

    def __init__(self, boot_ns: int) -> None:
        self.at_ns = boot_ns
        self._boot_ns = boot_ns

    def now_ns(self) -> int:
        """Return the present."""
        return self.at_ns

    def from_monotonic(self, mono_ns: int) -> int:
        """Return the ledger's instant for a monotonic one of any machine."""
        return self._boot_ns + mono_ns


class TallyLedger(MemoryLedger):
    """A ledger that adds up as it goes, so that a month needs no memory of entries."""

    def __init__(self) -> None:
        super().__init__()
        self.booked: dict[RunKey, list[Segment]] = {}
        self._incidents: dict[RunKey, dict[int, Interruption]] = {}
        self._commits: Counter[RunKey] = Counter()

    def append(self, batch: Batch) -> int:
        """Keep segments by run."""
        for key, booking in batch.bookings:
            if isinstance(booking, Segment):
                self.booked.setdefault(key, []).append(booking)
        for key, state in batch.states.items():
            self._commits[key] += 1
            if self._commits[key] % LOOK_EVERY == 0:
                self._remember(key, state)
        return super().append(batch)

    def incidents(self, key: RunKey) -> list[Interruption]:
        """Return all incidents of a run; its state keeps the last ones only."""
        state = self.state_of(key)
        if state is not None:
            self._remember(key, state)
        return list(self._incidents.get(key, {}).values())

    def _remember(self, key: RunKey, state: bytes) -> None:
        known = self._incidents.setdefault(key, {})
        known.update({one.number: one for one in decode_state(state).incidents})


@dataclass(slots=True)
class Driven:
    """
    What the real code made of a simulation.

    Args:
        books: The bookkeeper afterwards.
        ledger: What it booked.
        refused: Datagrams and objects that were not used.
    """

    books: Bookkeeper
    ledger: TallyLedger
    refused: Counter[str] = field(default_factory=Counter)

    def fold(self, run: str) -> Fold | None:
        """Return what the ledger holds of a run's fold; None if it holds nothing."""
        state = self.ledger.state_of(RunKey(CLUSTER, NAMESPACE, run))
        return None if state is None else decode_state(state)


class Driver:
    """
    Feeds raw inputs in the order in which they are seen.

    Args:
        start_ns: The beginning of the simulation.
        rules: Of the folds.
        with_cluster: Objects are seen; without them only heartbeats and exits are.
    """

    def __init__(
        self, start_ns: int, rules: Rules, *, with_cluster: bool = True
    ) -> None:
        self.clock = JumpingClock(start_ns - BOOT_NS)
        self.ledger = TallyLedger()
        self.books = Bookkeeper(
            self.ledger,
            rules,
            cluster=CLUSTER,
            namespace=NAMESPACE,
            silence_ns=10 * NS_PER_SECOND,
            retention_ns=10**18,
            most_runs=10**6,
        )
        self.reception = Reception(self.clock, GENEROUS)
        self.tracker = Tracker(CLUSTER)
        self._rules = rules
        self._with_cluster = with_cluster

    def feed(self, raws: Iterable[Raw], end_ns: int) -> Driven:
        """Take everything, tick in between, and settle at the end."""
        due_ns = ticked_ns = self.clock.at_ns
        for raw in raws:
            is_news = raw.via is not Via.DATAGRAM
            if raw.seen_ns > due_ns or (is_news and raw.seen_ns - ticked_ns > SOON_NS):
                ticked_ns = min(raw.seen_ns, max(due_ns, raw.seen_ns - SOON_NS))
                self.tick(ticked_ns)
                due_ns = ticked_ns + TICK_NS
            if is_news:
                due_ns = min(due_ns, raw.seen_ns + SOON_NS)
            self.clock.at_ns = raw.seen_ns
            self.books.take(self.observations(raw))
        self.tick(end_ns + self._rules.settle_ns + GRACE_NS)
        refused = Counter(
            {
                f"datagram {why}": n
                for why, n in self.reception.tally.refused.items()
                if n
            }
        )
        refused.update({" ".join(why): n for why, n in self.tracker.refused.items()})
        return Driven(self.books, self.ledger, refused)

    def tick(self, now_ns: int) -> None:
        """Decide up to a little before *now_ns*."""
        self.books.take(self.tracker.drain(now_ns))
        self.books.tick(now_ns)

    def observations(self, raw: Raw) -> list[Observation]:
        """Parse one raw input by the source that it belongs to."""
        if raw.via is Via.DATAGRAM:
            sender = process(raw.body["pid"])
            return [*self.reception.accept(raw.data, sender, raw.seen_ns)]
        if raw.via is Via.EXIT:
            return [_exit(raw)]
        if self._with_cluster and raw.verb is not None:
            self.tracker.change(raw.verb.value.lower(), raw.body, raw.seen_ns)
        return [*_evidence(raw)] if self._with_cluster else []


def _evidence(raw: Raw) -> list[Evidence]:
    """Return what a line of a log says, or a person."""
    if raw.via is Via.KERNEL:
        return evidence_of_kernel_line(raw.text, raw.seen_ns, raw.body["node"])
    if raw.via is Via.LOG:
        pod = f"pod/{NAMESPACE}/{raw.body['pod']}"
        return evidence_of_log_line(raw.text, raw.seen_ns, pod)
    return [_window(raw)] if raw.via is Via.WINDOW else []


def _exit(raw: Raw) -> RankExited:
    code = raw.body.get("code")
    return RankExited(raw.body["incarnation"], raw.seen_ns, code, f"exit {code}")


def _window(raw: Raw) -> Evidence:
    return Evidence(
        raw.at_ns,
        Kind.MAINTENANCE_WINDOW,
        raw.body["note"],
        f"node/{raw.body['node']}",
        "person",
        until_ns=raw.body["until_ns"],
    )


def drive(simulated: Simulated, *, with_cluster: bool = True) -> Driven:
    """Let the real code account for a simulated cluster."""
    truth = simulated.truth
    rules = Rules(settle_ns=PATIENCE * PRESETS[truth.preset].heartbeat_ns)
    driver = Driver(truth.start_ns, rules, with_cluster=with_cluster)
    return driver.feed(simulated.raws, truth.end_ns)


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    One interruption, as it was and as it was judged.

    Args:
        run: Whose.
        true: What happened.
        cause, rule: What was said; None where nothing was noticed.
    """

    run: str
    true: TrueIncident
    cause: Cause | None
    rule: str | None


@dataclass(slots=True)
class Compared:
    """
    The account beside the truth.

    Args:
        wall_gpu_ns: GPUs times time in the true books.
        errors_gpu_ns: Booked minus true, by state; live view, in the true spans.
        verdicts: One per true interruption.
        invented: Incidents that match none.
    """

    wall_gpu_ns: int = 0
    errors_gpu_ns: dict[RunState, int] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    invented: int = 0

    @property
    def worst_ratio(self) -> float:
        """Return the largest error of a state, as a share of wall."""
        wrong = (abs(ns) for ns in self.errors_gpu_ns.values())
        return max(wrong, default=0) / max(1, self.wall_gpu_ns)

    def add(self, other: Compared) -> None:
        """Add another simulation's comparison."""
        self.wall_gpu_ns += other.wall_gpu_ns
        for state, ns in other.errors_gpu_ns.items():
            self.errors_gpu_ns[state] = self.errors_gpu_ns.get(state, 0) + ns
        self.verdicts += other.verdicts
        self.invented += other.invented


def compare(truth: Truth, driven: Driven) -> Compared:
    """Put every run's account beside its truth."""
    found = Compared()
    for run in truth.runs:
        key = RunKey(CLUSTER, NAMESPACE, run.run)
        booked = account_of(driven.ledger.booked.get(key, []), run)
        # No counter holds the time between two workloads of a failed run.
        found.wall_gpu_ns += run.asked * run.booked_ns - run.between_gpu_ns
        true = dict(run.gpu_ns)
        true[RunState.DOWN] = true.get(RunState.DOWN, 0) - run.between_gpu_ns
        for state in RunState:
            wrong = booked.get(state, 0) - true.get(state, 0)
            if wrong:
                found.errors_gpu_ns[state] = found.errors_gpu_ns.get(state, 0) + wrong
        _judge(found, run, driven)
    return found


def account_of(booked: Iterable[Segment], run: TrueRun) -> Mapping[RunState, int]:
    """Add up the entries of one run inside its true spans."""
    gpu_ns: dict[RunState, int] = {}
    spans = [Span(*span) for span in run.spans]
    for segment in booked:
        for span in spans:
            inside = segment.span.clip(span)
            if inside is not None:
                spent = inside.length_ns * segment.devices
                gpu_ns[segment.state] = gpu_ns.get(segment.state, 0) + spent
    return gpu_ns


MATCH_NS = 150 * NS_PER_SECOND
"""An incident is one that was noticed between its first event and so long after."""


def _apart(true: TrueIncident, said: Interruption) -> int:
    return abs(said.detected_ns - true.ended_ns)


def _judge(found: Compared, run: TrueRun, driven: Driven) -> None:
    said = driven.ledger.incidents(RunKey(CLUSTER, NAMESPACE, run.run))
    for true in run.incidents:
        first_ns, last_ns = true.began_ns - MATCH_NS, true.ended_ns + MATCH_NS
        near = [one for one in said if first_ns <= one.detected_ns <= last_ns]
        best = min(near, key=partial(_apart, true), default=None)
        if best is not None:
            said.remove(best)
        cause = None if best is None else best.cause
        rule = None if best is None else best.rule
        found.verdicts.append(Verdict(run.run, true, cause, rule))
    found.invented += len(said)


def booked_account(driven: Driven, run: str) -> Account:
    """Return the whole account of one run."""
    return driven.ledger.account(RunKey(CLUSTER, NAMESPACE, run))
