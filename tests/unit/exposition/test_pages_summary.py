"""What stands above the list of runs, and the first thing to do about one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.rollups import GroupKey, GroupView
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import RunState
from goodput_exporter.exposition.web.headline import Figure, Words
from goodput_exporter.exposition.web.rows import legend, run_rows
from goodput_exporter.exposition.web.summary import first_thing, summary
from tests.fakes.snapshots import run_view, snapshot

HOUR: Final = Account(
    {
        RunState.PRODUCTIVE: 70 * NS_PER_SECOND,
        RunState.DOWN: 20 * NS_PER_SECOND,
        RunState.RECOMPUTING: 10 * NS_PER_SECOND,
    }
)
LEFT_ALONE: Final = (RunState.PRODUCTIVE, RunState.CHECKPOINTING, RunState.EVALUATING)


def doing(state: RunState) -> RunView:
    """Return a run in a state."""
    return replace(run_view(), state=state, ended_ns=None, outcome="running")


def cluster(name: str = "east") -> GroupView:
    """Return a cluster's hour: seven tenths kept, two down, one redone."""
    return GroupView(GroupKey("cluster", name), HOUR, {}, {"1h": ratios(HOUR)})


def told(words: Words) -> str:
    """Return a sentence as text, its figures in brackets."""
    return "".join(f"[{w.text}]" if isinstance(w, Figure) else str(w) for w in words)


def test_the_list_begins_with_the_answer() -> None:
    """What was kept, what took the rest by layer, and how many runs need a person."""
    runs = (doing(RunState.STALLED), doing(RunState.PRODUCTIVE))

    assert told(summary(snapshot(*runs, groups=(cluster(),)))) == (
        "In the last hour [70 %] of all runs’ GPU time became progress that was kept; "
        "infrastructure took [20 %], the framework took [10 %]. "
        "[1] of 2 runs needs a person."
    )


@pytest.mark.parametrize("groups", [(), (cluster("east"), cluster("west"))])
def test_without_one_clusters_hour_the_runs_are_counted(
    groups: tuple[GroupView, ...],
) -> None:
    """A share of which nobody knows whose it is would be worse than none."""
    found = summary(snapshot(doing(RunState.PRODUCTIVE), groups=groups))

    assert told(found) == "The run waits for nobody."


@pytest.mark.parametrize("state", RunState)
def test_what_ends_by_itself_asks_nothing_of_anybody(state: RunState) -> None:
    """A run that trains, saves or evaluates is left alone, and one that is over."""
    advice = first_thing(doing(state))
    over = replace(doing(state), ended_ns=1, outcome="succeeded")

    assert not (advice and state in LEFT_ALONE)
    assert not advice.endswith(".")
    assert first_thing(over) == ""


def test_a_hang_and_a_failure_say_what_to_do_first() -> None:
    """Stacks are gone after the restart; the first rank that ended knows why."""
    failed = replace(doing(RunState.DOWN), ended_ns=1, outcome="failed")

    assert "stack of every rank" in first_thing(doing(RunState.STALLED))
    assert "rank that ended first" in first_thing(failed)


def test_every_colour_of_the_bars_is_in_the_legend() -> None:
    """And nothing that no bar shows."""
    rows = run_rows(snapshot(run_view()))

    bars = {bar["class"] for row in rows for bar in row["strip"]}
    assert {entry["css"] for entry in legend(rows)} == bars
    assert bars
