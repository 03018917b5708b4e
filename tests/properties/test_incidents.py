"""Whatever a run does: its records, told from entries alone, hold all its bad time."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.analysis.histories import History as Told
from goodput_exporter.analysis.histories import View, history
from goodput_exporter.analysis.stretches import account_of
from goodput_exporter.domain.accounting import Account, tally
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.histories import History, histories, watched
from tests.fakes.stories import KEY, Observer

ALWAYS = Span(0, 2**62)


def told(story: Observer) -> Told:
    """Return what the entries of a story say, and nothing else."""
    return history(KEY, story.bookings)


def known(account: Account) -> tuple[dict[RunState, int], dict[Cause, int]]:
    """Return an account without its zeros."""
    return (
        {state: ns for state, ns in account.gpu_ns.items() if ns},
        {cause: ns for cause, ns in account.bad_gpu_ns.items() if ns},
    )


def by_cause(run: Told, window: Span, view: View) -> dict[Cause, int]:
    """Return the bad time of all incidents and of none, by cause."""
    found = run.incidents(window, view)
    whole: Counter[Cause] = Counter(found.apart)
    for record in found.records:
        whole.update(record.by_cause)
        assert sum(record.by_cause.values()) == record.total_gpu_ns
    return {cause: ns for cause, ns in whole.items() if ns}


@given(histories(), st.data())
@settings(max_examples=25)
def test_incidents_and_none_are_all_bad_time(
    past: History, data: st.DataObject
) -> None:
    """In any window and either view: incidents + none = bad time, cause by cause."""
    story = watched(past)
    run = told(story)
    begin_ns = story.fold.opened_ns
    end_ns = (story.fold.line_ns or begin_ns) + 1
    one, other = (data.draw(st.integers(begin_ns, end_ns)) for _ in range(2))
    window = Span(min(one, other), max(one, other) + 1)

    for view in View:
        account = account_of(run.stretches(view), window)
        assert by_cause(run, window, view) == known(account)[1]


@given(histories())
@settings(max_examples=25)
def test_entries_alone_tell_both_views(past: History) -> None:
    """The live view is the ledger's sum; the settled one is the fold's own, exactly."""
    story = watched(past)
    run = told(story)
    live = account_of(run.seen.live, ALWAYS)
    settled = account_of(run.seen.settled, ALWAYS)
    book = story.fold.book

    assert live == tally(story.segments())
    assert run.seen.unplaced_gpu_ns == 0
    assert known(settled) == known(book.settled)


@given(histories(), st.data())
@settings(max_examples=25)
def test_windows_of_either_view_add_up(past: History, data: st.DataObject) -> None:
    """Cut anywhere, to the nanosecond: the parts sum to the whole."""
    story = watched(past)
    run = told(story)
    begin_ns, end_ns = story.fold.opened_ns, story.fold.line_ns or 0
    cut_ns = data.draw(st.integers(begin_ns, max(begin_ns, end_ns)))

    for view in View:
        parts = account_of(run.stretches(view), Span(0, cut_ns))
        parts.merge(account_of(run.stretches(view), Span(cut_ns, 2**62)))
        assert known(parts) == known(account_of(run.stretches(view), ALWAYS))
