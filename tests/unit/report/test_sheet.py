"""A report adds up: to time x GPUs, to the ledger, run by run and day by day."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from decimal import Decimal

import pytest

from goodput_exporter.analysis.exposure import Exposure
from goodput_exporter.analysis.histories import RunFacts, View
from goodput_exporter.analysis.records import NodeTime
from goodput_exporter.analysis.stretches import Pricing
from goodput_exporter.analysis.usage import Place
from goodput_exporter.domain.accounting import Account, Segment, tally
from goodput_exporter.domain.placement import Owner
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError
from goodput_exporter.report.comparing import compare, side
from goodput_exporter.report.drawing_up import sheet
from goodput_exporter.report.markdown import markdown
from goodput_exporter.report.page import html
from goodput_exporter.report.reliability import saves_in
from goodput_exporter.report.rows import rows, rows_csv
from goodput_exporter.report.sheet import Sheet, require_agreement
from goodput_exporter.report.trends import Grain, grain_of, trend
from tests.fakes.bills import H100, book, price
from tests.fakes.epics import BEGINS_NS, DAY, HOUR, MINUTE, STEP, Epic, three_days

EUROS = Pricing(book(price("2.49")), Place(H100))


def made(
    *epics: Epic, view: View = View.SETTLED, window: Span | None = None, **more: object
) -> Sheet:
    """Report on epics, over all of their time unless told otherwise."""
    span = window or Span(BEGINS_NS, max(epic.at_ns for epic in epics))
    facts = RunFacts(outcome="succeeded")
    runs = [
        (epic.told(facts=facts, pricing=EUROS), epic.account(span)) for epic in epics
    ]
    return sheet(runs, subject="the fleet", window=span, view=view, **more)  # type: ignore[arg-type] # more is what a test changes


def test_states_add_up_to_time_times_gpus() -> None:
    """The foot is wall time x devices of every run, as the clock has it."""
    one, other = three_days(devices=64), three_days("qwen", devices=16)

    found = made(one, other)

    wall_ns = one.at_ns - BEGINS_NS
    assert found.whole.total.gpu_ns == wall_ns * (64 + 16)
    assert sum(line.gpu_ns for line in found.whole.states) == wall_ns * 80
    assert [(term.devices, term.wall_ns) for term in found.proof.terms] == [
        (64, wall_ns),
        (16, wall_ns),
    ]


@pytest.mark.parametrize("view", View)
def test_every_table_is_cut_from_the_same_sum(view: View) -> None:
    """States, runs, days, and incidents with the rest: all sum to the total."""
    found = made(three_days(), three_days("qwen"), view=view)
    total, bad = found.whole.total.gpu_ns, found.bad_gpu_ns

    assert sum(part.account.total.gpu_ns for part in found.parts) == total
    assert sum(one.account.total_gpu_ns for one in found.periods) == total
    assert sum(one.bad_gpu_ns for one in found.periods) == bad
    listed = sum(one.total_gpu_ns for one in found.costliest)
    assert listed + found.other_incidents.gpu_ns + found.apart.gpu_ns == bad
    assert (len(found.costliest), found.incidents) == (10, 12)


def test_the_live_view_is_what_the_ledger_adds_up() -> None:
    """State by state; the settled view divides the same time otherwise."""
    epic = three_days()
    ledger = tally(epic.segments())

    live, settled = made(epic, view=View.LIVE), made(epic)

    shown = {line.name: line.gpu_ns for line in live.whole.states}
    assert shown == {state.value: ns for state, ns in ledger.gpu_ns.items()}
    assert live.whole.ratios == ratios(ledger)
    assert settled.whole.total.gpu_ns == live.whole.total.gpu_ns
    assert settled.proof.ledger_gpu_ns == ledger.total_gpu_ns


def test_a_ledger_that_says_otherwise_is_refused() -> None:
    """A report that does not agree with the ledger is worse than none."""
    epic, window = Epic().train(5), Span(BEGINS_NS, BEGINS_NS + HOUR)
    wrong = Account({RunState.PRODUCTIVE: 1})

    with pytest.raises(AccountingError, match="ledger's own sum is"):
        sheet([(epic.told(), wrong)], subject="x", window=window, view=View.LIVE)


def test_a_sheet_whose_parts_disagree_is_refused() -> None:
    """Each of its sums is named with its value."""
    found = made(three_days())

    with pytest.raises(AccountingError, match="the periods 0, the incidents 0 of"):
        require_agreement(replace(found, periods=(), costliest=(), apart=EMPTY))


EMPTY = made(Epic().train(1)).other_incidents


def test_costs_add_up_to_the_cent() -> None:
    """GPU-hours times the price, and each table's lines sum to its foot."""
    epic = three_days()
    found = made(epic)

    hours = Decimal((epic.at_ns - BEGINS_NS) * 64) / HOUR
    assert found.whole.total.cost == (hours * Decimal("2.49")).quantize(Decimal("0.01"))
    assert sum(line.cost or 0 for line in found.whole.states) == found.whole.total.cost
    assert sum(line.cost or 0 for line in found.whole.causes) == found.whole.lost.cost


@pytest.mark.parametrize("view", View)
def test_rows_for_programs_sum_to_the_report(view: View) -> None:
    """Exact in GPU time, and in the last of the decimals."""
    found = made(three_days(), three_days("qwen", devices=16), view=view)

    table = list(csv.DictReader(io.StringIO(rows_csv(found))))

    assert sum(int(row["gpu_ns"]) for row in table) == found.whole.total.gpu_ns
    assert sum(Decimal(row["gpu_hours"]) for row in table) == (
        found.whole.total.gpu_hours
    )
    lost = sum(int(r["gpu_ns"]) for r in table if r["state"] == "down")
    assert lost == sum(ln.gpu_ns for ln in found.whole.states if ln.name == "down")
    cost = sum(row.cost or 0 for row in rows(found))
    assert round(cost, 2) == found.whole.total.cost


def test_a_window_cuts_a_report_to_the_nanosecond() -> None:
    """Two reports of adjoining windows sum to the report of both."""
    epic = three_days()
    cut_ns = BEGINS_NS + 31 * HOUR + 7

    before = made(epic, window=Span(BEGINS_NS, cut_ns)).whole
    after = made(epic, window=Span(cut_ns, epic.at_ns)).whole

    both = {line.name: line.gpu_ns for line in made(epic).whole.states}
    for line in (*before.states, *after.states):
        both[line.name] -= line.gpu_ns
    assert set(both.values()) == {0}


def test_periods_are_hours_days_or_weeks() -> None:
    """As many as a person can look at; weeks begin on Monday."""
    assert grain_of(Span(0, 2 * DAY)) is Grain.HOUR
    assert grain_of(Span(0, 30 * DAY)) is Grain.DAY
    assert grain_of(Span(0, 90 * DAY)) is Grain.WEEK

    window = Span(BEGINS_NS + HOUR, BEGINS_NS + 9 * DAY)
    weeks = trend([], window, Grain.WEEK)

    assert [one.span.length_ns for one in weeks] == [23 * HOUR, 7 * DAY, DAY]


def test_few_interruptions_are_said_to_be_few() -> None:
    """The limits and the mark are in the sentence, and so is what is not known."""
    text = markdown(made(three_days()))

    assert "6 interruptions) – too few to rely on." in text
    assert "95% limits" in text
    assert "does not say on which nodes" in text


def test_groups_of_runs_add_up_to_the_report() -> None:
    """By team, with the runs of nobody's team on a line of their own."""
    epics = three_days(), three_days("qwen", devices=16), three_days("third", devices=2)
    teams = "blue", "red", None
    span = Span(BEGINS_NS, epics[0].at_ns)
    runs = [
        (epic.told(facts=RunFacts(owner=Owner(team=team))), epic.account(span))
        for epic, team in zip(epics, teams, strict=True)
    ]

    found = sheet(
        runs, subject="all", window=span, view=View.LIVE, group_by=GroupKind.TEAM
    )

    assert [one.name for one in found.groups] == ["blue", "red", None]
    whole_gpu_ns = found.whole.total.gpu_ns
    assert sum(one.account.total_gpu_ns for one in found.groups) == whole_gpu_ns
    assert sum(one.cost.gpu_ns for one in found.groups) == whole_gpu_ns
    text = markdown(found)
    assert "## By team" in text
    assert "| (not said) | 1 |" in text
    assert "<h2>Groups of runs</h2>" in html(found)


def test_groups_that_do_not_add_up_are_no_report() -> None:
    """One line too few, and there is an error in its place."""
    found = made(three_days(), group_by=GroupKind.NAMESPACE)

    with pytest.raises(AccountingError, match="the groups 0"):
        require_agreement(replace(found, groups=()))


def test_nodes_that_are_known_have_rates() -> None:
    """Failures per 1,000 node-days, by GPU model and by cause."""
    nodes = [NodeTime("node-7", "H100", 3 * DAY), NodeTime("node-2", "H100", 3 * DAY)]

    epic = three_days()
    known = {epic.key: Span(BEGINS_NS, epic.at_ns)}

    text = markdown(made(epic, exposure=Exposure(tuple(nodes), known)))

    assert "Failures per 1,000 node-days, H100: 500.0" in text
    assert "caused by gpu_error: 333.3" in text


def test_advice_names_numbers_and_its_doubts() -> None:
    """What to save how often, what it gains, between which limits."""
    (sentence,) = made(three_days()).advice

    assert sentence.startswith("llama: save every ")
    assert "percentage points of goodput (between" in sentence
    assert "GPU-hours per day" in sentence
    assert "Few interruptions: take it as a direction." in sentence


def test_a_run_without_a_save_gets_a_sentence_instead_of_advice() -> None:
    """Nothing can be weighed, and the report says what is missing."""
    (sentence,) = made(Epic().train(50)).advice

    assert sentence == (
        "llama: no advice on checkpoints: no save or no training was seen, so nothing "
        "can be weighed."
    )


def test_saves_are_counted_by_their_gaps() -> None:
    """A save booked in three entries is one save."""
    epic = Epic().train(1)
    for _ in range(2):
        for _ in range(3):
            epic.save(MINUTE)
        epic.train(1)

    assert saves_in(epic.told().seen.live, Span(0, 2**62)) == 2


def test_without_statistics_the_books_still_stand() -> None:
    """Where SciPy is not installed, only what rests on it is absent."""
    found = made(three_days(), with_statistics=False)

    assert (found.reliability, found.advice) == (None, ())
    assert found.whole.total.gpu_ns


def test_doubts_are_said() -> None:
    """Unseen, unverified, an upper bound, open, unpriced: each with its number."""
    epic = Epic().train(60).book(RunState.UNOBSERVED, HOUR).train(60)
    window = Span(BEGINS_NS, epic.at_ns + HOUR)
    facts = RunFacts(verified=False, upper_bound=True, has_gpus=False)
    late = book(price("1", Span(BEGINS_NS + 2 * HOUR, 2**62)))
    run = epic.told(facts=facts, pricing=Pricing(late, Place(H100)))

    found = sheet(
        [(run, epic.account(window))], subject="x", window=window, view=View.LIVE
    )

    text = "\n".join(found.doubts)
    assert "Unobserved: 8.000 GPU-hours (33.3 %)" in text
    assert "Unpriced: 16.000 GPU-hours" in text
    for word in ("upper bound", "unverified", "no rank named a GPU"):
        assert f"llama: {word}" in text
    assert "open: the last 1 h 00 min of the window are not decided yet" in text
    assert "**At most **" not in markdown(found)
    assert "At most **100.0 %**" in markdown(found)


def test_mfu_is_of_one_run_as_it_was_booked() -> None:
    """Model FLOPs of the window over peak x time; other reports say where it is."""
    epic = Epic(devices=1).train(2).book(RunState.DOWN, 2 * STEP)
    epic.bookings = [
        replace(one, model_flops=30e12)
        if isinstance(one, Segment) and one.state is RunState.PRODUCTIVE
        else one
        for one in epic.bookings
    ]
    window = Span(BEGINS_NS + STEP // 2, epic.at_ns)
    run = epic.told(facts=RunFacts(has_flops=True, peak_flops=1e12))
    runs = [(run, epic.account(window))]

    live = sheet(runs, subject="x", window=window, view=View.LIVE)
    settled = sheet(runs, subject="x", window=window, view=View.SETTLED)

    assert live.whole.ratios.model == pytest.approx(45 / 90)
    assert settled.whole.ratios.model is None
    assert any("its MFU is in the live view" in one for one in settled.doubts)


def test_two_attempts_stand_side_by_side() -> None:
    """Each column of states sums to one; the change is second less first."""
    epic = Epic().train(60).save().crash(Cause.GPU_ERROR, HOUR).train(30)
    run = epic.told()
    first, second = run.attempts().values()

    found = compare(
        side("attempt 1", run, first, View.LIVE),
        side("attempt 2", run, second, View.LIVE),
    )

    assert sum(line.first or 0 for line in found.states) == pytest.approx(1)
    assert sum(line.second or 0 for line in found.states) == pytest.approx(1)
    down = next(line for line in found.states if line.name == "down")
    assert down.gpu_ns == (HOUR * 8, 0)
    goodput = next(line for line in found.ratios if line.name == "goodput")
    assert goodput.first == pytest.approx(60 / 121.5)
    assert goodput.second == pytest.approx(30 / 36)
    assert (found.first.interruptions, found.second.interruptions) == (1, 0)


def test_a_name_cannot_draw_on_the_markdown() -> None:
    """A run, and its evidence, are named by others."""
    epic = Epic("a|b\n# c").train(5).fall(Cause.OTHER, evidence="x\n| y \u202e")

    text = markdown(made(epic, Epic("z").train(1)))

    assert "\n# c" not in text
    assert "\u202e" not in text
    assert "a\\|b" in text


def test_an_empty_window_is_a_report_of_nothing() -> None:
    """No time, no ratio, and no division by zero."""
    epic = Epic().train(5)

    found = made(epic, window=Span(BEGINS_NS - 2 * STEP, BEGINS_NS - STEP))

    assert found.whole.total.gpu_ns == 0
    assert "Nothing was observed in this window." in markdown(found)
