"""A cause becomes better known: by later evidence, or by a person's word."""

from __future__ import annotations

from goodput_exporter.domain.accounting import Account, tally
from goodput_exporter.domain.bookings import Reattribution, Restatement
from goodput_exporter.domain.causes import PERSON, Correction, correct_cause
from goodput_exporter.domain.corrected import correct
from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, Observer, observations
from tests.scenarios.telling import PINNED, books_close

XID = Evidence(
    ns(START_S + 108), Kind.XID, "79", "gpu/n1/0000:3b", "kernel", "fell off the bus"
)
"""Dated two seconds before the rank's end at 110 s."""


def lives() -> list[Observation]:
    """Return a run that waits for data, is killed in a step, redoes and goes on."""
    first = Rank(inc="a" * 16, pid=1).init(5).steps(0, 8, each=10).data(10).cut(5)
    second = Rank(inc="b" * 16, pid=2, begins_s=150).init(5).restore(4, 6)
    return list(observations([first, second.steps(7, 12, each=10).bye()]))


def watch(*evidence: Evidence, seen_s: float, until_s: float = 300) -> Observer:
    """Watch the run; the evidence comes in at an instant, whatever its date."""
    story = Observer(PINNED)
    story.watch([one for one in lives() if _at(one) <= seen_s], seen_s)
    story.watch(evidence, seen_s)
    for one in evidence:
        story.fold.seen.append(one)
        story.fold.has_news = True
    return story.watch([one for one in lives() if _at(one) > seen_s], until_s)


def _at(seen: Observation) -> float:
    return (getattr(seen, "at_ns", 0) - ns(START_S)) / 1e9


def settled_by_cause(story: Observer) -> dict[Cause, int]:
    """Return the settled view's badput by cause, without what nothing is left of."""
    return {c: gpu for c, gpu in story.fold.book.settled.bad_gpu_ns.items() if gpu}


def known_today(story: Observer) -> Account:
    """Return what the entries say, after what was moved between states and causes."""
    moves = [b for b in story.bookings if isinstance(b, Restatement | Reattribution)]
    return tally(correct(story.segments(), moves))


def test_an_end_is_explained_by_what_was_seen_of_its_gpus() -> None:
    """The kernel's line says more than the signal that ended the process."""
    (incident,) = watch(XID, seen_s=109).fold.incidents

    assert incident.cause is Cause.GPU_LOST
    assert any("fell off the bus" in word for word in incident.evidence)


def test_evidence_that_comes_late_moves_what_was_booked() -> None:
    """Counters stay as they are; the settled view has the better cause."""
    early, late = watch(XID, seen_s=109), watch(XID, seen_s=200)

    assert late.fold.incidents[0].cause is Cause.GPU_LOST
    assert settled_by_cause(late) == settled_by_cause(early)
    assert late.fold.book.live.bad_gpu_ns[Cause.UNKNOWN] > 0
    assert late.fold.book.live.gpu_ns == early.fold.book.live.gpu_ns
    assert late.fold.book.recaused["unknown>gpu_lost"] > 0
    assert books_close(late)


def test_what_came_between_the_last_step_and_the_end_is_its_cost() -> None:
    """The wait for data was booked as it went, before anybody knew what it cost."""
    story = watch(seen_s=109)
    (incident,) = story.fold.incidents

    assert incident.gpu_ns[RunState.DATA_WAIT] == ns(10)
    assert incident.gpu_ns[RunState.INTERRUPTED] == ns(5)
    assert story.fold.book.live.bad_gpu_ns[Cause.NONE] == ns(5 + 10)
    assert settled_by_cause(story)[Cause.NONE] == ns(5)
    assert known_today(story).bad_gpu_ns[Cause.NONE] == ns(5)


def test_lost_work_is_the_cost_of_what_lost_it() -> None:
    """In hindsight nothing was redone: two steps were lost, and why is known."""
    story = watch(XID, seen_s=109)
    (incident,) = story.fold.incidents

    assert story.settled()["lost"] == 20
    assert "recomputing" not in story.settled()
    assert incident.settled_ns[RunState.LOST] == ns(20)
    spent = {s: gpu for s, gpu in incident.settled_ns.items() if gpu}
    assert settled_by_cause(story)[Cause.GPU_LOST] == sum(spent.values())


def test_a_person_corrects_a_cause_and_corrects_it_back() -> None:
    """Both corrections are entries; together they are the identity."""
    story, same = watch(XID, seen_s=109), watch(XID, seen_s=109)
    before = settled_by_cause(story)
    at_ns = ns(START_S + 301)

    said = Correction(1, Cause.PLANNED, "kim", "we pulled the card", at_ns)
    assert correct_cause(story.fold, said)
    story.tick()
    assert settled_by_cause(story)[Cause.PLANNED] == before[Cause.GPU_LOST]
    assert Cause.GPU_LOST not in settled_by_cause(story)
    (incident,) = story.fold.incidents
    assert (incident.rule, incident.corrected_by) == (PERSON, "kim")

    back = Correction(1, Cause.GPU_LOST, "kim", "wrong card", at_ns)
    assert correct_cause(story.fold, back)
    story.tick()
    assert settled_by_cause(story) == before
    assert story.fold.book.live == same.fold.book.live
    assert known_today(story) == known_today(same)


def test_no_rule_overrules_a_person() -> None:
    """Evidence that comes after a person's word is kept and changes nothing."""
    story = watch(seen_s=109, until_s=200)
    said = Correction(1, Cause.USER, "kim", "it was me", ns(START_S + 200))
    assert correct_cause(story.fold, said)
    story.fold.seen.append(XID)
    story.fold.has_news = True
    story.watch([], 260)

    assert story.fold.incidents[0].cause is Cause.USER


def test_time_booked_after_a_correction_has_the_corrected_cause() -> None:
    """The run still recovers: what it costs from now on is due to that, too."""
    story = watch(seen_s=109, until_s=140)
    said = Correction(1, Cause.USER, "kim", "", ns(START_S + 140))
    assert correct_cause(story.fold, said)
    rest = [one for one in lives() if _at(one) > 140]
    story.watch(rest, 300)

    assert Cause.UNKNOWN not in settled_by_cause(story)
    assert known_today(story).bad_gpu_ns[Cause.USER] > 0
    assert Cause.UNKNOWN not in known_today(story).bad_gpu_ns
    assert books_close(story)


def test_an_incident_that_never_was_cannot_be_corrected() -> None:
    """The caller is told, and nothing is booked."""
    story = watch(seen_s=109)
    booked = len(story.bookings)

    assert not correct_cause(story.fold, Correction(7, Cause.USER, "", "", 0))
    story.tick()
    assert len(story.bookings) == booked
