"""Ranks that train by the wall clock and crash when told to, and their agents."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from goodput_exporter.clock import LedgerClock
from goodput_exporter.domain.observations import Delivered, RankExited, RankReport
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase
from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.ledger.spool.spool import Spool
from goodput_exporter.services.courier import HttpCourier, Reply
from goodput_exporter.services.push import Pusher, PushThread
from goodput_exporter.wire.kinds import Observation

INIT_NS: Final = NS_PER_SECOND // 5
DOWN_NS: Final = NS_PER_SECOND // 5
"""Between two lives: longer than clocks of two machines are known to differ."""
STEP_NS: Final = NS_PER_SECOND // 20
SAVE_EVERY: Final = 20
"""Steps between two checkpoints: a crash costs 19 of them at most, a second."""
LOOK_SECONDS: Final = 0.1
SEALS: Final = 3
"""Batches after which what was said before is in one of them, or in an earlier one."""
FAILED: Final = 1
FIRST_PID: Final = 1_000
OK: Final = 200


@dataclass(slots=True)
class Truth:
    """
    What a trainer has really done.

    Args:
        executed: Steps, those that were redone, too.
        step: The last one.
        lost: By each crash, the steps that have to be redone.
    """

    executed: int = 0
    step: int = 0
    lost: tuple[int, ...] = ()

    @property
    def redone(self) -> int:
        """Return how many steps were executed once more."""
        return self.executed - self.step


class Trainer:
    """
    One rank that makes twenty steps a second, and saves every twentieth.

    It is a function of the clock: whenever it is looked at, it has done what it
    would have by then. After a crash it goes on from its last checkpoint.

    Args:
        pod: The uid of its pod.
        now_ns: When it begins, in nanoseconds.
    """

    def __init__(self, pod: str, now_ns: int) -> None:
        self._pod = pod
        self._seq = 0
        self._restored = 0
        self._executed_before = self._high = 0
        self._lost: list[int] = []
        self._began_ns = now_ns

    def look(self, now_ns: int) -> list[Observation]:
        """Return what it says of itself now; nothing between two of its lives."""
        return [self._report(now_ns)] if now_ns >= self._began_ns else []

    def crash(self, now_ns: int) -> list[Observation]:
        """Let it die, and soon begin again; return its last word and its end."""
        seen = [*self.look(now_ns), RankExited(self._name, now_ns, FAILED)]
        steps = self._steps(now_ns)
        self._high = max(self._high, self._restored + steps)
        self._executed_before += steps
        saved = self._saved(steps)
        self._lost.append(self._restored + steps - saved)
        self._restored = saved
        self._began_ns = now_ns + DOWN_NS
        return seen

    def leave(self, now_ns: int) -> list[Observation]:
        """Let it end well; return its goodbye and its end."""
        report = self._report(now_ns)
        report.is_bye = report.ok = True
        return [report, RankExited(self._name, now_ns, 0)]

    def truth(self, now_ns: int) -> Truth:
        """Return what it has done by an instant of its present life."""
        steps = self._steps(now_ns)
        high = max(self._high, self._restored + steps)
        return Truth(self._executed_before + steps, high, tuple(self._lost))

    @property
    def _name(self) -> str:
        return sha256(f"{self._pod}/{len(self._lost)}".encode()).hexdigest()[:16]

    def _steps(self, now_ns: int) -> int:
        return max(0, now_ns - self._began_ns - INIT_NS) // STEP_NS

    def _saved(self, steps: int) -> int:
        """Return the last checkpoint, which costs no time."""
        reached = (self._restored + steps) // SAVE_EVERY * SAVE_EVERY
        return max(self._restored, reached)

    def _report(self, now_ns: int) -> RankReport:
        up_ns = now_ns - self._began_ns
        init_ns, steps = min(up_ns, INIT_NS), self._steps(now_ns)
        saved = self._saved(steps)
        self._seq += 1
        since_ns = up_ns - INIT_NS - steps * STEP_NS if steps else up_ns
        return RankReport(
            incarnation=self._name,
            seq=self._seq,
            at_ns=now_ns,
            up_ns=up_ns,
            phase=Phase.TRAIN_STEP if up_ns > INIT_NS else Phase.INIT,
            phase_age_ns=since_ns,
            cum_ns={Phase.INIT: init_ns, Phase.TRAIN_STEP: up_ns - init_ns},
            rank=0,
            world_size=1,
            step=self._restored + steps,
            step_age_ns=since_ns,
            steps_done=steps,
            restored_step=self._restored,
            saved_step=saved,
            durable_step=saved,
            pid=FIRST_PID + len(self._lost),
            pod=self._pod,
        )


class ServiceCourier:
    """
    Goes where it was answered last; on to the next replica after any trouble.

    As a Service's address does whose label moves: who asks again meets another.

    Args:
        urls: Each returns where a replica is now.
        now_ns: The agent's clock.
        token_file: With the agent's token.
    """

    def __init__(
        self,
        urls: Sequence[Callable[[], str]],
        now_ns: Callable[[], int],
        token_file: Path | None = None,
    ) -> None:
        self._urls, self._now_ns = list(urls), now_ns
        self._token_file = token_file
        self._courier: HttpCourier | None = None
        self._seconds: float | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a push and return the answer; see ``Courier``."""
        if self._courier is None:
            self._courier = HttpCourier(
                self._urls[0](), self._now_ns, token_file=self._token_file
            )
            if self._seconds is not None:
                self._courier.hurry(self._seconds)
        try:
            reply = self._courier.post(body, headers)
        except SourceUnavailableError:
            self._turn()
            raise
        if reply.status != OK:
            self._turn()
        return reply

    def hurry(self, seconds: float) -> None:
        """Wait so long at most for each answer from now on."""
        self._seconds = seconds
        if self._courier is not None:
            self._courier.hurry(seconds)

    def close(self) -> None:
        """Let go of the connection."""
        if self._courier is not None:
            self._courier.close()
            self._courier = None

    def _turn(self) -> None:
        self.close()
        self._urls.append(self._urls.pop(0))


class TrainerNode:
    """
    A node with one trainer, and its agent: real spool, real pusher, real courier.

    Args:
        name: The node's.
        pod: The uid of the trainer's pod.
        folder: Of the spool.
        urls: Each returns where a replica is now.
        token_file: With the agent's token.
        every_seconds: Between two batches.
    """

    def __init__(  # noqa: PLR0913 - the parts of a node, each named at the call
        self,
        name: str,
        pod: str,
        folder: Path,
        urls: Sequence[Callable[[], str]],
        *,
        token_file: Path | None = None,
        every_seconds: float,
    ) -> None:
        clock = LedgerClock()
        self.name, self._now_ns = name, clock.now_ns
        self._trainer = Trainer(pod, self._now_ns())
        self._spool = Spool(folder)
        self.pusher = Pusher(
            ServiceCourier(urls, self._now_ns, token_file),
            self._spool,
            agent=name,
            node=name,
            now_ns=self._now_ns,
            chance=random.random,
            every_seconds=every_seconds,
        )
        self._turn = threading.Lock()
        self._is_over = threading.Event()
        self._has_left, self._awaited = False, 0
        self._pushing = PushThread(self.pusher)
        self._looking = threading.Thread(target=self._look, daemon=True)

    def start(self) -> None:
        """Begin to train, and to push."""
        self._pushing.start()
        self._looking.start()

    def crash(self) -> None:
        """Let the trainer die and begin again."""
        with self._turn:
            now_ns = self._now_ns()
            self._say(self._trainer.crash(now_ns), now_ns)

    def finish(self) -> Truth:
        """Let the trainer end well, and its agent go on; return what it has done."""
        with self._turn:
            self._has_left = True
            now_ns = self._now_ns()
            self._say(self._trainer.leave(now_ns), now_ns)
        self._awaited = self.taken + self._spool.waiting().records + SEALS
        return self._trainer.truth(now_ns)

    @property
    def taken(self) -> int:
        """Return how many batches a ledger has, as the agent was told."""
        return self.pusher.counts.applied + self.pusher.counts.duplicates

    @property
    def is_delivered(self) -> bool:
        """Tell whether a ledger has all that was said before the trainer left."""
        return self.taken >= self._awaited

    def close(self) -> None:
        """Push what is left, and stop everything."""
        if self._is_over.is_set():
            return
        self._is_over.set()
        if self._looking.is_alive():
            self._looking.join()
        self._pushing.stop()
        self._spool.close()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            with self._turn:
                now_ns = self._now_ns()
                seen = [] if self._has_left else self._trainer.look(now_ns)
                self._say(seen, now_ns)

    def _say(self, seen: Sequence[Observation], asked_ns: int) -> None:
        """Push what was seen; nothing before *asked_ns* comes later any more."""
        self.pusher.take([*seen, Delivered(self.name, asked_ns)])
