"""What a restart goes on from: the fold as it was, or a clear refusal."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import is_dataclass, replace
from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.fold import Fold, Waiting
from goodput_exporter.domain.life import Mark, born
from goodput_exporter.domain.observations import ModelFacts, RankReport
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause, Phase, RunState
from goodput_exporter.errors import AccountingError, LedgerCorruptError
from goodput_exporter.ledger.state import decode_state, encode_state
from tests.fakes.ledger import segment
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import KEY, START_S, Observer, observations

CRASH_AND_RETURN = (
    Rank(inc="a" * 16, pid=1, world=2, tokens_per_step=512)
    .init(5)
    .steps(0, 11, each=3, data=1)
    .save(2, 11)
    .steps(12, 15, each=3)
    .cut(2),
    Rank(inc="b" * 16, pid=2, rank=1, world=2).init(4).steps(0, 14, each=4).cut(1),
    Rank(inc="c" * 16, pid=3, world=2, begins_s=120)
    .init(3)
    .restore(2, 11)
    .steps(12, 20, each=3)
    .bye(),
    Rank(inc="d" * 16, pid=4, rank=1, world=2, begins_s=121)
    .init(6)
    .restore(1, 11)
    .steps(12, 20, each=3)
    .bye(),
)
ENDS_S = 200
TICK_S = 4
CLEAN = observations(CRASH_AND_RETURN)
LOSSY = observations(CRASH_AND_RETURN, lossy=random.Random(7))  # noqa: S311 - a story's dice
UNSTORED = Observer(tick_s=TICK_S).watch(CLEAN, ENDS_S)
REPORT = RankReport("e" * 16, 1, 10, 5, Phase.INIT, 5, {Phase.INIT: 5})
NAN = float("nan")


def fold_at(seconds: float, *, lossy: bool = False, tick_s: float = TICK_S) -> Fold:
    """Return the fold of the story as it is at one instant."""
    seen = LOSSY if lossy else CLEAN
    return Observer(tick_s=tick_s).watch(seen, seconds).fold


@settings(max_examples=30, deadline=None)
@given(st.floats(0, ENDS_S), st.booleans(), st.sampled_from([1.0, 4.0, 9.0]))
def test_a_fold_is_read_back_equal(seconds: float, lossy: bool, tick_s: float) -> None:  # noqa: FBT001 - Hypothesis passes it by name
    """Whatever has happened so far, nothing of it is lost or changed by storing it."""
    fold = fold_at(seconds, lossy=lossy, tick_s=tick_s)

    again = decode_state(encode_state(fold))

    assert again == fold
    assert type(again) is Fold


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(1, ENDS_S // TICK_S), max_size=4))
def test_a_run_that_was_stored_books_what_one_that_was_not_books(
    stops: set[int],
) -> None:
    """Storing and reading back, however often, changes no later booking."""
    stored = Observer(tick_s=TICK_S)
    for stop in [*sorted(stops), ENDS_S // TICK_S]:
        told_ns = ns(START_S + stored.now_s) if stored.now_s else 0
        coming = [o for o in CLEAN if o.at_ns > told_ns]
        stored.watch(coming, stop * TICK_S)
        stored.fold = decode_state(encode_state(stored.fold))

    assert stored.bookings == UNSTORED.bookings
    assert stored.fold == UNSTORED.fold


def test_time_past_64_bits_is_exact() -> None:
    """100,000 devices over 90 days leave 64 bits; not one nanosecond of it is lost."""
    fold = fold_at(60)
    fold.book.live.add(RunState.DOWN, 777_600_000_000_000_099_999, Cause.HANG)
    fold.book.restated["down>outside"] = 2**70 + 1

    assert decode_state(encode_state(fold)) == fold


def test_zero_is_not_unknown() -> None:
    """No FLOPs, and FLOPs that nobody counted, stay two things."""
    unknown, none = fold_at(30), fold_at(30)
    none.book.model_flops = 0.0

    assert decode_state(encode_state(unknown)).book.model_flops is None
    assert decode_state(encode_state(none)).book.model_flops == 0.0


def test_a_state_read_back_shares_nothing() -> None:
    """What is tried on a copy happens to the copy alone."""
    fold = fold_at(100)
    before = encode_state(fold)
    copy = decode_state(encode_state(fold))

    copy.book.live.add(RunState.DOWN, 5)
    copy.lives.clear()
    copy.progress.lineage[0].productive += 1

    assert encode_state(fold) == before


def test_a_state_without_its_entries_is_refused() -> None:
    """Bookings that are in no ledger would be lost with the process that holds them."""
    fold = Fold(KEY)
    fold.book.pending.append(segment(0, 1))

    with pytest.raises(
        AccountingError, match="story: 1 bookings are not in the ledger"
    ):
        encode_state(fold)


SPOILT: dict[str, Callable[[Fold], object]] = {
    "tokens of a step": lambda f: setattr(f, "tokens_per_step", NAN),
    "FLOPs of a step": lambda f: setattr(f, "flops_per_step", NAN),
    "FLOPs of a token": lambda f: setattr(f, "flops_per_token", NAN),
    "FLOPs of the run": lambda f: setattr(f.book, "model_flops", float("inf")),
    "parameters": lambda f: setattr(f, "facts", ModelFacts(params=NAN)),
    "active ones": lambda f: setattr(f, "facts", ModelFacts(active_params=NAN)),
    "own FLOPs": lambda f: setattr(f, "facts", ModelFacts(flops_per_token=NAN)),
    "own peak": lambda f: setattr(f, "facts", ModelFacts(peak_tflops=NAN)),
    "a report": lambda f: f.inbox.append(replace(REPORT, flops=NAN)),
    "its facts": lambda f: f.inbox.append(
        replace(REPORT, facts=ModelFacts(params=NAN))
    ),
    "a mark": lambda f: f.waiting.append(Waiting(0, "e" * 16, 0, Mark(0, flops=NAN))),
    "a life": lambda f: f.lives.update(e=replace(born(REPORT), flops=NAN)),
    "a blind segment": lambda f: f.book.blind.append(
        replace(segment(0, 1), model_flops=NAN)
    ),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_figure_that_is_no_number_is_refused(spoil: Callable[[Fold], object]) -> None:
    """Stored, NaN would come back as "not measured"; a fold with one is wrong."""
    fold = Fold(KEY)
    spoil(fold)

    with pytest.raises(AccountingError, match=r"story: a figure .* is not finite"):
        encode_state(fold)


def figures(kind: object) -> set[str]:
    """Name every field that may hold a float, in a type and all that it holds."""
    found: set[str] = set()
    if isinstance(kind, type) and is_dataclass(kind):
        for name, hint in get_type_hints(kind).items():
            mine = float in (hint, *get_args(hint))
            found |= {f"{kind.__name__}.{name}"} if mine else figures(hint)
    return found.union(*map(figures, get_args(kind)))


def test_every_figure_of_a_fold_is_known_to_be_checked() -> None:
    """A new figure in the domain needs its line above, or NaN would pass for None."""
    assert figures(Fold) == {
        "Fold.tokens_per_step",
        "Fold.flops_per_step",
        "Fold.flops_per_token",
        "Book.model_flops",
        "Segment.model_flops",
        "ModelFacts.params",
        "ModelFacts.active_params",
        "ModelFacts.flops_per_token",
        "ModelFacts.peak_tflops",
        "RankReport.flops",
        "Mark.flops",
        "Life.flops",
    }


def test_text_that_is_no_text_is_refused() -> None:
    """A lone surrogate names its run, in characters that a log can hold."""
    with pytest.raises(AccountingError, match=r"l/d/\\ud800.* is not Unicode"):
        encode_state(Fold(RunKey("l", "d", "\ud800")))


@pytest.mark.parametrize("data", [b"fold/2 {}", b"", b"{}", b"\x81\xa3key", b"fold/1"])
def test_a_state_of_another_version_is_not_guessed_at(data: bytes) -> None:
    """Without this format's name in front, or anything behind it, it is refused."""
    with pytest.raises(LedgerCorruptError, match="let the run begin anew"):
        decode_state(data)


def test_a_refusal_says_which_version_wrote_the_state() -> None:
    """After a downgrade the message names both formats."""
    with pytest.raises(LedgerCorruptError) as refused:
        decode_state(b"fold/2 {}")

    assert str(refused.value) == (
        "a run's state begins with b'fold/2', and this program reads b'fold/1': "
        "start the version that wrote it, or let the run begin anew"
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_an_error_of_its_own_or_harmless(data: st.DataObject) -> None:
    """Cut or overwritten bytes are refused by name, or still are a fold."""
    whole = encode_state(fold_at(60))
    at = data.draw(st.integers(0, len(whole) - 1))
    noise = data.draw(st.binary(max_size=3))
    damaged = whole[:at] + noise + whole[at + data.draw(st.integers(0, 50)) :]

    try:
        assert isinstance(decode_state(damaged), Fold)
    except LedgerCorruptError as exc:
        assert "begin anew" in str(exc)  # noqa: PT017 - either outcome is lawful
