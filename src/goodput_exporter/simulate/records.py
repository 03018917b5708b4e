"""The truth's record of one interruption, as it begins."""

from __future__ import annotations

from dataclasses import replace

from goodput_exporter.simulate.acts import Act, Told
from goodput_exporter.simulate.effort import Effort
from goodput_exporter.simulate.mishaps import TABLE
from goodput_exporter.simulate.traces import Blow
from goodput_exporter.simulate.truth import TrueIncident


def begin_incident(effort: Effort, blow: Blow, lost_ns: int) -> None:
    """Write down what happened; *lost_ns* is when the last step was complete."""
    run = effort.book.run
    run.incidents.append(
        TrueIncident(
            len(run.incidents) + 1,
            blow.mishap.value,
            TABLE[blow.mishap].cause,
            lost_ns,
            blow.began_ns,
            blow.ended_ns,
        )
    )


def open_incident(effort: Effort, blow: Blow, so_far: Told) -> tuple[Act, ...]:
    """Begin a record; what is left of the last act's step follows from it."""
    begin_incident(effort, blow, so_far.last_ns)
    if not so_far.acts:
        return ()
    number = len(effort.book.run.incidents)
    return (*so_far.acts[:-1], replace(so_far.acts[-1], incident=number))
