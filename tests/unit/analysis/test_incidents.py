"""One record per interruption: what it took, why, who knew better, and what it cost."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from goodput_exporter.analysis.histories import History, RunFacts, View
from goodput_exporter.analysis.incident_record import IncidentRecord
from goodput_exporter.analysis.incident_rows import incidents_csv, incidents_json
from goodput_exporter.analysis.stretches import Pricing, account_of
from goodput_exporter.analysis.usage import Place
from goodput_exporter.domain.bookings import Restatement
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.bills import H100, book, price
from tests.fakes.epics import BEGINS_NS, HOUR, MINUTE, STEP, Epic
from tests.fakes.stories import Observer, observations
from tests.scenarios.test_worked_examples import CUT_AND_REDONE

ALWAYS = Span(0, 2**62)
XID = "xid 79 on gpu/node-7/0000:04:00"


def crashed() -> Epic:
    """A run of 8 devices that loses 20 steps to a GPU, and does them again."""
    epic = Epic().book(RunState.INITIALIZING, 5 * MINUTE).train(100).save()
    epic.train(20).crash(Cause.GPU_ERROR, 30 * MINUTE, evidence=XID)
    return epic.train(60)


def records(run: History, view: View = View.SETTLED) -> Sequence[IncidentRecord]:
    """Return every incident of a run."""
    return run.incidents(ALWAYS, view).records


def test_a_record_tells_an_interruption_from_end_to_end() -> None:
    """When, for how long each part of coming back took, and how much work was gone."""
    (one,) = records(crashed().told(facts=RunFacts(tokens_per_step=1_000.0)))

    assert (one.number, one.cause, one.rule) == (1, Cause.GPU_ERROR, "rule-gpu_error")
    assert one.detected_ns - one.began_ns == STEP // 2
    assert one.returned_ns == one.detected_ns + 30 * MINUTE
    assert one.recovered_ns == one.ended_ns
    assert one.waited_ns == 30 * MINUTE
    assert one.restarted_ns == 4 * MINUTE
    assert one.restored_ns == 2 * MINUTE
    assert one.recomputed_ns == 20 * STEP
    assert (one.restored_step, one.lost_steps, one.lost_tokens) == (99, 20, 20_000)
    assert one.nodes == ("node-7",)
    assert one.evidence == (XID,)
    assert one.how == "process"


def test_redone_steps_cost_once_in_either_view() -> None:
    """Live: they are recomputing when done again. Settled: lost when first done."""
    run = crashed().told()
    (live,), (settled,) = records(run, View.LIVE), records(run)

    assert live.gpu_ns[RunState.RECOMPUTING] == 20 * STEP * 8
    assert settled.gpu_ns[RunState.LOST] == 20 * STEP * 8
    assert RunState.LOST not in live.gpu_ns
    assert RunState.RECOMPUTING not in settled.gpu_ns
    assert live.total_gpu_ns == settled.total_gpu_ns


def test_lost_work_lies_where_it_was_done() -> None:
    """A window before the crash holds the lost steps, though nobody knew it then."""
    epic = crashed()
    before = Span(BEGINS_NS, records(epic.told())[0].began_ns)

    account = account_of(epic.told().seen.settled, before)

    assert account.of(RunState.LOST) == 20 * STEP * 8
    assert account.bad_gpu_ns[Cause.GPU_ERROR] == 20 * STEP * 8


def test_a_person_may_know_better() -> None:
    """The settled view believes the person, lost work included; the live one stays."""
    run = crashed().correct(1, Cause.PLANNED, "ada", "the drill").told()
    (settled,), (live,) = records(run), records(run, View.LIVE)

    assert (settled.cause, settled.rule) == (Cause.PLANNED, "person")
    assert set(settled.by_cause) == {Cause.PLANNED}
    assert set(live.by_cause) == {Cause.GPU_ERROR}
    (fix,) = settled.corrections
    assert (fix.from_cause, fix.by, fix.note) == (Cause.GPU_ERROR, "ada", "the drill")
    assert run.seen.unplaced_gpu_ns == 0


def test_a_hang_inside_another_incident_stays_a_hang() -> None:
    """Its time is the incident's, and its cause its own."""
    epic = Epic().train(5).save().fall(Cause.OOM_KILLED)
    epic.book(RunState.STALLED, 10 * MINUTE)
    (one,) = records(epic.told())

    assert one.by_cause[Cause.HANG] == 10 * MINUTE * 8
    assert one.by_cause[Cause.OOM_KILLED] == STEP // 2 * 8


def test_time_lost_without_an_interruption_stands_apart() -> None:
    """Start-up, saves, and a stall that ended by itself are in no incident."""
    epic = Epic().book(RunState.INITIALIZING, 5 * MINUTE).train(3).save()
    epic.book(RunState.STALLED, 10 * MINUTE)

    found = epic.told().incidents(ALWAYS, View.SETTLED)

    assert found.records == ()
    assert found.apart == {Cause.NONE: 6 * MINUTE * 8, Cause.HANG: 10 * MINUTE * 8}


def test_an_incident_that_another_took_over_ends_there() -> None:
    """It never recovers, and its time counts up to the next one."""
    epic = Epic().train(5).save().crash(Cause.GPU_LOST, HOUR)
    epic.fall(Cause.NODE_LOST).book(RunState.DOWN, HOUR)
    first, second = records(epic.told())

    assert (first.recovered_ns, first.ended_ns) == (None, second.detected_ns)
    assert not first.as_interruption().recovered
    assert second.ended_ns == epic.at_ns


def test_a_window_holds_what_it_paid_for() -> None:
    """An incident is listed in every window that it costs, with the cost in it."""
    epic = crashed()
    (whole,) = records(epic.told())
    half = Span(whole.detected_ns + 15 * MINUTE, 2**62)

    (late,) = epic.told().incidents(half, View.LIVE).records

    assert late.waited_ns == 15 * MINUTE
    assert late.detected_ns < half.start_ns


def test_a_price_makes_it_a_cost() -> None:
    """An hour of eight GPUs at two euro and a half is twenty."""
    pricing = Pricing(book(price("2.50")), Place(H100))
    epic = Epic().train(5).save().fall(Cause.GPU_LOST).book(RunState.DOWN, HOUR)
    (one,) = records(epic.told(pricing=pricing))

    assert one.cost is not None
    assert f"{one.cost.amount()}" == "20.17"
    (unpriced,) = records(epic.told())
    assert unpriced.cost is None


def test_time_that_was_moved_is_told_where_it_went() -> None:
    """Late evidence says that half of an outage was training after all."""
    epic = Epic().train(2).save().fall(Cause.UNKNOWN).book(RunState.DOWN, HOUR)
    begins_ns = epic.at_ns - HOUR
    span = Span(begins_ns, begins_ns + HOUR // 2)
    gone = Span(span.end_ns, epic.at_ns)
    for each, state in ((span, "productive"), (gone, "outside")):
        gpu_ns = each.length_ns * 8
        epic.bookings.append(
            Restatement(
                epic.at_ns, each, "down", state, gpu_ns, Cause.UNKNOWN, "late", 1
            )
        )
    run = epic.told()
    account = account_of(run.seen.settled, ALWAYS)

    assert account.of(RunState.DOWN) == 0
    assert account.of(RunState.PRODUCTIVE) == 2 * STEP * 8 + HOUR // 2 * 8
    assert run.seen.unplaced_gpu_ns == 0
    assert records(run)[0].waited_ns == 0
    assert records(run, View.LIVE)[0].waited_ns == HOUR


def test_what_no_entry_holds_is_counted() -> None:
    """A move of time that was never booked is a defect with a size."""
    epic = Epic().train(2)
    span = Span(0, HOUR)
    epic.bookings.append(
        Restatement(epic.at_ns, span, "down", "idle", HOUR * 8, Cause.NONE, "?")
    )

    assert epic.told().seen.unplaced_gpu_ns == HOUR * 8


def test_work_that_was_lost_may_come_back() -> None:
    """A run that failed loses its unsaved steps; reopened, it has them again."""
    epic = Epic().train(10)
    span = Span(BEGINS_NS, epic.at_ns)
    states = ("productive", "lost")
    for before, after in (states, states[::-1]):
        told = Restatement(
            epic.at_ns, span, before, after, 3 * STEP * 8, Cause.NONE, "rule 4"
        )
        epic.bookings.append(told)
        lost = account_of(epic.told().seen.settled, ALWAYS).of(RunState.LOST)
        assert lost == (3 * STEP * 8 if after == "lost" else 0)


def test_records_of_a_real_fold_agree_with_what_it_published() -> None:
    """The first worked example, told by the fold itself and by its entries."""
    story = Observer().watch(observations(CUT_AND_REDONE), 545).settle()
    published = story.fold.incidents[0]

    (one,) = told_of(story)

    assert one.gpu_ns == {s: ns for s, ns in published.gpu_ns.items() if ns}
    assert (one.began_ns, one.detected_ns, one.recovered_ns, one.lost_steps) == (
        published.began_ns,
        published.detected_ns,
        published.recovered_ns,
        published.lost_steps,
    )


def told_of(story: Observer) -> Sequence[IncidentRecord]:
    """Return the live records of a story."""
    epic = Epic()
    epic.bookings = list(story.bookings)
    return records(epic.told(), View.LIVE)


def test_programs_read_the_same_records() -> None:
    """CSV and JSON hold exact seconds, empty fields where nothing is known."""
    found = records(crashed().correct(1, Cause.PLANNED, "ada", "a drill").told())

    (row,) = csv.DictReader(io.StringIO(incidents_csv(found)))
    answer = json.loads(incidents_json(found))

    assert row["recomputed_seconds"] == "1200.000000000"
    assert (row["cause"], row["corrected_by"], row["note"]) == (
        "planned",
        "ada",
        "a drill",
    )
    assert (row["lost_tokens"], row["cost"]) == ("", "")
    assert answer["gpu_seconds_by_state"]["lost"] == "9600.000000000"
    assert answer["nodes"] == ["node-7"]
    assert answer["lost_tokens"] is None
    assert answer["detected"].startswith("2026-03-01T02:")
