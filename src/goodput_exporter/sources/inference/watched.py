"""One container that says nothing: from looks at it to what it would have reported."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from goodput_exporter.domain.observations import ModelFacts, RankReport
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase
from goodput_exporter.sources.inference.looks import Look, Rates, Usage, rates
from goodput_exporter.sources.inference.moments import (
    CONFIDENCE,
    Basis,
    Floors,
    Moment,
    basis_of,
    moment_of,
)
from goodput_exporter.sources.inference.thresholds import Thresholds
from goodput_exporter.sources.inference.windows import Verdict, judge

FILLED: Final = 0.01
"""Share of a GPU's memory that must be added within a window to call it filling."""
LONGEST_GAP_S: Final = 15
"""Nobody looked for longer than this: the window begins anew after it."""
DOUBTFUL: Final = (Moment.SPINNING, Moment.UNCLEAR)


@dataclass(frozen=True, slots=True)
class Container:
    """
    One life of one container, as the agent knows it.

    Args:
        pod: The pod's uid. *name*: the container's within the pod.
        id: The runtime's, which every restart of the container changes.
        started_ns: When it began, on the ledger's clock.
        gpus: The UUIDs of its GPUs.
        run_id: Of the pod's label or annotation; None leaves it to its owners.
        namespace: Of the pod.
    """

    pod: str
    name: str
    id: str
    started_ns: int
    gpus: tuple[str, ...]
    run_id: str | None = None
    namespace: str | None = None

    @property
    def place(self) -> str:
        """Return what no other container has, and what outlives the agent."""
        return f"{self.pod}/{self.name}/{self.id}"


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look, reduced to what a window needs."""

    at_ns: int
    moment: Moment
    filled: float


@dataclass(slots=True)
class Watched:
    """
    What is known of one container up to the middle of its newest window.

    Args:
        container: Which one.
        limits: The thresholds.
        begun_ns: Since when it is watched; a later watch is another incarnation.
        told_ns: Everything before it has a phase.
        phase, entered_ns: The present one, and since when.
        sign_ns: When it last looked like training.
        cum_ns: Time per phase so far, without what nobody saw.
    """

    container: Container
    limits: Thresholds
    begun_ns: int
    told_ns: int = 0
    phase: Phase = Phase.INIT
    entered_ns: int = 0
    sign_ns: int = 0
    cum_ns: dict[Phase, int] = field(default_factory=dict)
    basis: Basis | None = None
    has_worked: bool = False
    _signs: int = 0
    _seq: int = -1
    _usage: Usage | None = None
    _used: Rates = field(default_factory=Rates)
    _floors: Floors = field(default_factory=lambda: Floors({}))
    _window: deque[_Seen] = field(default_factory=deque)
    _doubts: deque[tuple[int, bool]] = field(default_factory=deque)
    _last: Look | None = None

    def __post_init__(self) -> None:
        """Know nothing of what came before."""
        self.told_ns = self.entered_ns = self.sign_ns = self.begun_ns

    @property
    def incarnation(self) -> str:
        """Return a name of 16 hex digits that no other watch has."""
        words = f"{self.container.place} {self.begun_ns}".encode()
        return blake2b(words, digest_size=8).hexdigest()

    def look(self, look: Look) -> None:
        """
        Take one look; what was half a window ago gets its phase by it.

        A look that is not newer than the one before says nothing, and neither do
        GPUs that show nothing.
        """
        newest_ns = self._window[-1].at_ns if self._window else self.told_ns
        if look.at_ns <= newest_ns:
            return
        for gpu in look.gpus:
            self._floors.learn(gpu)
        used = self._rates(look.usage)
        moment = moment_of(look, used, self._floors, self.limits)
        if moment is None:
            return
        self._last = look
        self.basis = basis_of(look.gpus[0]) or self.basis
        if look.at_ns - newest_ns > LONGEST_GAP_S * NS_PER_SECOND:
            self._skip(look.at_ns)
        self._window.append(_Seen(look.at_ns, moment, _filled(look)))
        self._doubt(look.at_ns, moment)
        self._tell()

    def _rates(self, now: Usage | None) -> Rates:
        """Return what it uses; between two readings what was between the last two."""
        before = self._usage
        if now is None or before is None or now.at_ns != before.at_ns:
            self._used, self._usage = rates(self._usage, now), now
        return self._used

    def report(self) -> RankReport | None:
        """
        Return the cumulative state so far; None before anything is known.

        It is dated in the past, at the middle of the window that it rests on.
        """
        if not self.cum_ns:
            return None
        self._seq += 1
        mine = self.container
        return RankReport(
            incarnation=self.incarnation,
            seq=self._seq,
            at_ns=self.told_ns,
            up_ns=sum(self.cum_ns.values()),
            phase=self.phase,
            phase_age_ns=self.told_ns - self.entered_ns,
            cum_ns=dict(self.cum_ns),
            run_id=mine.run_id,
            replica_group=mine.place,
            step_age_ns=self.told_ns - self.sign_ns,
            facts=ModelFacts(gpu_uuids=mine.gpus),
            source="inferred",
            pod=mine.pod,
            namespace=mine.namespace,
        )

    @property
    def confidence(self) -> str | None:
        """Return how far the phases can be trusted: high, medium or low."""
        return None if self.basis is None else CONFIDENCE[self.basis]

    def suspicion(self) -> float:
        """
        Return how much this looks like a hang, from 0 to 1.

        The share of looks within the last minute at which its GPUs were busy and
        did nothing that looks like work; 0 while it starts, and while any of them
        does work.
        """
        if not self.has_worked or not self._doubts:
            return 0.0
        reach_ns = self._doubts[-1][0] - self._doubts[0][0]
        whole_ns = self.limits.suspicion_s * NS_PER_SECOND
        if reach_ns < whole_ns * 0.9:
            return 0.0
        return sum(doubt for _, doubt in self._doubts) / len(self._doubts)

    def odd_ones(self) -> tuple[str, ...]:
        """Return the GPUs that do nothing while the others spin: look there first."""
        if self._last is None or self.suspicion() == 0.0:
            return ()
        return tuple(
            gpu.uuid
            for gpu in self._last.gpus
            if gpu.busy_ratio is not None and gpu.busy_ratio < self.limits.idle_ratio
        )

    def _doubt(self, at_ns: int, moment: Moment) -> None:
        self._doubts.append((at_ns, moment in DOUBTFUL))
        first_ns = at_ns - int(self.limits.suspicion_s * NS_PER_SECOND)
        while self._doubts[0][0] < first_ns:
            self._doubts.popleft()

    def _tell(self) -> None:
        """Name every instant that has half a window after it."""
        half_ns = int(self.limits.window_s * NS_PER_SECOND) // 2
        newest_ns = self._window[-1].at_ns
        for seen in list(self._window):
            if seen.at_ns <= self.told_ns or newest_ns - seen.at_ns < half_ns:
                continue
            self._name(seen.at_ns, half_ns)
        while self._window and self._window[0].at_ns < self.told_ns - half_ns:
            self._window.popleft()

    def _name(self, at_ns: int, half_ns: int) -> None:
        near = [s for s in self._window if abs(s.at_ns - at_ns) <= half_ns]
        verdict = judge(
            [seen.moment for seen in near],
            self.limits,
            has_worked=self.has_worked,
            is_filling=near[-1].filled - near[0].filled >= FILLED,
        )
        self._learn(verdict, near)
        if verdict.is_sign and not self.has_worked:
            verdict = Verdict(Phase.INIT)
        if verdict.phase is not self.phase:
            self.phase, self.entered_ns = verdict.phase, self.told_ns
        known_ns = self.cum_ns.get(verdict.phase, 0)
        self.cum_ns[verdict.phase] = known_ns + at_ns - self.told_ns
        self.told_ns = at_ns
        if verdict.is_sign:
            self.sign_ns = at_ns

    def _learn(self, verdict: Verdict, near: list[_Seen]) -> None:
        """Work begins with signs in a row, and is over when the context is gone."""
        self._signs = self._signs + 1 if verdict.is_sign else 0
        if self._signs >= self.limits.first_signs:
            self.has_worked = True
        elif all(seen.moment is Moment.BARE for seen in near):
            self.has_worked = False

    def _skip(self, at_ns: int) -> None:
        """Leave out time in which nobody looked: no phase has it, so nobody saw it."""
        self._window.clear()
        self._doubts.clear()
        self.told_ns = self.entered_ns = at_ns


def _filled(look: Look) -> float:
    """Return the share of the GPUs' memory that is in use."""
    return max(_shares(look), default=0.0)


def _shares(look: Look) -> Iterator[float]:
    for gpu in look.gpus:
        if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
            yield gpu.memory_used_bytes / gpu.memory_total_bytes
