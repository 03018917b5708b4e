"""A run's pods come, go and end; the line has reached that instant."""

from __future__ import annotations

from goodput_exporter.domain.book import note
from goodput_exporter.domain.bookings import EventKind
from goodput_exporter.domain.closing import close
from goodput_exporter.domain.fold import Fold, Interruption
from goodput_exporter.domain.outage import is_out
from goodput_exporter.domain.placement import MOVED_TO, Ended, Placement, Stage
from goodput_exporter.domain.returning import come_with_pods, count_if_back, returned
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.states import Cause
from goodput_exporter.domain.turns import interrupt, open_book, shrink

NEVER_STARTS = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
        "UnexpectedAdmissionError",
    }
)
"""Words of a kubelet for containers that will not start without help."""
OUTCOME_OF = {
    Ended.SUCCEEDED: "succeeded",
    Ended.FAILED: "failed",
    Ended.DELETED: "deleted",
}


def told_last(fold: Fold) -> Placement | None:
    """
    Return where a run's pods were said to stand last, be it booked yet or not.

    The line waits for agents, so what was told before a restart may lie beyond it.
    None if nothing was told, or the run is over and booked.
    """
    if fold.placements:
        return fold.placements[-1]
    is_over = fold.placed is None or fold.placed.ended is not None
    return None if is_over else fold.placed


def place(fold: Fold, placement: Placement, rules: Rules) -> None:
    """Let a run's pods stand where the cluster says, from *placement*'s instant on."""
    at_ns, before = placement.at_ns, fold.placed
    if fold.line_ns is None and placement.ended is not None:
        return
    open_book(fold, at_ns)
    was_out = is_out(fold)
    if placement.asked > 0 and placement.asked != fold.asked:
        if fold.asked and fold.opened_ns < at_ns:
            note(fold.book, at_ns, EventKind.RESIZED, devices=placement.asked)
        fold.asked = placement.asked
    ran_on = _ran_on(before)
    _stand(fold, placement, ran_on)
    if fold.stepping_on or (fold.active is not None and placement.is_elastic):
        smaller = 0 < placement.running < fold.asked
        shrink(fold, placement.running if smaller else None)
    if placement.ended is not None:
        _end(fold, placement, was_out=was_out)
    elif placement.stage is Stage.RUNNING:
        _all_run(fold, at_ns, was_out=was_out)
    elif ran_on and placement.running >= ran_on:
        _grow(fold, placement)
    elif ran_on:
        fold.last_exit_ns = max(fold.last_exit_ns, at_ns)
        _lose_pods(fold, placement, rules, was_out=was_out)
    elif not fold.recovering and _fails_to_start(placement, before):
        _lose_pods(fold, placement, rules, was_out=False)


def _stand(fold: Fold, placement: Placement, ran_on: int) -> None:
    fold.placed, fold.owner = placement, placement.owner
    fold.kind = placement.owner.kind
    if placement.stage is Stage.RUNNING and not ran_on:
        fold.ran_ns = placement.at_ns
    if placement.crew:
        fold.crew = list(placement.crew)


def _fails_to_start(placement: Placement, before: Placement | None) -> bool:
    """Tell whether pods that have never run are in trouble, and not just waiting."""
    if before is None or before.ended is not None:
        return False
    # A device that is not there is told as OutOf and its name.
    return placement.reason in NEVER_STARTS or placement.reason.startswith("OutOf")


def _grow(fold: Fold, placement: Placement) -> None:
    """
    More is asked for, and nothing is gone: that interrupts nobody.

    One that is declared elastic steps on meanwhile; of another it shows when it does.
    """
    if placement.is_elastic:
        fold.stepping_on = True
        shrink(fold, placement.running if placement.running < fold.asked else None)


def _ran_on(before: Placement | None) -> int:
    """Return on how many devices a run ran until now; 0: it did not run."""
    if before is None or before.ended is not None:
        return 0
    # Pods of an earlier workload that are done may still be there, and hold nothing.
    return before.running if before.stage is Stage.RUNNING else 0


def _all_run(fold: Fold, at_ns: int, *, was_out: bool) -> None:
    if fold.stepping_on and not fold.missing:
        fold.stepping_on = False
        shrink(fold, None)
    if was_out:
        come_with_pods(fold)
    if was_out and not is_out(fold):
        returned(fold, at_ns)
    count_if_back(fold)


def _lose_pods(
    fold: Fold, placement: Placement, rules: Rules, *, was_out: bool
) -> None:
    words = f"pods went to {placement.stage.value}"
    if placement.reason:
        words += f" ({placement.reason})"
    if was_out and fold.incidents:
        fold.incidents[-1].evidence.append(f"then {words}")
        fold.incidents[-1].returned_ns = None
        return
    began_ns = max(fold.attempt_ns, fold.last_step_ns or 0)
    if not fold.attempt:
        began_ns = placement.at_ns
    incident = Interruption(0, began_ns, placement.at_ns, Cause.UNKNOWN, "", [])
    incident.said = [words]
    interrupt(fold, incident, rules)


def _end(fold: Fold, placement: Placement, *, was_out: bool) -> None:
    """Rule 15: the workload says that the run is over; it ended at its last exit."""
    if not was_out:
        fold.last_exit_ns = max(fold.last_exit_ns, placement.at_ns)
    at_ns = min(placement.at_ns, max(fold.last_exit_ns, fold.opened_ns))
    ended = placement.ended or Ended.DELETED
    for life in fold.lives.values():
        if life.is_alive:
            # Nobody need have seen its end: its workload has none running.
            life.ended_ns, life.ended_ok = max(at_ns, life.started_ns), True
    is_moved = placement.reason.startswith(MOVED_TO)
    if is_moved:
        # It waited until then, and waits on under the other name, if at all.
        at_ns = max(placement.at_ns, fold.opened_ns)
    joins = placement.reason.removeprefix(MOVED_TO) if is_moved else ""
    close(fold, at_ns, OUTCOME_OF[ended], joins=joins)
