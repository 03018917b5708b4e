"""An elastic run that goes on with fewer GPUs until one pod is replaced."""

from __future__ import annotations

from dataclasses import replace

from goodput_exporter.simulate.acts import cut, divide
from goodput_exporter.simulate.aftermath import lose_pod
from goodput_exporter.simulate.book import Shrunk
from goodput_exporter.simulate.effort import Effort, Status, Voice
from goodput_exporter.simulate.mishaps import TABLE
from goodput_exporter.simulate.plans import SECOND_NS
from goodput_exporter.simulate.records import open_incident
from goodput_exporter.simulate.stage import Stage
from goodput_exporter.simulate.traces import Blow, leave_traces

FULLY_TOLD_NS = 60 * SECOND_NS
"""So long every report is kept: who is left shows that it steps on."""


def shrink(stage: Stage, effort: Effort, blow: Blow) -> None:
    """
    Go on without one pod.

    The step under way is lost and done again by the survivors; nothing else of
    theirs is interrupted.
    """
    life = effort.life
    if life is None:
        return
    so_far = cut(life, blow.ended_ns)
    life.acts = list(open_incident(effort, blow, so_far))
    life.step = so_far.step
    effort.dense.append((blow.ended_ns, blow.ended_ns + FULLY_TOLD_NS))
    incident = effort.book.run.incidents[-1]
    missing = effort.plan.gpus_per_pod
    # Until the replacement runs; when that will be nobody knows yet.
    lost = Shrunk(blow.ended_ns, stage.end_ns, missing, incident.number)
    effort.book.shrunk.append(lost)
    traces = leave_traces(stage, effort, blow)
    about = TABLE[blow.mishap]
    for voice in effort.voices:
        if voice.rank // effort.plan.gpus_per_pod == blow.pod and voice.end_ns is None:
            voice.end_ns = blow.ended_ns
            voice.code = -about.signal if about.signal else about.code
            voice.code = voice.code if traces.exit_is_seen else None
    effort.missing, effort.status = [blow.pod], Status.ENDING
    lose_pod(stage, effort, blow, traces)


def regrow(stage: Stage, effort: Effort) -> None:
    """The replacement's container runs: nothing is missing any more."""
    at_ns, life = stage.now_ns, effort.life
    shrunk = effort.book.shrunk
    shrunk[-1] = replace_end(shrunk[-1], at_ns)
    gpus = effort.plan.gpus_per_pod
    for index in effort.missing:
        one = effort.pods[index]
        one.started_ns = at_ns
        stage.scribe.pod(effort, at_ns, one)
    if life is None:
        return
    joins_ns = divide(life, at_ns + effort.plan.training.init_ns)
    effort.dense.append((at_ns, joins_ns + FULLY_TOLD_NS))
    spoke = {voice.rank for voice in effort.voices if voice.end_ns is not None}
    for rank in sorted(spoke):
        if rank // gpus in effort.missing:
            effort.voices.append(Voice(rank, at_ns, joins_ns))
    effort.missing, effort.status = [], Status.TRAINING


def replace_end(shrunk: Shrunk, at_ns: int) -> Shrunk:
    """Return the same shortage with its end."""
    return replace(shrunk, end_ns=at_ns)
