"""A heartbeat on a clock that a test moves, into a wire that a test reads."""

from __future__ import annotations

import json
from typing import Any

from goodput_sdk._clock import PhaseClock
from goodput_sdk._environment import Place
from goodput_sdk._identity import Identity
from goodput_sdk._phases import NAMES
from goodput_sdk._reporter import Reporter
from goodput_sdk._sender import Life, Sender

S = 1_000_000_000
Message = dict[str, Any]


class Now:
    """A monotonic clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.ns = 5 * S

    def __call__(self) -> int:
        """Return nanoseconds."""
        return self.ns

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.ns += round(seconds * S)


class Wire:
    """What reached the agent, in order; *full* drops as a full queue would."""

    def __init__(self, limit: int = 8192) -> None:
        self.limit = limit
        self.full = False
        self.datagrams: list[bytes] = []
        self.closed = 0

    def send(self, datagram: bytes) -> bool:
        """Take a datagram, unless the queue is full."""
        if not self.full:
            self.datagrams.append(datagram)
        return not self.full

    def close(self) -> None:
        """Count that the socket was closed."""
        self.closed += 1

    @property
    def messages(self) -> list[Message]:
        """Return the messages that arrived."""
        return [json.loads(datagram) for datagram in self.datagrams]


class Rig:
    """
    One reporter whose thread is the test.

    Args:
        limit: The longest datagram that the wire takes.
        run_id: The run's id.
    """

    def __init__(self, limit: int = 8192, run_id: str | None = "ml/llama") -> None:
        self.now = Now()
        self.wire = Wire(limit)
        self.lives: list[Life] = []
        self.ended_well = True
        self._run_id = run_id
        names = list(NAMES)
        life = self._live()
        self.sender = Sender(
            life,
            [],
            2.0,
            facts={"sdk": "0.1.0"},
            names=names,
            connect=lambda _: self.wire,  # type: ignore[arg-type, return-value]  # a wire is all a channel is
            wall=lambda: 1_700_000_000.5,
        )
        self.hb = Reporter(
            life,
            self.sender,
            names=names,
            live=self._live,
            ended_well=lambda: self.ended_well,
        )

    @property
    def clock(self) -> PhaseClock:
        """Return the current incarnation's clock."""
        return self.lives[-1].clock

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now.pass_s(seconds)

    def beat(self) -> Message:
        """Do what the thread does at an interval; return the newest message."""
        self.sender.tick()
        return self.wire.messages[-1]

    def _live(self) -> Life:
        identity = Identity(
            incarnation=f"{len(self.lives) + 1:016x}",
            run_id=self._run_id,
            place=Place(3, 8, 1, 4),
        )
        self.lives.append(Life(identity, PhaseClock(self.now)))
        return self.lives[-1]
