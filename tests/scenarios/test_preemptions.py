"""Who was preempted for whom, and what it cost: from objects to the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from goodput_exporter.analysis.histories import View
from goodput_exporter.analysis.incident_record import IncidentRecord
from goodput_exporter.analysis.preemptions import Displaced
from goodput_exporter.analysis.reliability import Reliability
from goodput_exporter.domain.bookings import EventKind, Reattribution, RunEvent
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause
from goodput_exporter.ledger.store import open_ledger
from goodput_exporter.services.asked_reports import Asked
from goodput_exporter.services.ledger_past import LedgerPast
from goodput_exporter.services.report_commands import report
from tests.fakes.cluster import Pod, Raw, Story, job, ns
from tests.fakes.office import books_on
from tests.fakes.preempting import evicted, preempted, queued, told_to_make_room

TRAIN, URGENT = RunKey("c1", "ml", "train"), RunKey("c1", "ml", "urgent")
ENDS_S = 700
SAID = "default-scheduler: preempting to accommodate a higher priority pod"


class Shop:
    """A ledger that is kept while a tracker's story is told, tick by tick."""

    def __init__(self, path: Path) -> None:
        self.story = Story()
        self.ledger = open_ledger(path)
        self._books = books_on(self.ledger)
        self._books.resume(ns(0))
        self._told = 0

    def at(self, second: int, *raws: Raw) -> Shop:
        """Let time pass to an instant, a tick every five seconds; bring objects."""
        while self._told < second:
            self._told = min(second, self._told + 5)
            self._tick()
        self.story.see(second, *raws)
        self._tick()
        return self

    def _tick(self) -> None:
        self.story.wait(self._told)
        self._books.take([*self.story.evidence, *self.story.placements])
        self.story.evidence.clear()
        self.story.placements.clear()
        self._books.tick(ns(self._told))

    def record(self, key: RunKey) -> IncidentRecord:
        """Return the only interruption of a run, as it is known today."""
        past = LedgerPast(self.ledger)
        (history,) = past.runs((key.run,))
        (found,) = history.incidents(Span(ns(0), ns(ENDS_S)), View.SETTLED).records
        return found

    def reliability(self, begins_s: int = 0) -> Reliability:
        """Return what the API says of both runs from an instant on."""
        past, window = LedgerPast(self.ledger), Span(ns(begins_s), ns(ENDS_S))
        return past.reliability(past.runs(()), window, View.SETTLED)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Return a ledger whose two runs have eight GPUs each, for a minute."""
    shop = Shop(tmp_path / "ledger.sqlite")
    with closing(shop.ledger):
        train, urgent = job(), job("urgent")
        trains, urges = Pod("train-0", train), Pod("urgent-0", urgent)
        trains.bound(1, "n1")
        urges.bound(1, "n2")
        shop.at(5, train, urgent, trains.running(5), urges.running(5))
        yield shop


def up(name: str, owner: str, node: str) -> Pod:
    """Return a pod as it has been from the fifth second on."""
    pod = Pod(name, job(owner))
    pod.bound(1, node)
    pod.running(5)
    return pod


def restarts(shop: Shop, *event: Raw) -> Shop:
    """Let the urgent run fail, and its next pod take the place of the other run."""
    urges, again = up("urgent-0", "urgent", "n2"), Pod("urgent-1", job("urgent"), 105)
    trains = up("train-0", "train", "n1")
    shop.at(96, urges.over(95, "Failed", 1))
    shop.at(106, again.unschedulable(105))
    shop.at(113, told_to_make_room(trains, 112, SAID), *event)
    shop.at(121, trains.over(120, "Failed", 143))
    again.bound(130, "n1")
    return shop.at(151, again.running(150)).at(ENDS_S)


EVENT = preempted("train-0", 112, "Preempted by pod urgent-1 on node n1")


def test_a_preemption_is_charged_to_the_failure_that_led_to_it(shop: Shop) -> None:
    """The urgent run fails, comes back, and takes the place of the other one."""
    found = restarts(shop, EVENT).reliability()

    hit, own = shop.record(TRAIN), shop.record(URGENT)
    assert (hit.cause, hit.preempted_by) == (Cause.PREEMPTED, URGENT)
    assert own.preempted_by is None
    assert found.displaced == (Displaced(URGENT, 1, 1, hit.total_gpu_ns),)
    (cascade,) = found.cascades
    assert (cascade.root.run, cascade.root.number) == (URGENT, 1)
    assert cascade.secondary_gpu_ns == hit.total_gpu_ns
    assert cascade.own_gpu_ns == own.total_gpu_ns
    assert hit.total_gpu_ns > 500 * 8 * NS_PER_SECOND


def test_a_scheduler_that_names_nobody_leaves_it_unknown(shop: Shop) -> None:
    """The condition alone says that there was a pod, and not whose."""
    found = restarts(shop).reliability()

    hit = shop.record(TRAIN)
    assert (hit.cause, hit.preempted_by) == (Cause.PREEMPTED, None)
    assert found.displaced == (Displaced(None, 1, 1, hit.total_gpu_ns),)
    assert found.cascades == ()


def test_who_it_was_may_be_known_later_than_that_it_happened(shop: Shop) -> None:
    """The event comes minutes after the condition: one more entry, no other sum."""
    whole = Span(ns(0), ns(ENDS_S - 10))
    before = restarts(shop).ledger.account(TRAIN, whole)
    shop.at(ENDS_S, EVENT).at(ENDS_S + 10)

    assert shop.record(TRAIN).preempted_by == URGENT
    told = [entry.booking for entry in shop.ledger.bookings(TRAIN)]
    (event,) = (
        one
        for one in told
        if isinstance(one, RunEvent) and one.kind is EventKind.INTERRUPTED
    )
    (move,) = (one for one in told if isinstance(one, Reattribution) if one.gpu_ns)
    assert event.detail["preempted_by"] is None
    assert (move.from_cause, move.to_cause) == (Cause.PREEMPTED, Cause.PREEMPTED)
    assert move.preempted_by == "run/ml/urgent"
    assert shop.ledger.account(TRAIN, whole) == before
    assert shop.ledger.verify() == []


def test_a_queue_names_the_job_that_got_the_quota(shop: Shop) -> None:
    """Kueue's word on the victim's workload; nothing had failed, so it stands alone."""
    said = "Preempted to accommodate a workload (UID: wl-2, JobUID: urgent) due to X"
    out = job(suspend=True)
    shop.at(100, queued(job(), "wl-1", evicted(99, said)))
    shop.at(105, out, up("train-0", "train", "n1").over(104, "Failed", 143))
    found = shop.at(ENDS_S).reliability()

    hit = shop.record(TRAIN)
    assert (hit.cause, hit.preempted_by) == (Cause.QUEUE_PREEMPTED, URGENT)
    assert found.displaced == (Displaced(URGENT, 1, 1, hit.total_gpu_ns),)
    assert found.cascades == ()


def test_a_window_after_the_preemption_does_not_count_it_again(shop: Shop) -> None:
    """What was detected before a window is another window's interruption."""
    found = restarts(shop, EVENT).reliability(begins_s=300)

    assert (found.displaced, found.cascades) == ((), ())


def test_the_report_says_who_paid_for_whom(shop: Shop) -> None:
    """In the sentences of a report, and with the incident itself."""
    restarts(shop, EVENT)

    made = report(shop.ledger, Asked(format="md"), ns(ENDS_S))

    record = next(one for one in made.costliest if one.run == TRAIN)
    assert record.preempted_by == URGENT
    assert made.reliability is not None
    assert [one.root.run for one in made.reliability.cascades] == [URGENT]
