"""What a run's figures mean, in sentences that a person can act on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.fold import Fold, Interruption
from goodput_exporter.domain.pacing import Pacing, WaitedFor
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase, RunState

NO_GPU: Final = (
    "No rank named a GPU, so each rank counts as one device: read GPU time as "
    "device time."
)
LOCAL_STEPS: Final = (
    "Step numbers start anew with every process, so redone steps cannot be told "
    "from new ones: goodput is an upper bound."
)
INFERRED: Final = (
    "Phases are inferred from the GPUs, because no rank reports: redone work looks "
    "new, so goodput is an upper bound. Install the SDK to know the steps."
)
UNVERIFIED: Final = (
    "Some heartbeats came from senders that the kernel cannot vouch for; prefer "
    "the Unix socket."
)
UNSEEN: Final = (
    "Part of the time was seen by nobody: it is booked as unobserved and counts "
    "in no ratio but coverage."
)
FELL_SILENT: Final = (
    "The run fell silent and no exit was seen; its book closed at its last word."
)

NOBODY_STANDS_OUT: Final = (
    " Steps take longer than the reference and no rank's phases stand out. Step times "
    "cannot tell which rank is slow, since all wait for it inside their steps: compare "
    "what each does before its first collective."
)
SLOW_PACE: Final = 0.95
"""Productive part of step time; below it steps are slow (rule 9)."""
TOGETHER: Final = (
    RunState.PRODUCTIVE,
    RunState.SLOW,
    RunState.DATA_WAIT,
    RunState.CHECKPOINTING,
    RunState.EVALUATING,
    RunState.OTHER,
)
"""What ranks do together, so that one of them may hold up the others."""
DOING: Final = {
    Phase.DATA_LOADING: "waits for data",
    Phase.CHECKPOINT_SAVE: "saves",
    Phase.EVAL: "evaluates",
}


def notes(fold: Fold, account: Account, *, has_gpus: bool) -> Iterator[str]:
    """Yield what a reader must know to trust the figures."""
    if not has_gpus:
        yield NO_GPU
    if fold.progress.is_inferred:
        yield INFERRED
    elif fold.progress.upper_bound:
        yield LOCAL_STEPS
    if not fold.verified:
        yield UNVERIFIED
    if account.of(RunState.UNOBSERVED):
        yield UNSEEN
    if fold.outcome == "unknown":
        yield FELL_SILENT


def why(fold: Fold, state: RunState, now_ns: int) -> str:
    """Say in one sentence what goes on, and what a person may do about it."""
    if fold.ended_ns is not None:
        return f"The run is over: {fold.outcome}."
    incident = fold.incidents[-1] if fold.incidents else None
    if state is RunState.DOWN and incident is not None:
        return _down(fold, incident)
    working_off = fold.recovering and incident is not None
    if state in (RunState.RECOMPUTING, RunState.RESTORING) and working_off:
        return _working_off(fold.incidents[-1])
    guessed = _guessed(state) if fold.source == "inferred" else None
    if guessed is not None:
        return guessed
    since = _since(fold, now_ns)
    sentences = {
        RunState.STALLED: f"No step has completed{since}, although the ranks report. "
        "Look for a hung collective: compare the ranks' stacks (py-spy dump).",
        RunState.UNOBSERVED: "No rank has been heard lately. Silence is not down: look "
        "whether the processes live and whether GOODPUT_ADDR names this exporter.",
        RunState.PRODUCTIVE: _stepping(fold, now_ns),
        RunState.RECOMPUTING: "Redoing steps that were completed before.",
        RunState.SLOW: f"Slower than before. {_stepping(fold, now_ns)}",
        RunState.IDLE: "The ranks have nothing to do, or said goodbye and still run.",
    }
    return sentences.get(state, f"The ranks report {state.value.replace('_', ' ')}.")


def held_up(state: RunState, pacing: Pacing, pace: float | None) -> str:
    """
    Name who is waited for, or say that nobody can be named; empty if all is well.

    Args:
        state: What the run does now.
        pacing: What comparing the ranks has found.
        pace: The productive part of its step time lately; None is not known.
    """
    if state not in TOGETHER or pacing.ranks < 2:  # noqa: PLR2004 - one waits for none
        return ""
    if pacing.waited_for:
        return " " + " ".join(_waited_for(one) for one in pacing.waited_for)
    is_slow = pace is not None and pace < SLOW_PACE
    return NOBODY_STANDS_OUT if is_slow else ""


def _waited_for(one: WaitedFor) -> str:
    does = DOING.get(one.phase, "is in a phase of its own")
    return (
        f"The others wait for rank {one.rank}, which {does} {one.share:.0%} of its "
        f"time, the middle rank {one.middle_share:.0%}."
    )


def _down(fold: Fold, incident: Interruption) -> str:
    missing = len(fold.missing)
    if not missing:  # its pods tell that it is down, and no rank has said why
        cause = incident.cause.value.replace("_", " ")
        return (
            f"Its pods are missing ({cause}): {'; '.join(incident.evidence[-2:])}. "
            "Look whether its controller makes new ones, and where they wait."
        )
    evidence = incident.evidence[0] if incident.evidence else "a rank ended"
    have = "rank has" if missing == 1 else "ranks have"
    return (
        f"{evidence[:1].upper()}{evidence[1:]}; {missing} {have} not come back. "
        "Look at the launcher's log: it has to start them again."
    )


def _working_off(incident: Interruption) -> str:
    cause = incident.cause.value.replace("_", " ")
    lost = incident.lost_steps
    redone = "" if lost is None else f", which cost {_count(lost, 'step')}"
    return f"Working off incident {incident.number} ({cause}){redone}."


def _guessed(state: RunState) -> str | None:
    """Say what inference saw, where the words for ranks that report would mislead."""
    sentences = {
        RunState.STALLED: "Its GPUs are busy and nothing they do looks like training: "
        "it may be a hung collective. Compare the ranks' stacks (py-spy dump).",
        RunState.PRODUCTIVE: "Its GPUs look like training; no rank reports steps.",
        RunState.IDLE: "Its processes live and its GPUs do nothing.",
    }
    return sentences.get(state)


def _stepping(fold: Fold, now_ns: int) -> str:
    if fold.last_step_ns is None:
        return "In its first step."
    age_s = (now_ns - fold.last_step_ns) / NS_PER_SECOND
    if age_s < 1:
        return "Stepping; the last step has just completed."
    return f"Stepping; the last step completed {age_s:.0f} s ago."


def _since(fold: Fold, now_ns: int) -> str:
    if fold.last_step_ns is None:
        return " yet"
    return f" for {max(0, now_ns - fold.last_step_ns) / NS_PER_SECOND:.0f} s"


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
