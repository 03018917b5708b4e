"""What inference books of a made-up trace, beside what really happened, by second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.advance import advance
from goodput_exporter.domain.fold import Fold, observe
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.sources.inference.thresholds import DEFAULTS, Thresholds
from goodput_exporter.sources.inference.watched import Container, Watched
from tests.fakes.gpu_traces import START_NS, Board, Trace, trace

Confusion = Counter[tuple[str, str]]
"""Seconds by (what happened, what was booked)."""

RIGHT = {
    "init": RunState.INITIALIZING,
    "restore": RunState.RESTORING,
    "train": RunState.PRODUCTIVE,
    "save": RunState.CHECKPOINTING,
    "data": RunState.DATA_WAIT,
    "eval": RunState.EVALUATING,
    "hang": RunState.STALLED,
    "idle": RunState.IDLE,
}


def watched(limits: Thresholds = DEFAULTS) -> Watched:
    """Return a watch on a container that begins with the trace."""
    uuids = tuple(f"GPU-{index}" for index in range(4))
    container = Container("pod-uid", "trainer", "c" * 64, START_NS, uuids)
    return Watched(container, limits, START_NS)


def confusion(
    board: Board,
    seeds: Iterable[int],
    limits: Thresholds = DEFAULTS,
    *,
    length_s: int = 1800,
) -> Confusion:
    """Return seconds by truth and booked state, through the real fold."""
    found: Confusion = Counter()
    for seed in seeds:
        seen = trace(board, seed, length_s=length_s)
        found += _of_one(seen, list(booked(seen, limits)))
    return found


def booked(seen: Trace, limits: Thresholds = DEFAULTS) -> Iterator[Segment]:
    """Yield what a run's fold books of one trace; a report every two seconds."""
    watch, rules = watched(limits), Rules()
    fold = Fold(RunKey("local", "default", "guessed"))
    for number, look in enumerate(seen.looks):
        watch.look(look)
        if number % 2 == 0 and (report := watch.report()) is not None:
            observe(fold, report)
        if number % 10 == 0:
            advance(fold, look.at_ns, rules)
    advance(fold, seen.looks[-1].at_ns + 10 * NS_PER_SECOND, rules)
    yield from (b for b in fold.book.pending if isinstance(b, Segment))


def _of_one(seen: Trace, segments: list[Segment]) -> Confusion:
    found: Confusion = Counter()
    order = sorted(segments, key=lambda segment: segment.span)
    place = 0
    for before, look, truth in zip(
        (None, *seen.looks), seen.looks, seen.truth, strict=False
    ):
        start_ns = START_NS if before is None else before.at_ns
        second = Span(start_ns, look.at_ns)
        while place < len(order) and order[place].span.end_ns <= second.start_ns:
            place += 1
        for segment in order[place:]:
            inside = segment.span.clip(second)
            if segment.span.start_ns >= second.end_ns:
                break
            if inside is not None:
                found[truth, segment.state.value] += inside.length_ns
    return Counter({key: ns // NS_PER_SECOND for key, ns in found.items()})


def false_productive(
    found: Confusion, *, without: frozenset[str] = frozenset()
) -> float:
    """
    Return the share of what was booked productive that was something else.

    Args:
        found: The seconds.
        without: Truths that are left out, above and below the line.
    """
    good = RunState.PRODUCTIVE.value
    rows = {key: s for key, s in found.items() if key[0] not in without}
    whole = sum(s for (_, booked_as), s in rows.items() if booked_as == good)
    wrong = sum(s for (was, as_), s in rows.items() if as_ == good and was != "train")
    return wrong / whole if whole else 0.0


def recall(found: Confusion, truth: str) -> float:
    """Return the share of one truth that was booked as what it is."""
    whole = sum(s for (was, _), s in found.items() if was == truth)
    return found[truth, RIGHT[truth].value] / whole if whole else 0.0
