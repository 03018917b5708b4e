"""The placements that follow from the words on a run's pods and workloads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from goodput_exporter.domain.placement import Ended, Placement, Seat, Stage
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import How
from goodput_exporter.sources.workloads.asks import Said, Voices, said
from goodput_exporter.sources.workloads.history import Since
from goodput_exporter.sources.workloads.pod_words import PodStage, PodWord
from goodput_exporter.sources.workloads.run import Crew, Run, View, devices_of
from goodput_exporter.sources.workloads.stages import (
    LIVES,
    SCALED_TO_ZERO,
    Ground,
    Tally,
    stage_of,
)
from goodput_exporter.sources.workloads.waits import wait_of

END_AFTER_NS: Final = 900 * NS_PER_SECOND
"""How long after its last pod a run ends of which no workload can be read."""


def sweep(run: Run, view: View, now_ns: int) -> Iterator[Placement]:
    """
    Yield what became of a run since its last placement, oldest first.

    Every word on a pod or a workload is dated by its object, so the state between
    two looks is known too. What is dated before the last placement, or before the
    run took over another's objects, counts from there on.
    """
    sizes = {uid: devices_of(pod, view) for uid, pod in run.pods.items()}
    from_ns, instants = _instants(run, view, now_ns)
    tally, news = _start(sizes, view, from_ns)
    tally.broke = tally.broke or run.broke
    at, now = 0, instants[-1] if instants else None
    for instant_ns in instants:
        while at < len(news) and news[at][0] <= instant_ns:
            _, uid, word = news[at]
            tally.put(uid, sizes[uid], word)
            at += 1
        found = _standing(run, view, tally, instant_ns)
        if found is not None and _is_news(run.last, found, is_now=instant_ns == now):
            _count_wait(run, found)
            run.last = found
            yield found
    run.broke, run.left_ns = tally.broke, None


def _instants(run: Run, view: View, now_ns: int) -> tuple[int, list[int]]:
    """Return the instant to begin at and those at which anything changed since."""
    found = _known(view)
    begun = [] if run.last is None else [run.last.at_ns]
    begun += [] if run.since_ns is None else [run.since_ns]
    if begun:
        from_ns = max(begun)
        since = {ns for ns in found if from_ns < ns <= now_ns}
        return from_ns, sorted({_first_look(run, view, from_ns, now_ns), *since})
    past = sorted(ns for ns in found if ns <= now_ns)
    return (past[0] if past else now_ns), past


def _first_look(run: Run, view: View, from_ns: int, now_ns: int) -> int:
    """
    Return from when what is gone since the last placement counts as gone.

    After a restart of ours it was there for as long as we looked before, and until
    its workload was suspended, or over, where that tells why it went.
    """
    if run.left_ns is None or run.left_ns <= from_ns:
        return from_ns
    records = (*view.speakers.tops, *view.speakers.queues)
    stops = (
        word.at_ns
        for record in records
        for word in record.words
        if word.what.suspended or word.what.ended is not None
    )
    return min((ns for ns in stops if run.left_ns < ns <= now_ns), default=run.left_ns)


def _known(view: View) -> set[int]:
    """Return every instant that matters, those to come included."""
    found = {word.at_ns for words in view.lives.values() for word in words}
    found |= view.speakers.instants
    if not view.speakers.tops:
        found.add(max(found, default=0) + END_AFTER_NS)
    return found


def next_instant(view: View, now_ns: int) -> int | None:
    """Return when the passing of time alone may change a run; None for never."""
    return min((ns for ns in _known(view) if ns > now_ns), default=None)


def _start(
    sizes: Mapping[str, int], view: View, from_ns: int
) -> tuple[Tally, list[tuple[int, str, PodWord]]]:
    """Return the tally as of an instant, and what came after it, in order."""
    tally, news = Tally(), []
    known: list[tuple[int, str, PodWord]] = []
    for uid, words in view.lives.items():
        before = [word for word in words if word.at_ns <= from_ns]
        known += [(word.at_ns, uid, word.what) for word in before[-1:]]
        news += [(w.at_ns, uid, w.what) for w in words if w.at_ns > from_ns]
    for _, uid, word in sorted(known, key=_order):
        tally.put(uid, sizes[uid], word)
    return tally, sorted(news, key=_order)


def _order(news: tuple[int, str, PodWord]) -> tuple[int, str]:
    return news[0], news[1]


def _standing(run: Run, view: View, tally: Tally, at_ns: int) -> Placement | None:
    """Return a run's placement as of an instant; None while it asks for nothing."""
    says = said(view.speakers, at_ns, view.size)
    if says.asked == 0 and tally.is_leaving:
        says = replace(says, suspended=says.suspended or SCALED_TO_ZERO)
    run.largest = max(run.largest, tally.at_work)
    run.peak = 0 if says.suspended else max(run.peak, tally.at_work)
    asked = _asked(run, says, tally)
    if not asked and not run.largest:
        return None
    run.has_run |= any(tally.devices[stage] > 0 for stage in LIVES)
    run.was_admitted |= run.has_run or _is_in(view.speakers, says, tally, at_ns)
    ground = Ground(asked, says.suspended, run.was_admitted, run.has_run, run.peak)
    stage, reason = stage_of(tally, ground)
    running, how = tally.running(asked), None
    seats: tuple[Seat, ...] = ()
    if stage is Stage.RUNNING:
        run.peak = asked
        lives = [uid for uid, word in tally.words.items() if word.stage in LIVES]
        crew = _crew(run, says, tally, asked, lives)
        how, run.crew = _came_back(run.crew, crew), crew
        seats = _seats(run, view, lives)
    elif stage is Stage.DOWN and run.crew is None:
        # It never ran as a whole; what comes now comes back nevertheless.
        run.crew = _crew(run, says, tally, asked, tally.words)
    return Placement(
        run.key,
        at_ns,
        stage,
        asked,
        running,
        says.is_elastic,
        view.owner,
        view.pods,
        view.nodes,
        how,
        _ended(run, view, says, tally, at_ns),
        reason,
        at_ns in view.estimated or at_ns == run.left_ns,
        seats,
    )


def _seats(run: Run, view: View, lives: Iterable[str]) -> tuple[Seat, ...]:
    """Return where the pods are that run, in the order of their indices."""
    pods = [pod for uid in lives if (pod := run.pods.get(uid)) is not None]
    seats = [
        Seat(f"{pod.ref.namespace}/{pod.ref.name}", pod.node, view.index(pod))
        for pod in pods
    ]
    return tuple(sorted(seats, key=lambda s: (s.index is None, s.index or 0, s.pod)))


def _asked(run: Run, says: Said, tally: Tally) -> int:
    if says.asked is None:
        return run.largest
    if says.asked == 0 and tally.is_leaving:
        # Of those that are told to go, one by one, none is a smaller run.
        return run.largest if run.last is None else run.last.asked
    return says.asked or tally.at_work


def _is_in(speakers: Voices, says: Said, tally: Tally, at_ns: int) -> bool:
    """Return whether a run has been admitted by an instant."""
    admitted = (queue.was_admitted_ns for queue in speakers.queues)
    if any(ns is not None and ns <= at_ns for ns in admitted):
        return True
    beyond = tally.present - tally.devices[PodStage.GATED]
    return beyond > 0 and not says.suspended


def _crew(run: Run, says: Said, tally: Tally, asked: int, lives: Iterable[str]) -> Crew:
    """Return who of a run's pods is, or was, its crew."""
    counts = [pod.attempt for uid in lives if (pod := run.pods.get(uid)) is not None]
    attempts = (count for count in counts if count is not None)
    restarts = max(says.restarts, *attempts, 0)
    return Crew(
        {uid: tally.words[uid].life for uid in lives}, says.tops, restarts, asked
    )


def _came_back(before: Crew | None, crew: Crew) -> How | None:
    """Return by what the pods that run now came back."""
    if before is None or crew.lives.items() <= before.lives.items():
        return None  # nobody came; some may have left
    is_another = bool(crew.tops and before.tops and not crew.tops & before.tops)
    if crew.restarts > before.restarts or is_another:
        return How.WORKLOAD
    if crew.asked != before.asked:
        return How.ELASTIC
    return How.CONTAINER if crew.lives.keys() <= before.lives.keys() else How.POD


def _ended(run: Run, view: View, says: Said, tally: Tally, at_ns: int) -> Ended | None:
    if says.ended is not None:
        return says.ended
    runs = any(tally.devices[stage] > 0 for stage in LIVES)
    if says.is_leaving:
        return None if runs else Ended.DELETED
    if view.speakers.tops:
        return None
    return _end_without_owner(run, view, tally, at_ns)


def _own_stage(run: Run, uid: str, word: PodWord, ended_ns: int) -> PodStage:
    """
    Return how a pod came to be where it is; gone, if it ended for being told to go.

    Dates are whole seconds: one that failed in the second of the order obeyed it.
    """
    pod = run.pods.get(uid)
    told_ns = None if pod is None else pod.told_ns
    if told_ns is None or word.stage not in {PodStage.FAILED, PodStage.DONE}:
        return word.stage
    failed = word.stage is PodStage.FAILED
    obeyed = told_ns <= ended_ns if failed else told_ns < ended_ns
    return PodStage.GONE if obeyed else word.stage


def _end_without_owner(run: Run, view: View, tally: Tally, at_ns: int) -> Ended | None:
    """Judge by the pods alone: nobody can say when their owner is content."""
    stages = {
        _own_stage(run, uid, word, _since(view.lives[uid], word))
        for uid, word in tally.words.items()
    }
    if not stages or stages - {PodStage.DONE, PodStage.FAILED, PodStage.GONE}:
        return None
    if stages == {PodStage.DONE}:
        return Ended.SUCCEEDED
    last_ns = max(words[-1].at_ns for words in view.lives.values())
    if not view.is_bare and at_ns < last_ns + END_AFTER_NS:
        return None  # their controller may yet make new ones
    return Ended.FAILED if PodStage.FAILED in stages else Ended.DELETED


def _since(words: Iterable[Since[PodWord]], word: PodWord) -> int:
    """Return since when a pod is what it is."""
    return next(since.at_ns for since in words if since.what == word)


def _is_news(last: Placement | None, found: Placement, *, is_now: bool) -> bool:
    """
    Return whether a placement says anything that the last one does not.

    Which pods and nodes a run has, and whose it is, is known as of now only; that
    alone is no news about the past. Neither is how many devices ran in between,
    where all of them wait for the last: of two thousand pods that go, one word.
    """
    if last is None:
        return True
    if last.ended is not None and found.ended is not None:
        return False
    same = replace(
        found, at_ns=last.at_ns, how=last.how, is_estimated=last.is_estimated
    )
    if not is_now:
        same = replace(same, owner=last.owner, pods=last.pods, nodes=last.nodes)
        if not found.is_elastic:
            same = replace(same, running=last.running)
    return same != last or found.how is not None


def _count_wait(run: Run, found: Placement) -> None:
    """Add the time since the last change to what the run waited for then."""
    last = run.last
    if last is not None:
        wait = wait_of(last.stage, last.reason)
        if wait is not None and last.ended is None:
            spent_ns = found.at_ns - run.waits_since_ns
            run.waits_ns[wait] = run.waits_ns.get(wait, 0) + spent_ns
    run.waits_since_ns = found.at_ns
    if found.ended is not None or wait_of(found.stage, found.reason) is None:
        run.waiting_from_ns = None
    elif run.waiting_from_ns is None:
        run.waiting_from_ns = found.at_ns
