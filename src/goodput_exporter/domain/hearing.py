"""What a rank reports: from cumulative reports to phases with positions."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain.life import Life, Mark, Piece
from goodput_exporter.domain.limits import Durations
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND, apportion
from goodput_exporter.domain.states import ORDER_OF, STATE_OF_PHASE, Phase, RunState

JUMP_NS: Final = NS_PER_SECOND
"""Beyond it, our clock and the rank's disagree about how much time has passed."""


def hear(
    life: Life, report: RankReport, durations: Durations, rules: Rules
) -> list[Mark]:
    """
    Take a newer report: append the pieces since the last one, return its marks.

    An older or repeated report changes nothing, since each carries the
    whole state.

    Args:
        life: Changed in place.
        report: Of the same incarnation.
        durations: Of the run; finished stretches are added.
        rules: For the stall limits of phases.
    """
    if report.seq <= life.seq or life.ended_ns is not None:
        return []
    position_ns = _position(life, report)
    _append_pieces(life, report, position_ns, durations, rules)
    if report.phase is not life.phase:
        _enter(life, report.phase, position_ns, durations)
    marks: list[Mark] = []
    if life.active_ns is None:
        marks = _marks(life, report, position_ns)
    elif report.step_age_ns is not None:
        life.active_ns = max(life.active_ns, position_ns - report.step_age_ns)
    life.seq = report.seq
    life.up_ns = report.up_ns
    life.reported_ns = position_ns
    life.cum_ns = report.cum_ns
    life.said_bye, life.said_bye_ns = report.is_bye, position_ns
    life.ok = report.is_bye and report.ok
    life.pid = report.pid if report.pid is not None else life.pid
    if report.world_size > 0:
        life.world_size = report.world_size
    if report.facts and report.facts.gpu_uuids:
        life.devices = len(report.facts.gpu_uuids)
    return marks


def extend(life: Life, until_ns: int, durations: Durations, rules: Rules) -> None:
    """
    Carry the last reported phase on to *until_ns*, the instant of its end.

    What a process did last is the best evidence of what it died in.
    """
    if until_ns > life.reported_ns:
        phase = Phase.IDLE if life.ok else life.phase
        since_ns = life.stretch_ns if phase is life.phase else life.reported_ns
        stretch = (life.reported_ns, until_ns, phase, since_ns)
        _append(life, [stretch], durations, rules)
        life.reported_ns = until_ns


def _position(life: Life, report: RankReport) -> int:
    """Return where the report lies: by the rank's own age, unless clocks disagree."""
    by_age_ns = life.reported_ns + report.up_ns - life.up_ns
    if abs(report.at_ns - by_age_ns) > JUMP_NS:
        return max(life.reported_ns, report.at_ns)
    return max(life.reported_ns, by_age_ns)


def _append_pieces(
    life: Life, report: RankReport, end_ns: int, durations: Durations, rules: Rules
) -> None:
    """Lay out what the cumulative state grew by over the time since the last one."""
    start_ns = life.reported_ns
    grew_ns = report.up_ns - life.up_ns
    if end_ns - start_ns > grew_ns + JUMP_NS:
        # The clocks disagree (a suspended machine): what the rank did not
        # live through, nobody saw.
        start_ns = end_ns - grew_ns
    length_ns = end_ns - start_ns
    if length_ns <= 0:
        return
    grown = _grown(life, report, length_ns)
    if _goes_on(life, report, grown):
        stretches = [(start_ns, end_ns, life.phase, life.stretch_ns)]
    else:
        stretches = _arrange(life, report, grown, (start_ns, end_ns))
    _append(life, stretches, durations, rules)


def _goes_on(life: Life, report: RankReport, grown: dict[Phase, int]) -> bool:
    """Tell whether one phase went on, unbroken: what most reports have to say."""
    return (
        report.phase is life.phase
        and len(grown) == 1
        and life.phase in grown
        and report.phase_age_ns >= grown[life.phase]
    )


def _grown(life: Life, report: RankReport, length_ns: int) -> dict[Phase, int]:
    """Return by how much each phase grew; together exactly *length_ns*."""
    known_ns = life.cum_ns.get
    grown: dict[Phase, int] = {}
    whole_ns = 0
    # Every report of a fleet comes by here: the phases that stood still, most of
    # them, cost nothing, and a loop is cheaper than a comprehension and a sum.
    for phase, spent_ns in report.cum_ns.items():
        grew_ns = spent_ns - known_ns(phase, 0)
        if grew_ns > 0:
            grown[phase] = grew_ns
            whole_ns += grew_ns
    if whole_ns == length_ns:
        return grown
    if whole_ns == 0:
        return {report.phase: length_ns}
    # What rounding leaves over goes by the order of the table, not of the sender.
    phases = [phase for phase in Phase if phase in grown]
    shares = apportion(length_ns, [grown[phase] for phase in phases])
    return dict(zip(phases, shares, strict=True))


Stretch = tuple[int, int, Phase, int]


def _arrange(
    life: Life, report: RankReport, grown: dict[Phase, int], span: tuple[int, int]
) -> list[Stretch]:
    """
    Order phases: what went on first, the present one last, others between.

    Args:
        life: Before the report.
        report: What it heard.
        grown: By how much each phase grew; used up.
        span: (start, end) of what is arranged, nanoseconds.

    Returns:
        (start, end, phase, start of the unbroken stretch that it belongs to).
    """
    cursor_ns, end_ns = span
    tail_ns = min(report.phase_age_ns, grown.get(report.phase, 0))
    goes_on = life.phase is report.phase and tail_ns == end_ns - cursor_ns
    if tail_ns > 0:
        grown[report.phase] -= tail_ns
    stretches: list[Stretch] = []
    first_ns = grown.pop(life.phase, 0)
    if first_ns > 0:
        stretches.append((cursor_ns, cursor_ns + first_ns, life.phase, life.stretch_ns))
        cursor_ns += first_ns
    between = sorted(grown, key=_PLACE_OF.__getitem__) if len(grown) > 1 else grown
    for phase in between:
        if grown[phase] > 0:
            stretches.append((cursor_ns, cursor_ns + grown[phase], phase, cursor_ns))
            cursor_ns += grown[phase]
    if tail_ns > 0:
        since_ns = life.stretch_ns if goes_on else cursor_ns
        stretches.append((cursor_ns, end_ns, report.phase, since_ns))
    return stretches


_PLACE_OF: Final = {
    phase: (ORDER_OF[STATE_OF_PHASE.get(phase, RunState.PRODUCTIVE)], place)
    for place, phase in enumerate(Phase)
}
"""The order in which phases are laid that nobody saw the order of."""


def _append(
    life: Life, stretches: list[Stretch], durations: Durations, rules: Rules
) -> None:
    """Append pieces; past its limit a phase is stalled, from the limit on."""
    for start_ns, end_ns, phase, since_ns in stretches:
        if since_ns != life.stretch_ns:
            _enter(life, phase, since_ns, durations)
        elif phase is not life.phase:
            _enter(life, phase, start_ns, durations)
        if phase is Phase.TRAIN_STEP:
            if life.first_step_ns is None:
                life.first_step_ns = start_ns
            _push(life, start_ns, end_ns, None)
            continue
        turn_ns = end_ns
        if durations.may_pass(phase, end_ns - since_ns, rules):
            limit_ns = durations.limit_ns(phase, rules)
            turn_ns = end_ns if limit_ns is None else max(start_ns, since_ns + limit_ns)
        _push(life, start_ns, min(end_ns, turn_ns), STATE_OF_PHASE[phase])
        if turn_ns < end_ns:
            _push(life, turn_ns, end_ns, RunState.STALLED)


def _enter(life: Life, phase: Phase, at_ns: int, durations: Durations) -> None:
    """Close the present stretch and begin another."""
    if life.phase is not Phase.TRAIN_STEP:
        durations.observe(life.phase, at_ns - life.stretch_ns)
    life.phase, life.stretch_ns = phase, at_ns


def _push(life: Life, start_ns: int, end_ns: int, state: RunState | None) -> None:
    if end_ns <= start_ns:
        return
    pieces = life.pieces
    if pieces and (last := pieces[-1]).end_ns == start_ns and last.state is state:
        last.end_ns = end_ns
    else:
        pieces.append(Piece(start_ns, end_ns, state))


def _marks(life: Life, report: RankReport, position_ns: int) -> list[Mark]:
    """Return what the report says of steps and checkpoints, in order of time."""
    marks: list[Mark] = []
    done = _done(life, report)
    count = max(0, done - life.steps_done)
    restored = _restored(life, report, count)
    if restored is not None:
        before_ns = max(life.reported_ns, life.mark_ns)
        back = _before_rollback(life, report, restored, count)
        if back:
            marks.append(Mark(before_ns, (life.step or 0) + back, back, back))
            count -= back
        life.restored = report.restored_step
        life.step = restored if life.step is not None else None
        marks.append(Mark(before_ns, restored=restored))
    if count > 0:
        marks.append(_step_mark(life, report, count, position_ns))
        life.steps_done = done
    if report.step is not None:
        life.step = report.step
    if report.saved_step is not None and report.saved_step != life.saved:
        life.saved = report.saved_step
        marks.append(Mark(position_ns, saved=report.saved_step))
    if report.durable_step is not None and report.durable_step != life.durable:
        marks.append(Mark(position_ns, durable=report.durable_step))
    # A rank that goes back takes its word back, and may give it anew.
    life.durable = report.durable_step
    return marks


def _done(life: Life, report: RankReport) -> int:
    """Return how many steps the incarnation has completed, said or counted."""
    if report.steps_done is not None:
        return report.steps_done
    if report.step is None or report.step == life.step:
        return life.steps_done
    grew = 1 if life.step is None else report.step - life.step
    return life.steps_done + max(1, grew)


def _restored(life: Life, report: RankReport, count: int) -> int | None:
    """Return the step that the rank went back to, said by it or seen in its steps."""
    if report.step_is_local:
        # Its numbers are its own: where it resumed says nothing of the run.
        return None
    if report.restored_step is not None and report.restored_step != life.restored:
        return report.restored_step
    if report.step is None or life.step is None:
        return None
    return report.step - count if report.step < life.step else None


def _before_rollback(life: Life, report: RankReport, restored: int, count: int) -> int:
    """Return how many steps were completed before a rollback in the same report."""
    if life.step is None or report.step is None:
        return 0
    return max(0, count - max(0, report.step - restored))


def _age_of_last(life: Life, report: RankReport, position_ns: int) -> int:
    """
    Return how long ago a step ended whose age the rank does not tell.

    Where it has begun another step since its last report, that is when. Where it
    only counts, within one long phase, the step has just ended.
    """
    began_anew = report.phase_age_ns < position_ns - life.reported_ns
    is_stepping = report.phase is Phase.TRAIN_STEP
    return report.phase_age_ns if is_stepping and began_anew else 0


def _step_mark(life: Life, report: RankReport, count: int, position_ns: int) -> Mark:
    age_ns = report.step_age_ns
    if age_ns is None:
        age_ns = _age_of_last(life, report, position_ns)
    at_ns = min(position_ns, max(position_ns - age_ns, life.mark_ns))
    life.mark_ns = at_ns
    advanced = count
    local = report.step_is_local or report.step is None
    if not local and life.step is not None and report.step is not None:
        advanced = min(count, max(0, report.step - life.step))
    tokens, flops = _growth(life.tokens, report.tokens), None
    if report.flops is not None:
        grew = report.flops - (life.flops or 0.0)
        # A counter that went back has measured nothing, which is not zero.
        flops = grew if grew >= 0 else None
        life.flops = report.flops
    life.tokens = report.tokens
    return Mark(
        at_ns,
        step=life.steps_done + count if local else report.step,
        count=count,
        advanced=advanced,
        tokens=tokens if report.tokens_are_global else None,
        flops=flops,
        local=local,
    )


def _growth(before: int | None, now: int | None) -> int | None:
    """Return what a counter grew by; None where it went back: nothing was measured."""
    grew = None if now is None else now - (before or 0)
    return None if grew is None or grew < 0 else grew
