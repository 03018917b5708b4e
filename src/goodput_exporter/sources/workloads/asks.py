"""What a run's workloads say together, at one instant: size, waiting, end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from goodput_exporter.domain.placement import Ended
from goodput_exporter.sources.workloads.devices import Sizes
from goodput_exporter.sources.workloads.history import as_of
from goodput_exporter.sources.workloads.workload import WorkRecord, WorkWord


@dataclass(frozen=True, slots=True)
class Said:
    """
    What holds of a run's workloads.

    Args:
        asked: GPUs; None where no workload can say.
        is_elastic: It goes on with fewer.
        suspended: Why it may not run.
        ended: Its terminal condition; None while it goes on.
        is_leaving: Its top object is deleted, or told to go.
        restarts: How often it began anew.
        tops: The top workloads that go on.
    """

    asked: int | None = None
    is_elastic: bool = False
    suspended: str = ""
    ended: Ended | None = None
    is_leaving: bool = False
    restarts: int = 0
    tops: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Voices:
    """
    Who speaks for a run.

    Args:
        tops: Workloads that no other known workload of the run owns.
        sizes: The topmost workloads with pod templates.
        queues: Words of queues about any of them.
    """

    tops: Sequence[WorkRecord]
    sizes: Sequence[WorkRecord]
    queues: Sequence[WorkRecord]

    @property
    def instants(self) -> set[int]:
        """Return when anything that they say changed."""
        found = {
            word.at_ns
            for record in {id(r): r for r in self._all()}.values()
            for word in record.words
        }
        for record in self._all():
            found |= {
                at_ns for at_ns in (record.told_ns, record.gone_ns) if at_ns is not None
            }
        return found

    def _all(self) -> Iterable[WorkRecord]:
        return (*self.tops, *self.sizes, *self.queues)


def voices(
    works: Iterable[WorkRecord],
    queues: Iterable[WorkRecord],
    above: Callable[[WorkRecord], frozenset[str]],
) -> Voices:
    """
    Say who speaks for a run.

    Args:
        works: Its workloads, in any order.
        queues: What queues say about them.
        above: The uids of a workload's owners.
    """
    found = sorted(works, key=lambda work: (work.created_ns, work.ref.uid))
    owners = {work.ref.uid: above(work) for work in found}
    known = {work.ref.uid for work in found}
    sized = {
        work.ref.uid
        for work in found
        if any(word.what.parts is not None for word in work.words)
    }
    return Voices(
        [work for work in found if not owners[work.ref.uid] & known],
        [
            work
            for work in found
            if work.ref.uid in sized and not owners[work.ref.uid] & sized
        ],
        sorted(queues, key=lambda work: (work.created_ns, work.ref.uid)),
    )


def said(speakers: Voices, at_ns: int, size: Sizes) -> Said:
    """Return what a run's workloads say at an instant; those that go on decide."""
    tops = _at(speakers.tops, at_ns)
    live = [(work, word) for work, word in tops if not _is_past(work, word, at_ns)]
    asking = _at(speakers.sizes, at_ns)
    going = [one for one in asking if not _is_past(*one, at_ns)] or asking[-1:]
    asks = [n for _, word in going if (n := word.asked(size)) is not None]
    queued = [
        word.suspended
        for record, word in _at(speakers.queues, at_ns)
        if record.gone_ns is None or record.gone_ns > at_ns
    ]
    held = [word.suspended for _, word in live]
    last = tops[-1] if tops and not live else None
    return Said(
        asked=sum(asks) if asks else None,
        is_elastic=any(word.is_elastic for _, word in (*going, *live)),
        suspended=next(filter(None, (*queued, *held)), ""),
        ended=None if last is None else last[1].ended,
        is_leaving=last is not None and last[1].ended is None,
        restarts=max((word.restarts for _, word in tops), default=0),
        tops=frozenset(work.ref.uid for work, _ in live),
    )


def _at(records: Iterable[WorkRecord], at_ns: int) -> list[tuple[WorkRecord, WorkWord]]:
    return [
        (record, word)
        for record in records
        if (word := as_of(record.words, at_ns)) is not None
    ]


def _is_past(work: WorkRecord, word: WorkWord, at_ns: int) -> bool:
    """Return whether a workload is over: ended, deleted, or told to go."""
    ends = (work.told_ns, work.gone_ns)
    return word.ended is not None or any(
        end_ns is not None and end_ns <= at_ns for end_ns in ends
    )
