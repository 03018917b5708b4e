"""Reports that inference would make of containers whose ranks say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goodput_exporter.domain.observations import ModelFacts, RankReport
from goodput_exporter.domain.states import Phase
from tests.fakes.ranks import ns
from tests.fakes.stories import START_S


@dataclass(frozen=True, slots=True)
class Part:
    """So many seconds of a phase; *signs* tells whether it looks like training."""

    phase: Phase
    seconds: float
    signs: bool = False


def looks(phase: Phase, seconds: float) -> Part:
    """Return a part of a container's life."""
    return Part(phase, seconds, signs=phase is Phase.TRAIN_STEP)


def spins(seconds: float) -> Part:
    """Return a part in which the GPUs are busy, and not with training."""
    return Part(Phase.TRAIN_STEP, seconds)


def guessed(
    parts: Sequence[Part],
    *,
    life: int = 1,
    begins_s: float = 0.0,
    gpus: int = 1,
    every_s: float = 2.0,
) -> list[RankReport]:
    """Return one container's reports, one every *every_s* and one at its end."""
    ends_s = sum(part.seconds for part in parts)
    at_s = [n * every_s for n in range(1, int(ends_s / every_s) + 1)]
    if not at_s or at_s[-1] < ends_s:
        at_s.append(ends_s)
    return [
        _report(parts, up_s, seq, (life, begins_s, gpus))
        for seq, up_s in enumerate(at_s)
    ]


def _report(
    parts: Sequence[Part], up_s: float, seq: int, who: tuple[int, float, int]
) -> RankReport:
    life, begins_s, gpus = who
    cum_ns: dict[Phase, int] = {}
    phase, entered_s, sign_s, cursor_s = Phase.INIT, 0.0, 0.0, 0.0
    for part in parts:
        if cursor_s >= up_s:
            break
        spent_s = min(part.seconds, up_s - cursor_s)
        if part.phase is not phase:
            phase, entered_s = part.phase, cursor_s
        cum_ns[phase] = cum_ns.get(phase, 0) + ns(spent_s)
        cursor_s += spent_s
        sign_s = cursor_s if part.signs else sign_s
    return RankReport(
        incarnation=f"{life:016x}",
        seq=seq,
        at_ns=ns(START_S + begins_s + up_s),
        up_ns=ns(up_s),
        phase=phase,
        phase_age_ns=ns(up_s - entered_s),
        cum_ns=cum_ns,
        replica_group=f"pod-{life}/trainer",
        step_age_ns=ns(up_s - sign_s),
        facts=ModelFacts(gpu_uuids=tuple(f"GPU-{life}-{n}" for n in range(gpus))),
        source="inferred",
        pod=f"pod-{life}",
    )
