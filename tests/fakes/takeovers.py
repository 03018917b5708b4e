"""One run, one agent, and leaders that take over from one another by other clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.observations import Delivered
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.ledger.state import decode_state
from goodput_exporter.services.naming import Naming
from goodput_exporter.services.offset import Offset, better, measured
from goodput_exporter.services.sharding import Shard
from goodput_exporter.sources.workloads.tracker import Tracker
from goodput_exporter.wire.frames import encode_frame, read_frame, split
from goodput_exporter.wire.kinds import Observation
from tests.fakes.cluster import Pod, Raw, job, node, ns
from tests.fakes.ledger import MemoryLedger
from tests.fakes.office import books_on
from tests.fakes.trainers import Trainer, Truth

NODE: Final = "n1"
SLOT_NS: Final = NS_PER_SECOND // 10
"""Everything happens in such slots: it is looked at, pushed and booked in them."""
PUSH_SLOTS: Final = 5
TICK_SLOTS: Final = 2
WAY_NS: Final = 20_000
"""How long a push takes, and its answer: what an agent knows of clocks is as exact."""
SETTLE_S: Final = 10
AFTER_START_S: Final = 50
RULES: Final = Rules(
    grace_ns=3 * SLOT_NS,
    settle_ns=SETTLE_S * NS_PER_SECOND,
    settle_after_start_ns=AFTER_START_S * NS_PER_SECOND,
)


@dataclass(frozen=True, slots=True)
class Reign:
    """
    One leader's time, until the next one's begins.

    Args:
        from_s: When it has opened the ledger.
        ahead_ns: How far its clock is ahead of the trainer's.
        away_s: How long nobody led before.
    """

    from_s: float
    ahead_ns: int = 0
    away_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Days:
    """
    What befalls a run of two minutes at most; seconds are of the story.

    Args:
        reigns: The leaders, the first from the beginning.
        crashes: When its rank dies and begins again.
        cut_off: From when to when its agent reaches nobody.
        report_slots: Between two reports of the rank. Its agent vouches in each slot.
        begins_s, ends_s: When the rank begins, and ends well.
        over_s: Until when books are kept.
    """

    reigns: Sequence[Reign]
    crashes: Sequence[float] = ()
    cut_off: tuple[float, float] = (0.0, 0.0)
    report_slots: int = 1
    begins_s: float = 4.0
    ends_s: float = 48.0
    over_s: float = 62.0


class Leader:
    """
    What an aggregator does between its take-over and its death.

    Args:
        ledger: What its predecessor left.
        ahead_ns: How far its clock is ahead.
        seen: What it lists of the cluster.
        at_ns: When it begins.
    """

    def __init__(
        self, ledger: MemoryLedger, ahead_ns: int, seen: Sequence[Raw], at_ns: int
    ) -> None:
        self.ahead_ns = ahead_ns
        self.books = books_on(ledger, RULES)
        self._tracker = Tracker("local")
        self._naming = Naming(
            self._tracker, Shard(0, 1), cluster="local", namespace="default"
        )
        now_ns = at_ns + ahead_ns
        for fold in self.books.resume(now_ns):
            self._naming.know(fold.lives, fold.key)
            if fold.placed is not None:
                self._tracker.remember(fold.placed)
        for raw in seen:
            self._tracker.change("modified", raw, now_ns)
        self._tracker.listed(now_ns)

    def tick(self, at_ns: int, heard: Sequence[Sequence[Observation]]) -> None:
        """Book what has come, in one commit."""
        now_ns = at_ns + self.ahead_ns
        self.books.take(self._tracker.drain(now_ns))
        for seen in heard:
            self.books.take(self._naming.named(seen, NODE, now_ns), NODE)
        for name, ready in self._naming.ripe(now_ns):
            self.books.take(ready, name)
        self.books.tick(now_ns)
        self._naming.settle(is_committed=True)


class Life:
    """
    A run and its agent under one leader after another.

    Args:
        days: What befalls them.
    """

    def __init__(self, days: Days) -> None:
        self._days = days
        self.ledger = MemoryLedger()
        self._trainer = Trainer("llama-0", ns(days.begins_s))
        pod = Pod("llama-0", job("llama"))
        pod.bound(1, NODE)
        self._seen = [node(NODE), job("llama"), pod.running(2)]
        self._reigns = list(days.reigns)
        self._leader: Leader | None = None
        self._offset: Offset | None = None
        self._queue: list[Observation] = []
        self._spool: list[bytes] = []
        self._heard: list[bytes] = []
        self._sealed = 0
        self.truth = Truth()

    def live(self) -> Life:
        """Let all of it happen."""
        crashes = [round(at_s * 10) for at_s in self._days.crashes]
        ends = round(self._days.ends_s * 10)
        for slot in range(20, round(self._days.over_s * 10)):
            at_ns = ns(0) + slot * SLOT_NS
            self._reign(slot / 10, at_ns)
            if slot < ends:
                self._look(at_ns, slot, is_crash=slot in crashes)
            elif slot == ends:
                self._queue += self._trainer.leave(at_ns)
                self.truth = self._trainer.truth(at_ns)
            self._queue.append(Delivered(NODE, at_ns))
            if slot % PUSH_SLOTS == 0:
                self._push(slot / 10, at_ns)
            if slot % TICK_SLOTS == 0 and self._leader is not None:
                heard = [frame for body in self._heard for frame in split(body)]
                shift_ns = 0 if self._offset is None else self._offset.ns
                found = [read_frame(one, shift_ns=shift_ns) for one in heard]
                self._leader.tick(at_ns, [one.observations for one in found])
                self._heard = []
        return self

    @property
    def fold(self) -> Fold:
        """Return the run's fold as it was committed last."""
        [run] = self.ledger.runs()
        return decode_state(self.ledger.state_of(run.key) or b"")

    @property
    def segments(self) -> list[Segment]:
        """Return what the run's book holds."""
        [run] = self.ledger.runs()
        return list(self.ledger.segments(run.key))

    def _look(self, at_ns: int, slot: int, *, is_crash: bool) -> None:
        if is_crash:
            self._queue += self._trainer.crash(at_ns)
        elif slot % self._days.report_slots == 0:
            self._queue += self._trainer.look(at_ns)

    def _reign(self, at_s: float, at_ns: int) -> None:
        """Let the next leader's predecessor die in time, and it take over."""
        if not self._reigns:
            return
        reign = self._reigns[0]
        if self._leader is not None and at_s >= reign.from_s - reign.away_s:
            # What it had taken and not committed, agents push again.
            self._spool = [*self._heard, *self._spool]
            self._heard, self._leader = [], None
        if self._leader is None and at_s >= reign.from_s:
            self._leader = Leader(self.ledger, reign.ahead_ns, self._seen, at_ns)
            del self._reigns[0]

    def _push(self, at_s: float, at_ns: int) -> None:
        self._sealed += 1
        self._spool.append(
            encode_frame(
                self._queue,
                agent=NODE,
                node=NODE,
                epoch="e",
                sequence=self._sealed,
                made_ns=at_ns,
                offset_ns=None if self._offset is None else self._offset.ns,
            )
        )
        self._queue = []
        begins_s, ends_s = self._days.cut_off
        if self._leader is None or begins_s <= at_s < ends_s:
            return
        if self._offset is not None:
            self._heard, self._spool = [*self._heard, *self._spool], []
        there_ns = at_ns + WAY_NS + self._leader.ahead_ns
        exchange = measured(at_ns, there_ns, there_ns, at_ns + 2 * WAY_NS)
        self._offset = better(self._offset, exchange)
