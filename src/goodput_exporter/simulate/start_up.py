"""A start that fails: one pod never comes up, and the others give up waiting."""

from __future__ import annotations

from goodput_exporter.domain.states import Phase
from goodput_exporter.simulate.acts import Act
from goodput_exporter.simulate.aftermath import aftermath
from goodput_exporter.simulate.chance import Chance
from goodput_exporter.simulate.effort import Effort, Status, Voice
from goodput_exporter.simulate.mishaps import Mishap
from goodput_exporter.simulate.plans import MINUTE_NS, SECOND_NS
from goodput_exporter.simulate.records import begin_incident
from goodput_exporter.simulate.stage import Stage
from goodput_exporter.simulate.traces import Blow, leave_traces
from goodput_exporter.simulate.voices import end_all, reporters, told

LAST_CALL_NS = 25 * MINUTE_NS
RENDEZVOUS_S = (590.0, 620.0)
"""Ranks wait ten minutes for the last one, PyTorch's default, then give up."""
REFUSED_AFTER_S = (10.0, 40.0)


def give_up(stage: Stage, effort: Effort) -> None:
    """All pods but one run; their ranks start up, wait, and end."""
    if effort.kept_away is None or stage.now_ns + LAST_CALL_NS >= stage.end_ns:
        return
    mishap, pod = effort.kept_away
    effort.kept_away, at_ns = None, stage.now_ns
    chance = Chance(stage.seed, "start-up", effort.name, effort.attempts, at_ns)
    is_image = mishap is Mishap.IMAGE_MISSING
    waits_s = RENDEZVOUS_S if is_image else REFUSED_AFTER_S
    ended_ns = at_ns + chance.between_ns(*waits_s)
    began_ns = at_ns + 5 * SECOND_NS if is_image else ended_ns - 2 * SECOND_NS
    blow = Blow(mishap, pod, began_ns, ended_ns, chance)
    for one in effort.pods:
        if one.index != pod:
            one.started_ns = at_ns
            stage.scribe.pod(effort, at_ns, one)
    effort.attempts += 1
    effort.book.run.attempts = effort.attempts
    effort.status = Status.ENDING
    effort.book.wait(ended_ns, effort.state)
    begin_incident(effort, blow, at_ns)
    effort.book.incident = len(effort.book.run.incidents)
    traces = leave_traces(stage, effort, blow)
    _show_pod(stage, effort, blow, word_is_seen=traces.word_is_seen)
    last_ns = _speak(stage, effort, blow, at_ns)
    aftermath(stage, effort, blow, traces, last_ns)


def _show_pod(stage: Stage, effort: Effort, blow: Blow, *, word_is_seen: bool) -> None:
    """The pod that does not come up says why, if anybody sees it."""
    one, place = effort.pods[blow.pod], blow.place
    if blow.mishap is Mishap.IMAGE_MISSING:
        if word_is_seen:
            said = 'Back-off pulling image "registry.example/trainer:1"'
            one.waiting = ("ErrImagePull", "not found")
            stage.scribe.pod(effort, blow.began_ns, one)
            one.waiting = ("ImagePullBackOff", said)
            stage.scribe.pod(effort, blow.began_ns + 15 * SECOND_NS, one)
        return
    one.bound_ns = blow.began_ns
    one.node = None if place is None else stage.pool.machines[place].name


def _speak(stage: Stage, effort: Effort, blow: Blow, start_ns: int) -> int:
    """The ranks that run start up until they end; return the last end."""
    gpus = effort.plan.gpus_per_pod
    ranks = [
        rank
        for rank in reporters(effort, stage.preset.reporters)
        if rank // gpus != blow.pod
    ]
    effort.voices = [Voice(rank, start_ns, start_ns) for rank in ranks]
    code = 1 if blow.mishap is Mishap.IMAGE_MISSING else -15
    if effort.voices:
        effort.voices[0].end_ns, effort.voices[0].code = blow.ended_ns, code
    last_ns = end_all(effort.voices, None, blow.ended_ns, blow.chance, code)
    acts = (Act(start_ns, last_ns, Phase.INIT),)
    stage.scribe.raws.extend(told(stage, effort, acts))
    return last_ns
