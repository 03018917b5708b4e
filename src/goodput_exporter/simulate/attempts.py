"""An attempt from its first process to its end: it begins, is struck, or is done."""

from __future__ import annotations

from dataclasses import replace

from goodput_exporter.domain.states import Phase
from goodput_exporter.simulate.acts import Act, Life, cut, done_ns
from goodput_exporter.simulate.aftermath import aftermath, retire
from goodput_exporter.simulate.chance import Chance
from goodput_exporter.simulate.effort import Effort, Fate, Status, Voice
from goodput_exporter.simulate.elastic import shrink
from goodput_exporter.simulate.mishaps import TABLE, Mishap, Takes
from goodput_exporter.simulate.plans import DAY_NS, MINUTE_NS, SECOND_NS, Restart
from goodput_exporter.simulate.records import open_incident
from goodput_exporter.simulate.stage import Stage, What
from goodput_exporter.simulate.traces import Blow, leave_traces
from goodput_exporter.simulate.voices import end_all, reporters, told

LAST_CALL_NS = 15 * MINUTE_NS
"""What would still be under way when the simulation ends does not begin."""
NEAR_NS = 5 * SECOND_NS
FULL_GRACE_NS = 35 * SECOND_NS
FINALIZE_NS = 15 * SECOND_NS
WHOLE_NODE = frozenset(
    {
        Mishap.NODE_SILENT,
        Mishap.DRAIN,
        Mishap.SPOT,
        Mishap.SCALE_IN,
        Mishap.PLANNED_WORK,
        Mishap.DISRUPTION,
    }
)
"""They hit every run that has a pod on the node."""


def run_containers(stage: Stage, effort: Effort) -> None:
    """The missing pods' containers run: the attempt begins."""
    at_ns = stage.now_ns
    effort.book.wait(at_ns, effort.state)
    for index in effort.missing:
        one = effort.pods[index]
        one.started_ns = at_ns
        stage.scribe.pod(effort, at_ns, one)
    begin(stage, effort)


def again(stage: Stage, effort: Effort) -> None:
    """Processes start again in pods that were never gone."""
    at_ns = stage.now_ns
    effort.book.wait(at_ns, effort.state)
    if effort.plan.restart is Restart.IN_PLACE:
        for one in effort.pods:
            one.started_ns, one.waiting = at_ns, None
            one.restarts += 1
            stage.scribe.pod(effort, at_ns, one)
    begin(stage, effort)


def begin(stage: Stage, effort: Effort) -> None:
    """Every rank's process runs: start-up, restore, steps, until something happens."""
    at_ns, plan = stage.now_ns, effort.plan
    effort.attempts += 1
    run = effort.book.run
    run.attempts = effort.attempts
    if effort.book.incident is not None:
        restored = -1 if effort.durable is None else effort.durable
        incident = run.incidents[effort.book.incident - 1]
        incident.lost_steps = max(0, effort.book.high_water - restored)
    effort.fate = _fate(stage, effort)
    ranks = reporters(effort, stage.preset.reporters)
    chance = Chance(stage.seed, effort.name, effort.attempts)
    effort.life = Life(plan.training, chance, at_ns, effort.durable, ranks)
    effort.voices = [_voice(effort, rank, at_ns) for rank in ranks]
    effort.missing, effort.status, effort.dense = [], Status.TRAINING, []
    effort.restarted_ns = None
    if effort.fate is not None:
        stage.later(effort.fate.at_ns, What.STRIKE, effort, attempt=effort.attempts)
    if effort.goal is not None:
        missing = effort.goal - 1 - (-1 if effort.durable is None else effort.durable)
        soon_ns = at_ns + missing * plan.training.step_ns
        stage.later(soon_ns, What.CHECK, effort, attempt=effort.attempts)


def _voice(effort: Effort, rank: int, at_ns: int) -> Voice:
    """A survivor's process waits for the others since its container is back."""
    pod = rank // effort.plan.gpus_per_pod
    if effort.restarted_ns is not None and pod not in effort.missing:
        return Voice(rank, min(at_ns, effort.restarted_ns), at_ns)
    return Voice(rank, at_ns, at_ns)


def _fate(stage: Stage, effort: Effort) -> Fate | None:
    """Draw what will interrupt this attempt; a crash loop knows it already."""
    chance = Chance(stage.seed, "fate", effort.name, effort.attempts)
    plan = effort.plan
    pod = chance.below(plan.pods)
    if effort.loops:
        effort.loops -= 1
        early_ns = round(plan.training.init_ns * (0.2 + 0.6 * chance.ratio()))
        return Fate(Mishap.CRASH, stage.now_ns + early_ns, pod)
    hazards = stage.preset.hazards
    rate = sum(hazard.per_1000_node_days for hazard in hazards)
    if not rate:
        return None
    nodes = plan.asked / stage.preset.gpus_per_node
    at_ns = stage.now_ns + chance.after_ns(1000 * DAY_NS / (rate * nodes))
    weights = [hazard.per_1000_node_days for hazard in hazards]
    mishap = chance.one_of([hazard.mishap for hazard in hazards], weights)
    if mishap in {Mishap.CRASH, Mishap.SEGFAULT} and chance.happens(CRASH_LOOPS):
        effort.loops = 1 + chance.below(4)
    if mishap is Mishap.NODE_SILENT and stage.preset.reporters and plan.pods > ENDS:
        # Who falls silent for ever is none of the few that speak for the run.
        pod = 1 + chance.below(plan.pods - ENDS)
    inside = TABLE[mishap].takes is Takes.PROCESS and stage.preset.reporters
    if inside and plan.restart is Restart.PROCESSES:
        # No pod shows it, so it has to be one of the ranks that are heard.
        pod = chance.one_of((0, plan.pods - 1), (1, 1))
    return Fate(mishap, at_ns, pod)


ENDS = 2
"""The first and the last pod hold the ranks that report, where not all do."""
CRASH_LOOPS = 0.1
"""Share of crashes whose reason is still there when the program starts again."""


def strike(stage: Stage, effort: Effort) -> None:
    """What was to happen happens."""
    if effort.fate is not None:
        happen(stage, effort, effort.fate.mishap, effort.fate.pod)


def happen(stage: Stage, effort: Effort, mishap: Mishap, pod: int) -> None:
    """Interrupt an attempt, unless it is about to be over anyway."""
    life = effort.life
    if life is None or effort.status is not Status.TRAINING:
        return
    about = TABLE[mishap]
    chance = Chance(stage.seed, "blow", effort.name, effort.attempts, stage.now_ns)
    began_ns = _step_under_way(life, stage.now_ns) if about.hangs else stage.now_ns
    ended_ns = began_ns + chance.between_ns(*about.notice_s)
    if ended_ns + LAST_CALL_NS >= stage.end_ns or _is_done_by(effort, ended_ns):
        return
    effort.status = Status.ENDING
    # Pods are told to go while ranks step on: what they say then matters.
    effort.dense += [
        (began_ns - NEAR_NS, min(ended_ns, began_ns + NEAR_NS)),
        (max(began_ns, ended_ns - FULL_GRACE_NS), ended_ns),
    ]
    blow = Blow(mishap, pod, began_ns, ended_ns, chance)
    if _is_survived(effort, mishap):
        shrink(stage, effort, blow)
    else:
        _end(stage, effort, blow)
    if mishap in WHOLE_NODE:
        _strike_neighbours(stage, effort, blow)


def _step_under_way(life: Life, at_ns: int) -> int:
    """Return the next instant that lies inside a step."""
    life.live_until(at_ns + 1)
    while True:
        for act in life.acts:
            if act.steps and act.end_ns > at_ns:
                return max(at_ns, act.start_ns + act.step_ns // 2)
        life.live_until(life.now_ns + 1)


def _is_done_by(effort: Effort, at_ns: int) -> bool:
    if effort.goal is None or effort.life is None:
        return False
    effort.life.live_until(at_ns + MINUTE_NS)
    over_ns = done_ns(effort.life, effort.goal)
    return over_ns is not None and over_ns <= at_ns + MINUTE_NS


def _is_survived(effort: Effort, mishap: Mishap) -> bool:
    about = TABLE[mishap]
    return (
        effort.plan.is_elastic
        and effort.plan.pods > 1
        and not about.hangs
        and about.takes in {Takes.PROCESS, Takes.POD, Takes.NODE}
        and mishap is not Mishap.NODE_SILENT
    )


def _strike_neighbours(stage: Stage, effort: Effort, blow: Blow) -> None:
    place = blow.place
    if place is None:
        return
    for other in list(stage.efforts):
        if other is not effort and place in other.places:
            happen(stage, other, blow.mishap, other.places.index(place))


def _end(stage: Stage, effort: Effort, blow: Blow) -> None:
    """The first rank ends, the others follow; time and words are written down."""
    life = effort.life
    if life is None:
        return
    hangs = TABLE[blow.mishap].hangs
    so_far = cut(life, blow.began_ns if hangs else blow.ended_ns)
    acts = open_incident(effort, blow, so_far)
    if hangs and acts:
        acts = (*acts[:-1], replace(acts[-1], end_ns=blow.ended_ns))
    effort.book.live(acts)
    effort.book.incident = len(effort.book.run.incidents)
    effort.durable = effort.durable if so_far.durable is None else so_far.durable
    traces = leave_traces(stage, effort, blow)
    last_ns = silence(effort, blow, exit_is_seen=traces.exit_is_seen)
    stage.scribe.raws.extend(told(stage, effort, acts))
    effort.life = None
    aftermath(stage, effort, blow, traces, last_ns)


SILENT_UNTIL_NS = 340 * SECOND_NS
"""40 s until the node is given up, 300 s until its pods are."""


def silence(effort: Effort, blow: Blow, *, exit_is_seen: bool) -> int:
    """Let every voice end, the one that is hit first; return the last end."""
    about, gpus = TABLE[blow.mishap], effort.plan.gpus_per_pod
    hit_rank = next(
        (
            v.rank
            for v in effort.voices
            if v.rank // gpus == blow.pod and v.end_ns is None
        ),
        None,
    )
    if blow.mishap is Mishap.NODE_SILENT:
        for voice in effort.voices:
            if voice.rank // gpus == blow.pod:
                voice.end_ns, voice.is_silent = blow.ended_ns, True
        torn_ns = blow.ended_ns + SILENT_UNTIL_NS
        return end_all(effort.voices, None, torn_ns, blow.chance, -15)
    for voice in effort.voices:
        if voice.rank == hit_rank:
            voice.end_ns = blow.ended_ns
            code = -about.signal if about.signal else about.code
            voice.code = code if exit_is_seen else None
    follows = -6 if about.hangs else -15
    return end_all(effort.voices, hit_rank, blow.ended_ns, blow.chance, follows)


def check(stage: Stage, effort: Effort) -> None:
    """Look whether a run is done; if not, when it may be."""
    life = effort.life
    if life is None or effort.goal is None or effort.status is not Status.TRAINING:
        return
    life.live_until(stage.now_ns + 1)
    over_ns = done_ns(life, effort.goal)
    if over_ns is None:
        missing = effort.goal - 1 - life.step
        over_ns = life.now_ns + missing * effort.plan.training.step_ns
    elif over_ns <= stage.now_ns:
        _finish(stage, effort, life)
        return
    stage.later(over_ns, What.CHECK, effort, attempt=effort.attempts)


def _finish(stage: Stage, effort: Effort, life: Life) -> None:
    """A last checkpoint, a goodbye, a good end."""
    so_far = cut(life, stage.now_ns)
    at_ns, save_ns = stage.now_ns, effort.plan.training.save_ns
    saved_ns = at_ns + save_ns
    over_ns = saved_ns + FINALIZE_NS
    if over_ns + LAST_CALL_NS >= stage.end_ns:
        return
    save = Act(
        at_ns,
        saved_ns,
        Phase.CHECKPOINT_SAVE,
        saved=so_far.step,
        durable_ns=saved_ns,
    )
    acts = (*so_far.acts, save, Act(saved_ns, over_ns, Phase.FINALIZE))
    effort.book.live(acts)
    effort.durable, effort.status = so_far.step, Status.OVER
    for voice in effort.voices:
        if voice.end_ns is None:
            voice.end_ns, voice.code = over_ns, 0
    raws = told(stage, effort, acts)
    stage.scribe.raws.extend(raws)
    run = effort.book.run
    run.spans[-1] = (run.spans[-1][0], over_ns)
    run.outcome = "succeeded"
    effort.life = None
    retire(stage, effort, over_ns)
    if effort.plan.again_ns is not None and effort.workloads == 1:
        effort.workloads += 1
        effort.goal = effort.goal and effort.goal * 2
        stage.later(over_ns + effort.plan.again_ns, What.SUBMIT, effort)


def stop(stage: Stage, effort: Effort) -> None:
    """The simulation is over: tell what is under way as far as it came."""
    book, end_ns = effort.book, stage.end_ns
    if effort.status is Status.OVER:
        return
    if effort.life is None:
        if book.cursor_ns < end_ns:
            book.wait(end_ns, effort.state)
    else:
        so_far = cut(effort.life, end_ns)
        stage.scribe.raws.extend(told(stage, effort, so_far.acts))
        acts = so_far.acts
        if acts and acts[-1].steps:
            last = acts[-1]
            done_until_ns = last.start_ns + last.steps * last.step_ns
            acts = (*acts[:-1], replace(last, end_ns=done_until_ns))
        elif acts and acts[-1].phase is Phase.TRAIN_STEP:
            acts = acts[:-1]
        book.live(acts)
    book.run.spans[-1] = (book.run.spans[-1][0], book.cursor_ns)
