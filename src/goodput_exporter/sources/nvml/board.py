"""What the parent knows of every GPU, and whom it blames when the child fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.observations import (
    GpuLost,
    GpuSample,
)
from goodput_exporter.sources.nvml.roster import NS_PER_SECOND, Roster
from goodput_exporter.sources.nvml.sample import Rare, health_of, layout_of, sample_of
from goodput_exporter.sources.nvml.throttle import ThrottleClock
from goodput_exporter.sources.nvml.wire import (
    Answered,
    Began,
    Counted,
    Failed,
    Listed,
    Partitioned,
    Rested,
)

LONGEST_DELAY_SECONDS: Final = 300.0
"""A GPU that hangs or crashes again and again is asked every five minutes at last."""

FORGIVEN_AFTER_SECONDS: Final = 60.0
"""A GPU that has answered for so long begins again with the first delay."""

REASONS: Final[Mapping[int, str]] = {15: "lost", 16: "reset_required", 999: "unknown"}
"""NVML's GPU_IS_LOST, RESET_REQUIRED and UNKNOWN; other codes are an ``error``."""


@dataclass(slots=True)
class Blame:
    """
    Why a GPU is left alone, and how often it had to be.

    Args:
        until_ns: When it is asked again, on CLOCK_MONOTONIC.
        reason: ``"hanging"`` or ``"error"``, as in ``GpuLost``.
    """

    strikes: int
    until_ns: int
    reason: str
    detail: str


@dataclass(slots=True)
class _Gpu:
    uuid: str | None = None
    last: GpuSample | Failed | None = None
    last_at_ns: int = 0
    heard_ns: int = 0
    began_ns: int | None = None
    is_confirmed: bool = False
    was_late: bool = False
    blame: Blame | None = None
    rare: Rare = field(default_factory=Rare)


@dataclass(slots=True)
class Board:
    """
    The newest word of every GPU. All times are CLOCK_MONOTONIC nanoseconds.

    Args:
        deadline_ns: How long the calls on one GPU may take.
        interval_ns: Time between two samples of one GPU.
        roster: Which GPUs there are; earlier lives included.
    """

    deadline_ns: int
    interval_ns: int
    driver: str = ""
    nvml: str = ""
    count: int | None = None
    roster: Roster = field(default_factory=Roster)
    refused: Counter[str] = field(default_factory=Counter)
    _gpus: dict[int, _Gpu] = field(default_factory=dict)
    _throttle: dict[str, ThrottleClock] = field(default_factory=dict)

    def listed(self, message: Listed, now_ns: int) -> None:
        """Take over how many GPUs there are; each has one deadline to answer."""
        self.driver, self.nvml = message.driver, message.nvml
        self.count = message.count
        for index in range(message.count):
            gpu = self._gpus.setdefault(index, _Gpu())
            gpu.heard_ns, gpu.is_confirmed = now_ns, False

    def began(self, message: Began) -> None:
        """Note that calls on one GPU are under way."""
        self._gpus.setdefault(message.index, _Gpu()).began_ns = message.mono_ns

    def answered(self, message: Answered, at_ns: int) -> None:
        """
        Take over a sample; it remembers the UUID and works off the blame.

        Args:
            message: What the GPU told.
            at_ns: ``message.mono_ns`` on the ledger's clock, converted once:
                two conversions differ by the time between two clock reads.
        """
        gpu = self._heard(message, at_ns)
        if gpu.uuid != message.uuid:  # another GPU: its counters are not this one's
            gpu.rare = Rare()
        clock = self._clock(message.uuid)
        clock.sampled(message.clock_reasons, message.mono_ns)
        gpu.last = sample_of(message, at_ns, gpu.rare, clock.totals())
        gpu.uuid = message.uuid
        self.refused.update(message.refused)
        self.roster.settle(
            message.uuid, message.index, self._present(), message.mono_ns
        )
        if gpu.blame is not None:
            calm_ns = message.mono_ns - gpu.blame.until_ns
            if calm_ns > FORGIVEN_AFTER_SECONDS * NS_PER_SECOND:
                gpu.blame = None

    def _clock(self, uuid: str) -> ThrottleClock:
        longest_ns = self.interval_ns + self.deadline_ns
        return self._throttle.setdefault(uuid, ThrottleClock(longest_ns))

    def _present(self) -> set[str]:
        return {gpu.uuid for _, gpu in self._listed() if gpu.uuid is not None}

    def counted(self, message: Counted, at_ns: int) -> None:
        """Take over the counters of errors and wear; the next sample carries them."""
        gpu = self._gpus.setdefault(message.index, _Gpu())
        if gpu.uuid == message.uuid:
            gpu.rare.health = health_of(message, at_ns)
            celsius = message.memory_temperature_celsius
            gpu.rare.memory_temperature_celsius = celsius
            self._clock(message.uuid).told(message.throttled_ns, message.mono_ns)

    def partitioned(self, message: Partitioned, at_ns: int) -> None:
        """Take over a MIG layout, whole."""
        gpu = self._gpus.setdefault(message.index, _Gpu())
        if gpu.uuid == message.uuid:
            gpu.rare.layout = layout_of(message, at_ns)

    def rested(self, message: Rested) -> None:
        """Note that the calls on one GPU have come back."""
        gpu = self._gpus.get(message.index)
        if gpu is not None:
            gpu.began_ns = None

    def failed(self, message: Failed, at_ns: int) -> None:
        """Take over that one GPU returned an error, dated as in ``answered``."""
        self._heard(message, at_ns).last = message

    def _heard(self, message: Answered | Failed, at_ns: int) -> _Gpu:
        gpu = self._gpus.setdefault(message.index, _Gpu())
        gpu.heard_ns, gpu.last_at_ns, gpu.began_ns = message.mono_ns, at_ns, None
        gpu.is_confirmed, gpu.was_late = True, False
        return gpu

    def hanging(self, now_ns: int) -> list[int]:
        """Return the GPUs past their deadline, the one that began first first."""
        late = [
            (gpu.began_ns or gpu.heard_ns, index)
            for index, gpu in self._listed()
            if self._is_late(gpu, now_ns)
        ]
        return [index for _, index in sorted(late)]

    def _is_late(self, gpu: _Gpu, now_ns: int) -> bool:
        if gpu.blame is not None and now_ns < gpu.blame.until_ns + self.deadline_ns:
            return False
        if gpu.began_ns is not None and now_ns - gpu.began_ns > self.deadline_ns:
            return True
        return now_ns - gpu.heard_ns > self.interval_ns + self.deadline_ns

    def in_flight(self) -> list[int]:
        """Return the GPUs whose calls began and have not come back."""
        return [index for index, gpu in self._listed() if gpu.began_ns is not None]

    def blame(self, index: int, now_ns: int, reason: str, detail: str) -> None:
        """Leave one GPU alone: for one deadline, then twice as long every time."""
        gpu = self._gpus.setdefault(index, _Gpu())
        strikes = 1 if gpu.blame is None else gpu.blame.strikes + 1
        longest_ns = int(LONGEST_DELAY_SECONDS * NS_PER_SECOND)
        delay_ns = min(self.deadline_ns << min(strikes - 1, 30), longest_ns)
        gpu.blame = Blame(strikes, now_ns + delay_ns, reason, detail)

    def restart(self, now_ns: int) -> None:
        """
        Forget what was under way in a child that is no more.

        A new child gives every GPU a new deadline, but one that was late
        stays so until it has answered.
        """
        for gpu in self._gpus.values():
            gpu.was_late = gpu.was_late or self._is_late(gpu, now_ns)
            gpu.began_ns = None

    def delays(self, now_ns: int) -> dict[int, float]:
        """Return for how many seconds a new child shall leave which GPU alone."""
        return {
            index: (gpu.blame.until_ns - now_ns) / NS_PER_SECOND
            for index, gpu in self._gpus.items()
            if gpu.blame is not None and gpu.blame.until_ns > now_ns
        }

    def observations(
        self, now_ns: int, at_ns: int, silence: str | None = None
    ) -> list[GpuSample | GpuLost]:
        """
        Return one observation per GPU that is or was there, by index.

        A GPU that was only just listed is absent until it has answered or is late.

        Args:
            now_ns: CLOCK_MONOTONIC now.
            at_ns: The same instant on the ledger's clock.
            silence: Why nothing is heard of any GPU now, or None.
        """
        told = [
            self._observe(index, gpu, now_ns, at_ns, silence)
            for index, gpu in self._listed()
            if gpu.last is not None or silence or self._is_late(gpu, now_ns)
        ]
        return told + self._missing({gpu.uuid for gpu in told}, now_ns, at_ns)

    def _missing(
        self, present: set[str | None], now_ns: int, at_ns: int
    ) -> list[GpuLost]:
        """
        Name the GPUs that the driver no longer lists.

        Not before every listed one has answered anew, or is late: when one goes
        the others move up, and the last index is not the one that went.
        """
        if not all(
            gpu.is_confirmed or gpu.was_late or self._is_late(gpu, now_ns)
            for _, gpu in self._listed()
        ):
            return []
        why = f"the driver lists {self.count} GPUs now, and not this one"
        return self.roster.gone(present, now_ns, at_ns, why)

    def samples(self) -> list[GpuSample]:
        """Return the newest sample of every GPU that ever answered, by index."""
        last = (gpu.last for _, gpu in sorted(self._gpus.items()))
        return [sample for sample in last if isinstance(sample, GpuSample)]

    def _observe(
        self, index: int, gpu: _Gpu, now_ns: int, at_ns: int, silence: str | None
    ) -> GpuSample | GpuLost:
        uuid = self._uuid_of(index, gpu)
        quiet_seconds = (now_ns - gpu.heard_ns) / NS_PER_SECOND
        late = gpu.was_late or self._is_late(gpu, now_ns)
        if gpu.blame is not None and gpu.heard_ns < gpu.blame.until_ns:
            return GpuLost(index, at_ns, uuid, None, gpu.blame.reason, gpu.blame.detail)
        if silence is not None and (late or gpu.last is None):
            return GpuLost(index, at_ns, uuid, None, "error", silence)
        if late or gpu.last is None:
            detail = f"no answer for {quiet_seconds:.1f} s; is the driver wedged?"
            return GpuLost(index, at_ns, uuid, None, "hanging", detail)
        if isinstance(gpu.last, GpuSample):
            return gpu.last
        code, detail = gpu.last.code, gpu.last.detail
        reason = REASONS.get(code, "error")
        return GpuLost(index, gpu.last_at_ns, uuid, code, reason, detail)

    def _uuid_of(self, index: int, gpu: _Gpu) -> str | None:
        """Return the remembered UUID, unless that GPU has moved to another index."""
        if gpu.uuid is None or self.roster.home.get(gpu.uuid) == index:
            return gpu.uuid
        return None

    def _listed(self) -> Iterator[tuple[int, _Gpu]]:
        count = self.count or 0
        return ((i, gpu) for i, gpu in sorted(self._gpus.items()) if i < count)
