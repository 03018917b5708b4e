"""Delete or invert any rule of the definitions, and some story is told differently."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from tests.fakes.broken import REAL, Change, Facts, Story, retell, write_copy
from tests.scenarios import rule_stories as of

Tell = Callable[[], Story]


@dataclass(frozen=True)
class Inversion:
    """
    A rule that no longer holds.

    Args:
        rule: Its number in section 5 of the definitions, or ``4.2``: a line of
            the order at the end of section 4.
        breaks: What is not so any more.
        change: How the source of the domain is changed.
        story: In which it shows.
    """

    rule: str
    breaks: str
    change: Change
    story: Tell

    def __str__(self) -> str:
        """Name the case."""
        return f"{self.rule}: {self.breaks}"


def _(  # noqa: PLR0913, PLR0917 - a line of the table has six columns
    rule: str, breaks: str, module: str, snippet: str, instead: str, story: Tell
) -> Inversion:
    return Inversion(rule, breaks, Change(module, snippet, instead), story)


ORDER_OF_STATES = (
    _(
        "4.1",
        "what nobody reports is idle",
        "tiling",
        "        _cover(fold, stop_ns, RunState.UNOBSERVED)\n    elif fold.placed",
        "        _cover(fold, stop_ns, RunState.IDLE)\n    elif fold.placed",
        of.a_silence,
    ),
    _(
        "4.2",
        "survivors that report keep the run up",
        "tiling",
        "if is_out(fold):",
        "if False:",
        of.one_of_two_is_missing,
    ),
    _(
        "4.2",
        "an elastic run that steps on is down",
        "tiling",
        "if fold.steps_since_end >= rules.stepping_on_steps:",
        "if False:",
        of.six_of_eight_go_on,
    ),
    _(
        "4.3",
        "a phase past its limit keeps its own state",
        "hearing",
        "_push(life, turn_ns, end_ns, RunState.STALLED)",
        "_push(life, turn_ns, end_ns, STATE_OF_PHASE[phase])",
        of.a_short_limit,
    ),
    _(
        "4.4",
        "phases lie in another order than the table's",
        "windows",
        "states = sorted(longest, key=ORDER_OF.__getitem__)",
        "states = sorted(longest, key=ORDER_OF.__getitem__, reverse=True)",
        of.ranks_that_wait,
    ),
    _(
        "4.5",
        "who starts up beside ranks that step on stops them",
        "grid",
        "if not life.starts_up_at(line_ns + 1)] or lives",
        "] or lives",
        of.six_of_eight_go_on,
    ),
    _(
        "4.6",
        "starting up is idle",
        "hearing",
        "_push(life, start_ns, min(end_ns, turn_ns), STATE_OF_PHASE[phase])",
        "state = RunState.IDLE if phase is Phase.INIT else STATE_OF_PHASE[phase]\n"
        "        _push(life, start_ns, min(end_ns, turn_ns), state)",
        of.an_outage,
    ),
)

STEPS = (
    _(
        "1",
        "a rank that sends heartbeats makes progress",
        "stepping",
        "if limit_ns is not None and (fold.steps.stalled or open_ns > limit_ns):",
        "if False:",
        of.a_hang,
    ),
    _(
        "2",
        "a step is credited before it completes",
        "tiling",
        "step_time.take_in(fold.steps, span)\n            fold.line_ns = end_ns",
        "_cover(fold, end_ns, RunState.PRODUCTIVE)",
        of.an_outage,
    ),
    _(
        "2",
        "a step that was cut counts as progress",
        "turns",
        "step_time.end_open(fold.steps, RunState.INTERRUPTED)",
        "step_time.end_open(fold.steps, RunState.PRODUCTIVE)",
        of.an_outage,
    ),
    _(
        "2",
        "a normal end interrupts",
        "closing",
        "step_time.end_open(fold.steps, RunState.IDLE))\n    for",
        "step_time.end_open(fold.steps, RunState.INTERRUPTED))\n    for",
        of.a_success_and_a_sequel,
    ),
    _(
        "2",
        "what an incarnation dies in is unobserved",
        "advance",
        "extend(life, at_ns, fold.durations, rules)\n    life.exit_code",
        "pass\n    life.exit_code",
        of.a_failure_for_good,
    ),
    _(
        "3",
        "redone steps are progress",
        "steps",
        "mark = first - 1 if high_water is None else "
        "min(max(high_water, first - 1), last)",
        "mark = first - 1",
        of.an_old_checkpoint,
    ),
    _(
        "3",
        "redone steps that warm up are progress",
        "steps",
        "redone = done.high_water is not None and step <= done.high_water",
        "redone = False",
        of.an_outage,
    ),
    _(
        "3",
        "a restart loses no steps",
        "stepping",
        "lost_steps = 0 if high_water is None else max(0, high_water - step)",
        "lost_steps = 0",
        of.an_outage,
    ),
    _(
        "3",
        "a fresh start counts as restored at the first step",
        "progress",
        "step = progress.first_step - 1",
        "step = progress.first_step",
        of.a_fresh_start,
    ),
    _(
        "3",
        "a rollback inside an incarnation keeps the lineage",
        "progress",
        "begin_epoch(progress, at_ns)\n"
        "    life.joined_epoch = life.declared_epoch = progress.epoch\n"
        "    _resolve(progress, step)\n"
        "    return step",
        "return None",
        of.a_rollback,
    ),
    _(
        "3",
        "process-local numbers are recomputed",
        "progress",
        "step += progress.local_base\n",
        "step += -1\n",
        of.numbers_of_its_own,
    ),
    _(
        "3",
        "process-local numbers make no upper bound",
        "progress",
        "progress.upper_bound = True",
        "progress.upper_bound = False",
        of.numbers_of_its_own,
    ),
    _(
        "8",
        "there is no warm-up",
        "steps",
        "WARM_UP_STEPS: Final = 3",
        "WARM_UP_STEPS: Final = 0",
        of.a_run_that_learns,
    ),
    _(
        "8",
        "two steps later judge the warm-up",
        "steps",
        "WARM_UP_JUDGES: Final = 5",
        "WARM_UP_JUDGES: Final = 2",
        of.a_run_that_learns,
    ),
    _(
        "8",
        "rule 3 goes before rule 8",
        "steps",
        "StepTime(span, RunState.INITIALIZING, RunState.INITIALIZING, step, step)",
        "StepTime(span, RunState.RECOMPUTING if redone else RunState.INITIALIZING, "
        "RunState.INITIALIZING, step, step)",
        of.a_run_that_learns,
    ),
    _(
        "9",
        "rule 9 goes before rule 3",
        "steps",
        "bad = RunState.RECOMPUTING if redone else RunState.SLOW",
        "bad = RunState.SLOW",
        of.a_run_that_learns,
    ),
    _(
        "9",
        "the reference is the median",
        "reference",
        "tenth = self.ordered_ns[(len(self.ordered_ns) + 9) // 10 - 1]",
        "tenth = self.ordered_ns[len(self.ordered_ns) // 2]",
        of.a_run_that_learns,
    ),
    _(
        "9",
        "the reference follows a drift",
        "reference",
        "if self.lowest_ns is None or tenth < self.lowest_ns:",
        "if True:",
        of.a_drift,
    ),
    _(
        "9",
        "one sample is enough",
        "reference",
        "ENOUGH: Final = 20",
        "ENOUGH: Final = 1",
        of.a_run_that_learns,
    ),
    _(
        "9",
        "the last ten steps are the reference",
        "reference",
        "SAMPLES: Final = 200",
        "SAMPLES: Final = 19",
        of.a_run_that_learns,
    ),
    _(
        "9",
        "a step just above the reference is slow",
        "reference",
        "SLOW_FROM: Final = 105",
        "SLOW_FROM: Final = 100",
        of.a_run_that_learns,
    ),
    _(
        "9",
        "only what passes the 5 % is slow",
        "reference",
        "return reference_ns, duration_ns - reference_ns",
        "kept_ns = reference_ns * SLOW_FROM // 100\n"
        "    return kept_ns, duration_ns - kept_ns",
        of.a_run_that_learns,
    ),
    _(
        "9",
        "a restart forgets the reference",
        "turns",
        "fold.attempt += 1\n",
        "fold.attempt += 1\n    fold.references = {}\n",
        of.a_run_that_learns,
    ),
    _(
        "9",
        "steps of fewer devices are comparable",
        "fold",
        "fold.active or fold.asked,\n        facts.tokens_per_step,",
        "0,\n        facts.tokens_per_step,",
        of.fewer_are_slower,
    ),
    _(
        "9",
        "a stalled step is a sample",
        "steps",
        "if count > warm and done.countable and not was_stalled:",
        "if count > warm and done.countable:",
        of.a_hang_before_the_reference,
    ),
    _(
        "10",
        "a step is stalled from its limit on",
        "steps",
        "excess_ns = steps.open_ns - keep_ns",
        "excess_ns = steps.open_ns - 60_000_000_000",
        of.a_hang,
    ),
    _(
        "10",
        "no reference step time stays open",
        "stepping",
        "emit_steps(fold, step_time.stall(fold.steps, _keep_ns(fold, rules)))",
        "emit_steps(fold, step_time.stall(fold.steps, 0))",
        of.a_hang,
    ),
    _(
        "10",
        "no limit grows with the run's own steps",
        "limits",
        "return max(floor_ns, rules.stall_factor * sorted(recent)[rank])",
        "return floor_ns",
        of.steps_of_long_and_short,
    ),
    _(
        "10",
        "the median decides, not the 99th percentile",
        "limits",
        "rank = max(0, -(-99 * len(recent) // 100) - 1)",
        "rank = len(recent) // 2",
        of.steps_of_long_and_short,
    ),
    _(
        "10",
        "a wait has the limit of a step",
        "settings",
        "WAIT_FLOOR_NS: Final = 10 * MINUTE_NS",
        "WAIT_FLOOR_NS: Final = MINUTE_NS",
        of.a_hang,
    ),
    _(
        "10",
        "a phase past its limit was stalled from its start",
        "hearing",
        "turn_ns = end_ns if limit_ns is None else max(start_ns, since_ns + limit_ns)",
        "turn_ns = end_ns if limit_ns is None else start_ns",
        of.a_short_limit,
    ),
)

VIEWS = (
    _(
        "4",
        "what a rollback drops stays productive in the settled view",
        "stepping",
        "book.settled.add(RunState.LOST, lost.productive + lost.slow, cause)",
        "book.settled.add(RunState.PRODUCTIVE, lost.productive + lost.slow)",
        of.an_outage,
    ),
    _(
        "4",
        "the settled view calls a kept execution recomputing",
        "book",
        "state = segment.kept_as or segment.state",
        "state = segment.state",
        of.an_outage,
    ),
    _(
        "4",
        "a run that fails loses nothing",
        "closing",
        'if outcome == "failed" and fold.progress.durable is not None:',
        "if False:",
        of.a_failure_for_good,
    ),
    _(
        "4",
        "a run that fails takes back what the live view said",
        "book",
        "into.settled.add(states[from_state], -gpu_ns, _cost(cause, to_state))",
        "into.settled.add(states[from_state], -gpu_ns, _cost(cause, to_state))\n"
        "        into.live.add(states[from_state], -gpu_ns, cause)",
        of.a_failure_for_good,
    ),
    _(
        "4",
        "without reported durability everything is lost",
        "progress",
        "durable: int | None = None\n    epoch",
        "durable: int | None = -1\n    epoch",
        of.a_failure_without_checkpoints,
    ),
    _(
        "5",
        "a run that resumes where it stopped was never down",
        "turns",
        "fold.missing.append(life.rank)",
        "pass",
        of.an_outage,
    ),
    _(
        "6",
        "the mean of the ranks counts",
        "windows",
        "if spent_ns > longest.get(state, -1):\n"
        "                longest[state] = spent_ns",
        "longest[state] = longest.get(state, 0) + spent_ns // len(lives)",
        of.ranks_that_wait,
    ),
    _(
        "6",
        "the quickest rank counts",
        "windows",
        "if spent_ns > longest.get(state, -1):",
        "if spent_ns < longest.get(state, 1 << 62):",
        of.ranks_that_wait,
    ),
    _(
        "6",
        "rank 0 alone counts",
        "grid",
        "_lay_window(fold, members, end_ns, rules)\n        check_stall",
        "_lay_window(fold, members[:1], end_ns, rules)\n        check_stall",
        of.ranks_that_wait,
    ),
    _(
        "6",
        "windows are long",
        "settings",
        "window_ns: int = 10 * NS_PER_SECOND",
        "window_ns: int = 100 * NS_PER_SECOND",
        of.ranks_that_wait,
    ),
    _(
        "6",
        "what exceeds a window is cut off, not scaled down together",
        "windows",
        "spent = apportion(room_ns, spent)",
        "spent = [min(room_ns, one) for one in spent]\n"
        "        spent = [*spent[:-1], room_ns - sum(spent[:-1])]",
        of.ranks_that_wait,
    ),
    _(
        "6",
        "one reporting rank needs a grid",
        "tiling",
        "if len(members) > 1:",
        "if members:",
        of.a_short_limit,
    ),
    _(
        "7",
        "a checkpoint ends exposure when the call returns",
        "stepping",
        "fold.progress.saved = mark.saved",
        "commit(fold.progress, mark.saved)",
        of.a_failure_for_good,
    ),
    _(
        "7",
        "a restored step leaves the durable one where it was",
        "stepping",
        "if progress.durable is not None and step < progress.durable:",
        "if False:",
        of.an_old_checkpoint,
    ),
    _(
        "7",
        "the blocking part of a checkpoint is a step's time",
        "hearing",
        "if phase is Phase.TRAIN_STEP:\n            if life",
        "if phase in (Phase.TRAIN_STEP, Phase.CHECKPOINT_SAVE):\n            if life",
        of.a_failure_for_good,
    ),
)

EVIDENCE = (
    _(
        "11",
        "a rank that nobody hears is down",
        "tiling",
        "        _cover(fold, stop_ns, RunState.UNOBSERVED)\n    elif fold.placed",
        "        _cover(fold, stop_ns, RunState.DOWN)\n    elif fold.placed",
        of.a_silence,
    ),
    _(
        "11",
        "other roles take part",
        "fold",
        'if seen.role == "trainer":',
        "if True:",
        of.who_takes_no_part,
    ),
    _(
        "11",
        "a step is complete when rank 0 says so",
        "progress",
        "if step <= before and not (",
        "if life.rank != 0 or step <= before and not (",
        of.rank_0_falls_silent,
    ),
    _(
        "12",
        "a ratio without a denominator is zero",
        "ratios",
        "return part / whole if whole else None",
        "return part / whole if whole else 0.0",
        of.a_word_that_nobody_measured,
    ),
    _(
        "12",
        "exposure without a checkpoint is zero",
        "progress",
        "if self.durable is None:\n            return None",
        "if self.durable is None:\n            return 0",
        of.a_failure_without_checkpoints,
    ),
    _(
        "12",
        "tokens that nobody counted are zero",
        "fold",
        "    tokens: int | None = None",
        "    tokens: int | None = 0",
        of.a_word_that_nobody_measured,
    ),
    _(
        "12",
        "FLOPs that nobody stated are zero",
        "book",
        "model_flops: float | None = None\n    pending",
        "model_flops: float | None = 0.0\n    pending",
        of.a_word_that_nobody_measured,
    ),
    _(
        "13",
        "what was bridged is not marked",
        "fold",
        "bridged=span.start_ns < fold.resumed_ns,",
        "bridged=False,",
        of.our_own_downtime,
    ),
    _(
        "13",
        "our own downtime is unobserved at once",
        "advance",
        "if heard_ns < fold.resumed_ns:",
        "if False:",
        of.our_own_downtime,
    ),
    _(
        "14",
        "an instant seals before what is under way has come in",
        "advance",
        "patient_ns = now_ns - (rules.grace_ns if grace_ns is None else grace_ns)",
        "patient_ns = now_ns",
        of.late_words,
    ),
    _(
        "4.2",
        "pods that are missing leave a run up",
        "outage",
        "if fold.placed is not None and fold.placed.stage is not Stage.RUNNING:",
        "if False:",
        of.a_queue_and_a_lost_node,
    ),
    _(
        "4.2",
        "an outage is down, whatever the pods are doing",
        "outage",
        "return STATE_OF_STAGE[placed.stage]",
        "return RunState.DOWN",
        of.a_queue_and_a_lost_node,
    ),
    _(
        "4.2",
        "a run is out until its ranks report, although their containers run",
        "outage",
        "return placed.at_ns > fold.incidents[-1].detected_ns",
        "return False",
        of.a_queue_and_a_lost_node,
    ),
    _(
        "7",
        "what was booked since the last completed step is nobody's cost",
        "turns",
        "adopt(fold, incident, incident.detected_ns)",
        "pass",
        of.a_queue_and_a_lost_node,
    ),
    _(
        "7",
        "only what the process itself said explains its end",
        "causes",
        "seen = [*incident.ending, *about]",
        "seen = [*incident.ending]",
        of.a_queue_and_a_lost_node,
    ),
    _(
        "7",
        "lost work is nobody's cost",
        "stepping",
        "cause = Cause.NONE if incident is None else incident.cause",
        "cause = Cause.NONE",
        of.a_queue_and_a_lost_node,
    ),
    _(
        "14",
        "an instant seals before every agent has delivered past it",
        "advance",
        "hold_ns = min(hold_ns, sealed_ns)",
        "pass",
        of.a_slow_agent,
    ),
    _(
        "14",
        "a silent rank holds the book back for ever",
        "advance",
        "if judged_ns - heard_ns < patience_ns or life.incarnation in waiting:",
        "if True:",
        of.a_silence,
    ),
    _(
        "14",
        "late evidence is thrown away",
        "telling_again",
        "inside = known.span.clip(segment.span)",
        "inside = None",
        of.a_silence,
    ),
    _(
        "14",
        "what is restated is not counted",
        "book",
        "into.restated[key] = into.restated.get(key, 0) + gpu_ns",
        "into.restated[key] = 0",
        of.a_silence,
    ),
    _(
        "15",
        "a run whose ranks all said goodbye goes on",
        "closing",
        'close(fold, last_ns, "succeeded")',
        "pass",
        of.a_success_and_a_sequel,
    ),
    _(
        "15",
        "a run that nobody restarts never ends",
        "closing",
        "is_long_ago = now_ns - last_ns >= rules.end_after_ns",
        "is_long_ago = False",
        of.a_failure_without_checkpoints,
    ),
    _(
        "15",
        "the outage after the last exit stays in the book",
        "closing",
        "_put_out(fold, replace(segment, span=after))",
        "pass",
        of.a_failure_without_checkpoints,
    ),
    _(
        "15",
        "the time after a success is in the book",
        "closing",
        "leave_out(fold.book, between)",
        "_take_back(fold, at_ns, between, RunState.DOWN)",
        of.a_success_and_a_sequel,
    ),
)

TABLE = (*ORDER_OF_STATES, *STEPS, *VIEWS, *EVIDENCE)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder that packages are imported from, and forget them afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("broken_"):
            del sys.modules[name]


@cache
def story_told_by(tell: Tell) -> Story:
    """Return a story, told once for all who break something in it."""
    story = tell()
    return replace(story, seen=tuple(story.seen))


@cache
def truth_of(tell: Tell) -> Facts:
    """Return what the real domain makes of a story."""
    return retell(REAL, story_told_by(tell))


@pytest.mark.parametrize("inversion", TABLE, ids=str)
def test_a_rule_that_no_longer_holds_shows_in_a_story(
    inversion: Inversion, shelf: Path
) -> None:
    """Without the rule, the same observations come to another account."""
    name = f"broken_{TABLE.index(inversion)}"
    write_copy(shelf, name, inversion.change)

    told = retell(name, story_told_by(inversion.story))

    differs = [
        what for what, said in told.items() if said != truth_of(inversion.story)[what]
    ]
    assert differs, f"nobody notices that {inversion.breaks} (rule {inversion.rule})"


@pytest.mark.parametrize("tell", sorted({i.story for i in TABLE}, key=str))
def test_a_copy_in_which_nothing_is_broken_tells_the_same(
    tell: Tell, shelf: Path
) -> None:
    """So what differs is the rule's doing, and not the copy's."""
    write_copy(shelf, "broken_nowhere", None)

    assert retell("broken_nowhere", story_told_by(tell)) == truth_of(tell)


def test_every_rule_is_in_the_table() -> None:
    """Rules 1 to 15, and the six lines of which the first that holds decides."""
    rules = {inversion.rule for inversion in TABLE}

    assert rules == {str(n) for n in range(1, 16)} | {f"4.{n}" for n in range(1, 7)}


def test_a_rule_that_moved_is_missed_by_name(tmp_path: Path) -> None:
    """A snippet that the source no longer holds proves nothing, and says so."""
    gone = Change("steps", "what nobody wrote", "pass")

    with pytest.raises(LookupError, match=r"steps\.py .* 0 times, not once"):
        write_copy(tmp_path, "broken_moved", gone)
