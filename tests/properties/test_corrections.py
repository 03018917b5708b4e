"""Causes may be corrected in any way: no time is lost, and undoing undoes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Account, tally
from goodput_exporter.domain.bookings import Reattribution, Restatement
from goodput_exporter.domain.causes import Correction, correct_cause
from goodput_exporter.domain.corrected import correct
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.histories import History, histories, watched
from tests.fakes.stories import Observer

CAUSES = st.sampled_from([cause for cause in Cause if cause is not Cause.NONE])
FEW = settings(max_examples=40, deadline=None)


def say(story: Observer, incident: int, cause: Cause) -> None:
    """Let a person correct an incident, and collect what was booked of it."""
    assert correct_cause(story.fold, Correction(incident, cause, "kim", "", 0))
    story.tick()


def nonzero(account: Account) -> Account:
    """Return an account without the lines that nothing is left of."""
    return Account(
        {state: ns for state, ns in account.gpu_ns.items() if ns},
        {cause: ns for cause, ns in account.bad_gpu_ns.items() if ns},
    )


def known(story: Observer) -> Account:
    """Return what the entries add up to, after all that was moved."""
    moves = [b for b in story.bookings if isinstance(b, Restatement | Reattribution)]
    return nonzero(tally(correct(story.segments(), moves)))


@FEW
@given(histories(), st.lists(st.tuples(st.integers(0, 9), CAUSES), max_size=6))
def test_no_correction_moves_time_between_states(
    history: History, said: list[tuple[int, Cause]]
) -> None:
    """Only the cause changes, in the settled view; nothing does in the live one."""
    story = watched(history)
    live, settled = story.fold.book.live.copy(), nonzero(story.fold.book.settled)
    bad_ns = sum(settled.bad_gpu_ns.values())
    for index, cause in said:
        if story.fold.incidents:
            number = story.fold.incidents[index % len(story.fold.incidents)].number
            say(story, number, cause)
    after = nonzero(story.fold.book.settled)

    assert story.fold.book.live == live
    assert after.gpu_ns == settled.gpu_ns
    assert sum(after.bad_gpu_ns.values()) == bad_ns
    assert min(after.bad_gpu_ns.values(), default=0) >= 0


@FEW
@given(histories(), CAUSES, st.integers(0, 9))
def test_correcting_a_cause_and_correcting_it_back_is_the_identity(
    history: History, cause: Cause, index: int
) -> None:
    """In the books and in what the entries add up to."""
    story = watched(history)
    if not story.fold.incidents:
        return
    incident = story.fold.incidents[index % len(story.fold.incidents)]
    before, settled = known(story), nonzero(story.fold.book.settled)
    was = incident.cause
    say(story, incident.number, cause)
    say(story, incident.number, was)

    assert nonzero(story.fold.book.settled) == settled
    assert known(story) == before


@FEW
@given(histories(), st.lists(st.tuples(st.integers(0, 9), CAUSES), max_size=4))
def test_the_entries_tell_the_causes_that_the_book_has(
    history: History, said: list[tuple[int, Cause]]
) -> None:
    """What is known today, by the book's own corrections and by its entries."""
    story = watched(history)
    for index, cause in said:
        if story.fold.incidents:
            number = story.fold.incidents[index % len(story.fold.incidents)].number
            say(story, number, cause)
    today = story.fold.book.live.copy()
    today.merge(story.fold.book.corrections)

    assert known(story) == nonzero(today)


@FEW
@given(histories())
def test_an_incident_begins_with_the_first_time_that_it_cost(history: History) -> None:
    """So that a better cause for its span is one for all of its time."""
    story = watched(history)
    began_ns = {each.number: each.began_ns for each in story.fold.incidents}
    for segment in story.segments():
        if segment.incident in began_ns:
            assert began_ns[segment.incident] <= segment.span.start_ns


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(list(RunState)), st.integers(0, 10**15), max_size=5
        ),
        min_size=3,
        max_size=3,
    )
)
def test_merging_accounts_is_associative_and_commutative(
    parts: list[dict[RunState, int]],
) -> None:
    """Groups of groups of runs come out the same, however they are added up."""

    def summed(*accounts: Account) -> Account:
        whole = Account()
        for account in accounts:
            whole.merge(account)
        return whole

    one, two, three = (
        summed(*(_of(state, ns) for state, ns in part.items())) for part in parts
    )
    whole = summed(one, two, three)
    assert summed(summed(one, two), three) == whole
    assert summed(one, summed(two, three)) == whole
    assert nonzero(summed(three, one, two)) == nonzero(whole)


def _of(state: RunState, gpu_ns: int) -> Account:
    account = Account()
    account.add(state, gpu_ns)
    return account
