"""A view says of a run what its story was, in figures and in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.observations import (
    ModelFacts,
    RankReport,
    RunObservation,
)
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, How, RunState
from goodput_exporter.exposition.windows import book, read_span, read_window
from tests.fakes.crews import crew, death, in_step, init_until, told
from tests.fakes.office import Office, lifetime
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import observations

H100 = {"GPU-1": "NVIDIA H100 80GB HBM3"}
FACTS = ModelFacts(
    flops_per_token=1e9, tokens_per_step=1_000_000, dtype="bf16", gpu_uuids=("GPU-1",)
)


def saved_then_killed() -> Rank:
    """Start 5 s, steps 0-3 of 10 s, a save of 12 s, three more, 4 s of the next."""
    rank = Rank(inc="a" * 16, pid=1).init(5).steps(0, 3, each=10).save(12, 3)
    return rank.steps(4, 6, each=10).cut(4)


def returned() -> Rank:
    """The same run 30 s later: restores step 3 and redoes three steps."""
    rank = Rank(inc="b" * 16, pid=2, begins_s=121).init(5).restore(4, 3)
    return rank.steps(4, 9, each=10)


def knowing(facts: ModelFacts, rank: Rank) -> list[RunObservation]:
    """Return what a rank says that knows its model and its GPU."""
    said = observations([rank], known_exit=False)
    return [replace(o, facts=facts) for o in said if isinstance(o, RankReport)]


def seconds(view: RunView) -> dict[str, float]:
    """Return the lifetime account as the page shows it, in device seconds."""
    return {s.value: ns_ / 1e9 for s, ns_ in lifetime(view).account.gpu_ns.items()}


def test_a_run_that_returned_shows_its_incident_from_end_to_end() -> None:
    """What it cost, why, by which rule, how it came back and what it redid."""
    office = Office(Rules(reference_step_ns=ns(10)))
    view = office.live(saved_then_killed(), returned(), until_s=188).view()

    (incident,) = view.incidents
    opened_ns = view.opened_ns
    assert incident.began_ns == opened_ns + ns(87)
    assert incident.detected_ns == opened_ns + ns(91)
    assert incident.returned_ns == opened_ns + ns(121)
    assert incident.recovered_ns == opened_ns + ns(170)
    assert (incident.cause, incident.how) == (Cause.UNKNOWN, How.PROCESS)
    assert (incident.restored_step, incident.lost_steps) == (3, 3)
    assert {s.value: ns_ / 1e9 for s, ns_ in incident.gpu_ns.items()} == {
        "interrupted": 4,
        "down": 30,
        "initializing": 5,
        "restoring": 4,
        "recomputing": 30,
    }
    assert view.restarts == {(How.PROCESS, Cause.UNKNOWN): 1}
    assert (view.interruptions, view.steps_redone) == (1, 3)


def test_the_place_of_a_run_in_its_steps() -> None:
    """Where it is, how far it ever was, and what a crash now would cost."""
    view = Office().live(saved_then_killed(), until_s=90).view()

    assert (view.step, view.high_water_step) == (6, 6)
    assert (view.saved_step, view.durable_step) == (3, 3)
    assert view.exposure_gpu_ns == ns(30)
    assert view.outcome == "running"
    assert view.kind == "process"
    assert view.source == "sdk"
    assert not view.upper_bound


def test_before_the_first_checkpoint_exposure_is_not_known() -> None:
    """None is not zero: a crash would cost everything, or nothing was reported."""
    view = Office().live(Rank(pid=1).init(5).steps(0, 3, each=5), until_s=25).view()

    assert view.durable_step is None
    assert view.exposure_gpu_ns is None


def test_a_run_that_failed_is_over_at_its_last_exit() -> None:
    """What was booked as down while it might have come back is out of its book."""
    office = Office().live(saved_then_killed(), until_s=100)
    office.watch([], 100 + 16 * 60, tick_s=10.0)
    view = office.view()

    assert view.outcome == "failed"
    assert view.why == "The run is over: failed."
    assert book(view).end_ns == view.ended_ns == view.opened_ns + ns(91)
    assert all(s.state is not RunState.DOWN for s in view.timeline)
    assert seconds(view) == {
        "initializing": 5,
        "productive": 70,
        "checkpointing": 12,
        "interrupted": 4,
    }
    assert lifetime(view).adds_up
    assert view.sealed.of(RunState.DOWN) == view.restated["down", "outside"] > 0
    assert view.settled.of(RunState.LOST) == ns(30)
    assert RunState.DOWN not in view.incidents[0].gpu_ns
    assert read_window(view, "5m").account == lifetime(view).account
    assert view.ratios["1h"] == view.ratios["lifetime"]


def test_between_failure_and_return_the_run_was_down() -> None:
    """Reopened after an hour: the hour is in the book, though no counter had it."""
    again = replace(returned(), begins_s=4000.0)
    office = Office().live(saved_then_killed(), until_s=100)
    office.watch([], 3990, tick_s=30.0)
    office.live(again, until_s=4060)
    view = office.view()

    assert seconds(view)["down"] == 4000 - 91
    assert lifetime(view).adds_up
    assert view.settled.of(RunState.LOST) == ns(30)
    assert read_window(view, "1h").adds_up


def test_what_the_page_no_longer_has_is_read_from_the_ledger_and_corrected() -> None:
    """A long run's early hours left the snapshot: down was booked, then taken out."""
    again = replace(returned(), begins_s=4000.0)
    office = Office().live(saved_then_killed(), until_s=100)
    office.watch([], 3990, tick_s=30.0)
    whole = office.live(again, until_s=4060).view()
    short = replace(whole, timeline=whole.timeline[-2:])

    def history(key: RunKey, span: Span) -> list[Segment]:
        return list(office.ledger.segments(key, span))

    read = read_window(short, "24h", history)

    assert read.adds_up
    assert read.complete
    assert read.account == read_window(whole, "24h").account


def test_between_success_and_return_there_was_no_run() -> None:
    """Nobody asked for those devices then, and the page does not call it a hole."""
    first = Rank(inc="a" * 16, pid=1).init(5).steps(0, 3, each=5).bye()
    again = Rank(inc="b" * 16, pid=2, begins_s=400).init(5).steps(4, 7, each=5)
    office = Office().live(first, until_s=100)
    office.watch([], 390, tick_s=10.0)
    view = office.live(again, until_s=420).view()

    assert view.outside_ns == ns(375)
    assert sum(seconds(view).values()) == 45
    assert lifetime(view).adds_up
    assert read_window(view, "24h").adds_up
    assert read_span(view, book(view)).adds_up


def test_before_its_first_step_a_run_is_at_no_step() -> None:
    """A fresh start goes on from step -1, which nobody ever did."""
    rank = Rank(pid=1).declare(-1).init(20).steps(0, 3, each=10)

    assert Office().live(rank, until_s=15).view().step is None
    assert Office().live(rank, until_s=45).view().step == 1


def test_late_evidence_changes_the_page_and_no_counter() -> None:
    """A network that was away: what was booked unseen is named afterwards."""
    rank = Rank(pid=1).init(5).steps(0, 3, each=5).save(200, 3).steps(4, 9, each=5)
    said = observations([rank], known_exit=False)
    lost = [o for o in said if not ns(1_000_040) < o.at_ns < ns(1_000_180)]

    view = Office().watch(lost, 230).view()

    moved = view.restated["unobserved", "checkpointing"]
    assert moved > 0
    assert view.sealed.of(RunState.UNOBSERVED) >= moved
    assert "unobserved" not in seconds(view)
    assert all(s.state is not RunState.UNOBSERVED for s in view.timeline)
    assert lifetime(view).adds_up


def test_counts_of_devices_are_proved_term_by_term() -> None:
    """A run that grew counted two devices first and three later."""
    small = crew(2)
    init_until(small, 5)
    in_step(small, 0, 7, each=5)
    large = crew(3, life=2, begins_s=60)
    init_until(large, 65)
    in_step(large, 8, 15, each=5)

    deaths = [death(rank) for rank in small]
    view = Office().watch(told([*small, *large], deaths), 100).view()

    assert view.asked_devices == 3
    assert view.wall_ns == {2: ns(60), 3: ns(40)}
    assert lifetime(view).adds_up


def test_mfu_needs_a_known_gpu_a_dtype_and_flops() -> None:
    """10^15 FLOPs a step of 5 s on a peak of 989.4 TFLOP/s is 20 %."""
    rank = Rank(pid=1).init(5).steps(0, 29, each=5).cut(4)
    rules = Rules(reference_step_ns=ns(5))

    view = Office(rules).watch(knowing(FACTS, rank), 158).view(H100)

    assert view.model.gpu_model == "NVIDIA H100 80GB HBM3"
    assert view.model.peak_flops == pytest.approx(989.4e12, rel=1e-3)
    assert view.model.mfu == pytest.approx(1e15 / 5 / 989.4e12, rel=1e-2)
    assert view.model.convention == "user"
    assert view.model.first_time_flops == pytest.approx(view.steps_first_time * 1e15)
    assert view.devices_are_gpus
    layers = view.ratios["lifetime"]
    assert layers.overall is not None
    assert layers.infrastructure is not None
    assert layers.framework is not None
    assert layers.model is not None
    product = layers.infrastructure * layers.framework * layers.model
    assert layers.overall == pytest.approx(product, rel=1e-9)


@pytest.mark.parametrize(
    ("facts", "names", "said"),
    [
        (FACTS, {}, "no GPU is known for this run"),
        (replace(FACTS, gpu_uuids=()), H100, "no GPU is known for this run"),
        (FACTS, {"GPU-1": "Acme X1"}, "Acme X1"),
        (replace(FACTS, dtype="int3"), H100, "int3"),
    ],
)
def test_mfu_is_none_where_a_part_is_unknown(
    facts: ModelFacts, names: dict[str, str], said: str
) -> None:
    """Not zero, not one, and the reason is said."""
    rank = Rank(pid=1).init(5).steps(0, 9, each=5)

    view = Office().watch(knowing(facts, rank), 54).view(names)

    assert view.model.mfu is None
    assert view.model.peak_flops is None
    assert said in view.model.peak_source
    assert view.ratios["lifetime"].overall is None


def test_the_jobs_own_peak_needs_no_table() -> None:
    """Who knows the hardware better may say so, and the page names the source."""
    rank = Rank(pid=1).init(5).steps(0, 9, each=5)
    facts = replace(FACTS, peak_tflops=400.0)

    view = Office().watch(knowing(facts, rank), 54).view({"GPU-1": "Acme X1"})

    assert view.model.peak_flops == pytest.approx(4e14)
    assert "GOODPUT_PEAK_TFLOPS" in view.model.peak_source


def test_a_silent_rank_lowers_the_coverage_and_not_the_book() -> None:
    """Three asked, two heard: the run goes on stepping."""
    ranks = crew(3)
    init_until(ranks, 5)
    in_step(ranks, 0, 19, each=5)
    said = [
        o
        for o in told(ranks, [])
        if o.incarnation != ranks[2].inc or o.at_ns < ns(1_000_050)
    ]

    view = Office().watch(said, 90).view()

    assert (view.ranks_reporting, view.ranks_expected) == (2, 3)
    assert view.state in (RunState.PRODUCTIVE, RunState.SLOW)


def test_why_says_what_to_look_at() -> None:
    """One sentence for a person, without jargon said twice."""
    office = Office().live(saved_then_killed(), until_s=95)
    down = office.view().why
    office.live(saved_then_killed(), returned(), until_s=95)

    assert down.startswith("Rank 0: pid 1: gone; 1 rank has not come back.")
    assert "launcher's log" in down
    assert "ended: pid" not in down
    story = (saved_then_killed(), returned())
    redoing = Office().live(*story, until_s=145).view()
    assert redoing.state is RunState.RECOMPUTING
    assert redoing.why == "Working off incident 1 (unknown), which cost 3 steps."
    stepping = Office().live(*story, until_s=185).view()
    assert stepping.why == "Stepping; the last step completed 5 s ago."


def test_a_hang_says_for_how_long() -> None:
    """Since the last step, not since somebody noticed."""
    rank = Rank(pid=1).init(5).steps(0, 9, each=5).cut(400)

    view = Office().live(rank, until_s=255).view()

    assert view.why.startswith("No step has completed for 200 s")


def test_notes_say_what_the_figures_rest_on() -> None:
    """Each only where it holds."""
    rank = Rank(pid=1, local_steps=True).init(5).steps(0, 9, each=5)
    plain = Rank(pid=1).init(5).steps(0, 9, each=5)

    local = " ".join(Office().live(rank, until_s=54).view().notes)
    known = Office().watch(knowing(FACTS, plain), 54).view(H100).notes

    assert "counts as one device" in local
    assert "upper bound" in local
    assert known == ()


def test_silence_for_good_closes_the_book_at_the_last_word() -> None:
    """Nobody saw an exit: the outcome is unknown, and the page says so."""
    rank = Rank(pid=1).init(5).steps(0, 9, each=5)
    said = observations([rank], known_exit=False)
    unseen = [replace(o, pid=None) for o in said if isinstance(o, RankReport)]
    office = Office().watch(unseen, 60)
    office.watch([], 60 + 16 * 60, tick_s=10.0)
    view = office.view()

    assert view.outcome == "unknown"
    assert any("fell silent" in note for note in view.notes)
    assert book(view).end_ns == view.ended_ns
    assert lifetime(view).adds_up
    assert "unobserved" not in seconds(view)
