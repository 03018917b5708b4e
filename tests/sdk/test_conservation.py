"""The law of the sender's book: whatever a loop does, its phases add up to its age."""

from __future__ import annotations

import inspect
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from hypothesis import given
from hypothesis import strategies as st

from goodput_sdk._clock import PhaseClock
from goodput_sdk._heartbeat import Section
from goodput_sdk._messages import state_fields
from goodput_sdk._phases import NAMES
from tests.sdk.rig import Rig, S

PHASES = st.sampled_from(sorted(set(NAMES)))
OPERATIONS = st.one_of(
    st.tuples(st.just("pass"), st.integers(0, 10**12)),
    st.tuples(st.just("open"), PHASES),
    st.tuples(st.just("step"), st.integers(0, 50)),
    st.tuples(st.just("close"), st.booleans()),
    st.tuples(st.just("enter"), PHASES),
    st.tuples(st.just("step_end"), st.booleans()),
)
Program = list[tuple[str, object]]


@dataclass
class PlainBook:
    """The same story kept the slow way: one entry per stretch of time."""

    phase: str = "outside"
    outer: list[str] = field(default_factory=list)
    begun: bool = False
    spent_ns: dict[str, int] = field(default_factory=dict)
    steps: int = 0

    def spend(self, ns: int) -> None:
        """Book time to the phase that is on."""
        name = {"outside": "init"}.get(self.phase, self.phase)
        if ns:
            self.spent_ns[name] = self.spent_ns.get(name, 0) + ns

    def go(self, phase: str) -> None:
        """Change the phase; the first step ends the start-up for good."""
        self.phase = phase
        if phase == "train_step" and not self.begun:
            self.begun = True
            self.outer = ["idle" if p == "outside" else p for p in self.outer]

    def open(self, phase: str) -> None:
        """Begin a nested phase."""
        self.outer.append(self.phase)
        self.go(phase)

    def close(self) -> None:
        """End it."""
        self.go(self.outer.pop())


def play(rig: Rig, book: PlainBook, program: Program) -> None:
    """Drive a heartbeat and the plain book through the same program."""
    sections: list[tuple[Section, bool]] = []
    for verb, value in program:
        if verb == "pass":
            assert isinstance(value, int)
            rig.now.ns += value
            book.spend(value)
        elif verb in ("open", "step"):
            open_section(rig, book, sections, value)
        elif verb == "close" and sections:
            close_section(book, sections, failed=bool(value))
        elif verb == "enter":
            rig.hb.enter(str(value))
            book.go(str(value))
        elif verb == "step_end":
            rig.hb.step_end(1, skipped=bool(value))
            book.steps += 1
            if book.phase == "outside":
                book.go("train_step")


def open_section(
    rig: Rig, book: PlainBook, sections: list[tuple[Section, bool]], value: object
) -> None:
    """Begin a block by hand."""
    is_step = isinstance(value, int)
    section = rig.hb.step(value) if isinstance(value, int) else rig.hb.phase(str(value))
    section.__enter__()
    sections.append((section, is_step))
    book.open("train_step" if is_step else str(value))


def close_section(
    book: PlainBook, sections: list[tuple[Section, bool]], *, failed: bool
) -> None:
    """End the innermost block, perhaps by an exception."""
    section, is_step = sections.pop()
    error = ValueError() if failed else None
    section.__exit__(ValueError if failed else None, error, None)
    book.steps += is_step and not failed
    book.close()


@given(st.lists(OPERATIONS, max_size=40))
def test_every_nanosecond_has_one_phase(program: Program) -> None:
    """Whatever is nested in what, the sums are exact and their total is the age."""
    rig, book = Rig(), PlainBook()
    play(rig, book, program)

    fields = state_fields(rig.clock)

    cum = fields["cum"]
    assert isinstance(cum, dict)
    assert {name: round(s * S) for name, s in cum.items()} == book.spent_ns
    assert sum(book.spent_ns.values()) == rig.now.ns - rig.clock.start_ns
    assert fields["sn"] == book.steps
    assert fields["ph"] == {"outside": "init"}.get(book.phase, book.phase)


def test_no_phase_shrinks_and_all_add_up_wherever_the_clock_is_read() -> None:
    """
    Between any two instructions of the writer, a reading adds up.

    One that the version calls whole takes nothing back from the one before.
    """
    rig, readings = Rig(), Readings()
    rig.clock.now = running_clock()

    with between_instructions_of(rig.clock, readings.take):
        for step in range(1, 6):
            with rig.hb.phase("data_loading"):
                pass
            with rig.hb.step(step), rig.hb.phase("eval"):
                pass
            rig.hb.enter("train_step")
            rig.hb.step_end(step)
            rig.hb.enter("idle")

    assert readings.whole > 500
    assert readings.torn > 500


def test_an_interrupt_between_any_two_instructions_loses_no_time() -> None:
    """A KeyboardInterrupt passes through, and the clock goes on, exact as before."""
    interrupted = 0
    for instruction in itertools.count(1):
        rig = Rig()
        rig.clock.now = running_clock()
        before = instruction - 1
        try:
            with between_instructions_of(rig.clock, Interrupt(instruction).look):
                one_step(rig)
        except KeyboardInterrupt:
            interrupted += 1
        if interrupted == before:
            break
        one_step(rig)
        reading = state_fields(rig.clock)

        assert not rig.clock.version & 1
        assert reading["st"] == 1
        assert rig.clock.since_ns == rig.clock.start_ns + sum(rig.clock.cum_ns)

    assert interrupted > 100


class Interrupt:
    """Control-C at the *n*-th look."""

    def __init__(self, n: int) -> None:
        self._left = n

    def look(self, _: PhaseClock) -> None:
        """Interrupt when the time has come."""
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt


def one_step(rig: Rig) -> None:
    """Take one step with an evaluation in it."""
    with rig.hb.step(1), rig.hb.phase("eval"):
        pass


class Readings:
    """What a second thread could have read, each checked against the one before."""

    def __init__(self) -> None:
        self.whole = 0
        self.torn = 0
        self._cum: dict[str, float] = {}
        self._steps = 0

    def take(self, clock: PhaseClock) -> None:
        """Read a clock in the middle of whatever its writer does."""
        fields = state_fields(clock)
        cum, up, steps = fields["cum"], fields["up"], fields["sn"]
        assert isinstance(cum, dict)
        assert isinstance(up, float)
        assert isinstance(steps, int)
        assert sum(round(s * S) for s in cum.values()) == round(up * S)
        if clock.version & 1:
            self.torn += 1
            return
        self.whole += 1
        assert all(cum.get(name, 0.0) >= spent for name, spent in self._cum.items())
        assert steps >= self._steps
        self._cum, self._steps = cum, steps


def running_clock() -> Callable[[], int]:
    """Return a clock that goes on whenever it is read."""
    ticks = itertools.count(5 * S, 1000)
    return lambda: next(ticks)


@contextmanager
def between_instructions_of(
    clock: PhaseClock, look: Callable[[PhaseClock], None]
) -> Iterator[None]:
    """Look at a clock before each bytecode that the module of the clock runs."""
    path = inspect.getfile(PhaseClock)

    def trace(frame: FrameType, event: str, _: object) -> object:
        if frame.f_code.co_filename != path:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            look(clock)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]  # it returns itself
    try:
        yield
    finally:
        sys.settrace(before)
