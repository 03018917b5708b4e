"""What all events of a simulated cluster share: time, machines, notes, chance."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from enum import StrEnum

from goodput_exporter.simulate.chance import Chance
from goodput_exporter.simulate.effort import Effort
from goodput_exporter.simulate.plans import Noise, Preset
from goodput_exporter.simulate.pool import Pool
from goodput_exporter.simulate.raw import Verb
from goodput_exporter.simulate.scribe import Scribe


class What(StrEnum):
    """The events; ``world.HANDLERS`` says what each of them does."""

    SUBMIT = "submit"
    WAIT = "wait"
    RESUME = "resume"
    RELEASE = "release"
    REPAIR = "repair"
    CREATE = "create"
    BIND = "bind"
    RUN = "run"
    AGAIN = "again"
    STRIKE = "strike"
    GIVE_UP = "give_up"
    CHECK = "check"
    REGROW = "regrow"
    MAKE_ROOM = "make_room"


@dataclass(order=True, slots=True)
class Event:
    """
    One thing that will happen.

    Args:
        at_ns, serial: When; and in the order of planning, where that is equal.
        what: Which of the events.
        effort: To whom, where to a run.
        attempt: Nothing happens if the run is at another one by then; -1 always.
        places: The machines of a release or repair.
    """

    at_ns: int
    serial: int
    what: What = field(compare=False)
    effort: Effort | None = field(compare=False, default=None)
    attempt: int = field(compare=False, default=-1)
    places: tuple[int, ...] = field(compare=False, default=())


class Stage:
    """
    The state of a simulated cluster.

    Args:
        preset, seed: What is simulated.
        noise: How it is seen.
        start_ns, end_ns: The simulated time.
    """

    def __init__(
        self, preset: Preset, seed: int, noise: Noise, start_ns: int, end_ns: int
    ) -> None:
        self.preset = preset
        self.seed = seed
        self.noise = noise
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.pool = Pool(preset.nodes, preset.gpus_per_node)
        self.scribe = Scribe()
        self.chance = Chance(seed, "cluster")
        self.evidence = Chance(seed, "evidence")
        self.efforts: list[Effort] = []
        self.waiting: list[Effort] = []
        self.now_ns = start_ns
        self._heap: list[Event] = []
        self._serial = 0
        for machine in self.pool.machines:
            self.scribe.machine(start_ns, machine.name, machine.gpus, Verb.ADDED)

    def later(
        self,
        at_ns: int,
        what: What,
        effort: Effort | None = None,
        *,
        attempt: int = -1,
        places: tuple[int, ...] = (),
    ) -> None:
        """Plan an event; what would come after the end never comes."""
        if at_ns < self.end_ns:
            self._serial += 1
            event = Event(at_ns, self._serial, what, effort, attempt, places)
            heapq.heappush(self._heap, event)

    def next(self) -> Event | None:
        """Return the next event and go to its time; None at the end."""
        if not self._heap:
            return None
        event = heapq.heappop(self._heap)
        self.now_ns = event.at_ns
        return event

    def skew_ns(self, node: str) -> int:
        """Return by how much a node's clock is ahead; negative is behind."""
        wide_s = self.noise.skew_s
        return Chance(self.seed, "clock", node).between_ns(-wide_s, wide_s)
