"""How often to save a checkpoint, from measured costs, and what a change would gain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from goodput_exporter.analysis.ettr import efficiency
from goodput_exporter.analysis.records import RunBook
from goodput_exporter.analysis.statistics import MeanTime, mtti
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import LAYER_OF, Layer, RunState

FIRST_TIME: Final = frozenset(
    {
        RunState.PRODUCTIVE,
        RunState.SLOW,
        RunState.DATA_WAIT,
        RunState.EVALUATING,
        RunState.OTHER,
    }
)
"""The training loop makes progress, or waits for what it needs for it."""

LOOP: Final = FIRST_TIME | {
    RunState.RECOMPUTING,
    RunState.INTERRUPTED,
    RunState.LOST,
}
"""The training loop runs: the time that passes between two saves."""

RESTART: Final = frozenset(
    {
        RunState.INITIALIZING,
        RunState.RESTORING,
        RunState.STALLED,
        RunState.IDLE,
    }
)
"""Available time that an interruption costs, whatever the interval."""

HOURS_PER_DAY: Final = 24


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """
    What was measured of one run; None is not measured.

    Args:
        mtti: The mean time to interruption.
        interval_seconds: Training between two saves.
        write_seconds: For how long a save blocks training.
        restart_seconds: Per interruption, available time before the first step.
        outage_seconds: Per interruption, time that the run was not available.
        progress_ratio: Productive share of the first-time training between saves.
        devices: The asked devices.
        durable_seconds: From the start of a save until it can be restored from.
    """

    mtti: MeanTime
    interval_seconds: float | None
    write_seconds: float | None
    restart_seconds: float
    outage_seconds: float
    progress_ratio: float | None
    devices: float
    durable_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CheckpointAdvice:
    """
    An interval, and what it would change; estimates, never measurements.

    Args:
        interval_seconds: To train between saves: Daly's, or what uploads allow.
        young_seconds, daly_seconds: The two forms.
        daly_low_seconds, daly_high_seconds: Daly's at the limits of the MTTI.
        now_seconds: The interval measured.
        goodput_now, goodput_then: As the model expects them of either interval.
        gain_low, gain_high: Of goodput, over the limits of the MTTI.
        gpu_hours_per_day: The gain, in productive time of the asked devices.
        upload_bound: Daly's interval is shorter than a checkpoint needs to be
            durable, so the advice is that.
        too_few: The MTTI rests on too few interruptions.
    """

    interval_seconds: float
    young_seconds: float
    daly_seconds: float
    daly_low_seconds: float
    daly_high_seconds: float
    now_seconds: float
    goodput_now: float
    goodput_then: float
    gain_low: float
    gain_high: float
    gpu_hours_per_day: float
    upload_bound: bool
    too_few: bool

    @property
    def gain(self) -> float:
        """Return what changing would add to goodput, as a fraction of wall time."""
        return self.goodput_then - self.goodput_now

    @property
    def worth_it(self) -> bool:
        """Tell whether it gains wherever in its limits the MTTI is."""
        return self.gain_low > 0


@dataclass(frozen=True, slots=True)
class NoAdvice:
    """Why there is none, in a sentence."""

    why: str


def young(write: float, mtti: float) -> float:
    """
    Return Young's interval, ``sqrt(2 w M)``, in the unit of its arguments.

    Source:
        J. W. Young, A first order approximation to the optimum checkpoint
        interval, Communications of the ACM 17 (1974) 530.
    """
    return math.sqrt(2 * write * mtti)


def daly(write: float, mtti: float) -> float:
    """
    Return Daly's interval of higher order, in the unit of its arguments.

    It is training between saves, without the save itself; the restart has no
    part in it. Where a save takes twice the time to interruption, it is that time.

    Source:
        J. T. Daly, Future Generation Computer Systems 22 (2006) 303, equation 37;
        figures 3 to 5: w = 5 min and M = 24 h, 6 h, 15 min give 117, 57, 9.1 min.
    """
    if write >= 2 * mtti:
        return mtti
    ratio = write / (2 * mtti)
    return young(write, mtti) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - write


def checkpoint_facts(
    book: RunBook, saves: int, *, durable_seconds: float | None = None
) -> CheckpointFacts:
    """
    Measure what the advice rests on.

    Args:
        book: One run's; in the live view, where redone steps are steps again.
        saves: How many saves its ``checkpointing`` time holds.
        durable_seconds: Mean time from the start of a save until it is durable.
    """
    account = book.account
    seconds = 1 / (book.devices * NS_PER_SECOND)
    counted = [one for one in book.interruptions if one.is_interruption]
    down, back = 0, 0
    for one in counted:
        for state, gpu_ns in one.gpu_ns.items():
            if LAYER_OF[state] is Layer.INFRASTRUCTURE:
                down += gpu_ns
            elif state in RESTART:
                back += gpu_ns
    first_time = account.of(*FIRST_TIME)
    return CheckpointFacts(
        mtti=mtti([book]),
        interval_seconds=account.of(*LOOP) * seconds / saves if saves else None,
        write_seconds=(
            account.of(RunState.CHECKPOINTING) * seconds / saves if saves else None
        ),
        restart_seconds=back * seconds / max(len(counted), 1),
        outage_seconds=down * seconds / max(len(counted), 1),
        progress_ratio=(
            account.of(RunState.PRODUCTIVE) / first_time if first_time else None
        ),
        devices=book.devices,
        durable_seconds=durable_seconds,
    )


def advise(facts: CheckpointFacts) -> CheckpointAdvice | NoAdvice:
    """
    Return the interval that minimises waste, and what changing to it gains.

    The gain is the difference of two estimates by one model, so most of what the
    model leaves out falls out of it.

    Args:
        facts: Measured, of one run.

    Raises:
        BadInputError: A measured time is negative.

    Source:
        Intervals: ``young`` and ``daly``. Goodput: ``efficiency``, times the
        productive share of training.
    """
    mean, now, write = facts.mtti, facts.interval_seconds, facts.write_seconds
    if now is None or write is None or facts.progress_ratio is None:
        return NoAdvice("no save or no training was seen, so nothing can be weighed")
    if not (mean.seconds and mean.high_seconds):
        return NoAdvice(
            f"{mean.events} interruptions in {mean.exposure_seconds:.0f} s of "
            "available time give no mean time between them"
        )
    if not (write and now):
        return NoAdvice(
            f"a save blocked training for {write:.3g} s after {now:.3g} s of it; "
            "only what blocks can be traded for what is redone"
        )
    best = daly(write, mean.seconds)
    then = max(best, facts.durable_seconds or 0.0)

    def goodput(interval_seconds: float, mean_seconds: float) -> float:
        kept = efficiency(
            interval_seconds,
            write,
            mean_seconds,
            restart=facts.restart_seconds,
            outage=facts.outage_seconds,
        )
        return kept * (facts.progress_ratio or 0.0)

    means = (mean.low_seconds, mean.seconds, mean.high_seconds)
    gains = [goodput(then, one) - goodput(now, one) for one in means]
    return CheckpointAdvice(
        interval_seconds=then,
        young_seconds=young(write, mean.seconds),
        daly_seconds=best,
        daly_low_seconds=daly(write, mean.low_seconds),
        daly_high_seconds=daly(write, mean.high_seconds),
        now_seconds=now,
        goodput_now=goodput(now, mean.seconds),
        goodput_then=goodput(then, mean.seconds),
        gain_low=min(gains),
        gain_high=max(gains),
        gpu_hours_per_day=gains[1] * facts.devices * HOURS_PER_DAY,
        upload_bound=then > best,
        too_few=mean.too_few,
    )
