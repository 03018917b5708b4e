"""The heartbeat that reports: it moves the clock, and leaves the rest to the sender."""

from __future__ import annotations

from _thread import get_ident

from goodput_sdk._facts import fact_fields
from goodput_sdk._guard import swallow, warn
from goodput_sdk._heartbeat import NOTHING, Heartbeat, Section
from goodput_sdk._phases import (
    ANNOUNCED,
    FINALIZE,
    INIT,
    NAME_LENGTH_LIMIT,
    NAMES_LIMIT,
    OTHER,
    OUTSIDE,
    TRAIN,
)
from goodput_sdk._sections import CheckpointSection, PhaseSection, StepSection
from goodput_sdk._steps import as_step

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from goodput_sdk._clock import PhaseClock
    from goodput_sdk._sender import Life, Sender

    Item = TypeVar("Item")

ANNOUNCE_EVERY_NS = 200_000_000


class TimedLoader:
    """
    A data loader whose ``next`` is timed; everything else is the loader's own.

    Args:
        loader: Anything that can be iterated, once or many times.
        phase: Returns the block of a phase.
    """

    def __init__(
        self, loader: Iterable[object], phase: Callable[[str], Section]
    ) -> None:
        self._loader = loader
        self._phase = phase

    def __iter__(self) -> Iterator[object]:
        """Yield the loader's items; its first ``iter`` may start workers, and waits."""
        with self._phase("data_loading"):
            items = iter(self._loader)
        while True:
            with self._phase("data_loading"):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def __len__(self) -> int:
        """Return the loader's length, if it has one."""
        return len(self._loader)  # type: ignore[arg-type]  # its own TypeError is the answer

    def __getattr__(self, name: str) -> object:
        """Return what the loader has under *name*, such as its sampler."""
        return getattr(self._loader, name)


class Reporter(Heartbeat):
    """
    One rank's heartbeat.

    Only the thread that made it moves the clock: a checkpoint writer that runs
    beside the loop must not switch the loop's phase. Calls from other threads,
    and from a signal handler that interrupted one of ours, are counted in
    *ignored*.

    Args:
        sender: Speaks for the current life.
        names: The phases' names, by number; grows.
        live: Begins a new life, for ``reinit``.
        ended_well: Tells from the interpreter's state how the program ends.
    """

    __slots__ = (
        "_announced_ns",
        "_clock",
        "_closed",
        "_ended_well",
        "_live",
        "_names",
        "_numbers",
        "_owner",
        "_said",
        "_sections",
        "_sender",
        "_step",
        "ignored",
    )

    def __init__(
        self,
        life: Life,
        sender: Sender,
        *,
        names: list[str],
        live: Callable[[], Life],
        ended_well: Callable[[], bool],
    ) -> None:
        self.ignored = 0
        self._sender = sender
        self._names = names
        self._numbers = {name: number for number, name in enumerate(names)}
        self._numbers[names[OUTSIDE]] = INIT
        self._live = live
        self._ended_well = ended_well
        self._said: dict[str, object] = {}
        self._closed = False
        self._adopt(life.clock)

    def _adopt(self, clock: PhaseClock) -> None:
        clock.cum_ns.extend([0] * (len(self._names) - len(clock.cum_ns)))
        self._owner = get_ident()
        self._clock = clock
        self._announced_ns = clock.start_ns - ANNOUNCE_EVERY_NS
        self._step = StepSection(clock)
        self._sections: dict[str, Section] = {}

    # The hot path. A call costs as much as the lines it would hide, so the next two
    # write out what the others ask `_may_move`: thread, and re-entry by a signal.
    def step(
        self,
        step: int,
        *,
        tokens: int | None = None,
        samples: int | None = None,
        flops: float | None = None,
    ) -> Section:
        """Return the block of one optimizer step; it counts if nothing is raised."""
        try:
            clock = self._clock
            if clock.version & 1 or get_ident() != self._owner:
                return self._ignore()
            clock.next_step = step
            if tokens is None and samples is None and flops is None:
                clock.amounts = None
            else:
                clock.amounts = (tokens, samples, flops)
        except Exception as error:
            swallow(error)
            return NOTHING
        return self._step

    def phase(self, name: str) -> Section:
        """Return the block in which the loop is in phase *name*; blocks nest."""
        try:
            if self._clock.version & 1 or get_ident() != self._owner:
                return self._ignore()
            return self._sections.get(name) or self._add_section(name)
        except Exception as error:
            swallow(error)
            return NOTHING

    def enter(self, phase: str) -> None:
        """Go to *phase* until the next ``enter``: for loops that cannot nest."""
        try:
            if not self._may_move():
                self._ignore()
                return
            number = self._number(phase)
            self._clock.shift(number)
            if number in ANNOUNCED:
                self._announce()
        except Exception as error:
            swallow(error)

    def step_end(  # each amount has a name of its own
        self,
        step: int,
        *,
        tokens: int | None = None,
        samples: int | None = None,
        flops: float | None = None,
        skipped: bool = False,
    ) -> None:
        """Complete optimizer step *step*; the phase stays what ``enter`` said."""
        try:
            if not self._may_move():
                self._ignore()
                return
            clock = self._clock
            clock.next_step = step
            clock.amounts = (tokens, samples, flops)
            clock.skipping = skipped
            clock.tick()
            if clock.phase == OUTSIDE:
                # A loop that tells its steps and nothing else is training from its
                # first step's end on; before, it may just as well have compiled.
                clock.shift(TRAIN)
        except Exception as error:
            swallow(error)

    def data(self, loader: Iterable[Item]) -> Iterable[Item]:
        """Return *loader*, with the time that ``next`` blocks told as data loading."""
        try:
            return TimedLoader(loader, self.phase)  # type: ignore[return-value]  # Generic needs typing, see above
        except Exception as error:
            swallow(error)
            return loader

    def checkpoint(self, step: int, *, async_: bool = False) -> Section:
        """Return the block that saves *step*."""
        try:
            blocking = self.phase("checkpoint_save")
            return CheckpointSection(
                step, blocking, self.saved, self.durable, async_=async_
            )
        except Exception as error:
            swallow(error)
            return NOTHING

    def _describe(self, said: dict[str, object]) -> None:
        known = {name: fact for name, fact in said.items() if fact is not None}
        self._said.update(known)
        self._sender.renew_facts(fact_fields(self._said))

    def restored(self, step: int | None) -> None:
        """Declare where this incarnation resumes; None is a fresh start."""
        try:
            number = as_step(-1 if step is None else step)
            if number is None:
                warn_of_step("restored", step)
                return
            clock = self._clock
            # What was saved above it belongs to a branch that is no more.
            if clock.saved is not None and clock.saved > number:
                clock.saved = None
            if clock.durable is not None and clock.durable > number:
                clock.durable = None
            clock.restored = number
        except Exception as error:
            swallow(error)

    def saved(self, step: int) -> None:
        """Say that a checkpoint call for *step* has returned; from any thread."""
        try:
            number = as_step(step)
            if number is None:
                warn_of_step("saved", step)
            else:
                self._clock.saved = number
        except Exception as error:
            swallow(error)

    def durable(self, step: int) -> None:
        """Say that *step* can be restored from; an older one changes nothing."""
        try:
            number = as_step(step)
            clock = self._clock
            if number is None:
                warn_of_step("durable", step)
            elif clock.durable is None or number > clock.durable:
                clock.durable = number
        except Exception as error:
            swallow(error)

    def reinit(self) -> None:
        """Begin a new incarnation in this process: an in-process restart."""
        try:
            life = self._live()
            self._sender.replace(life)
            self._adopt(life.clock)
        except Exception as error:
            swallow(error)

    def close(self, *, ok: bool | None = None) -> None:
        """Say goodbye; the interpreter's exit does the same."""
        try:
            if self._closed:
                return
            self._closed = True
            if self._may_move():
                self._clock.shift(FINALIZE)
            self._sender.close(ok=self._ended_well() if ok is None else ok)
        except Exception as error:
            swallow(error)

    @property
    def closed(self) -> bool:
        """Tell whether this heartbeat has said goodbye."""
        return self._closed

    def silence(self) -> None:
        """Fall silent without a word, as a forked child must."""
        self._closed = True
        self._sender.silence()

    def _may_move(self) -> bool:
        return not self._clock.version & 1 and get_ident() == self._owner

    def _ignore(self) -> Section:
        self.ignored += 1
        if self.ignored == 1:
            warn(
                "goodput-sdk: a phase or step was told by a thread other than the one "
                "that called init, and is ignored; call init in the thread that trains"
            )
        return NOTHING

    def _add_section(self, name: str) -> Section:
        section = PhaseSection(self._clock, self._number(name), self._announce)
        self._sections[name] = section
        return section

    def _number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = self._new_number(name)
        return number

    def _new_number(self, name: str) -> int:
        distinct = len(self._names) - 1  # "init" has two numbers
        if distinct >= NAMES_LIMIT or not is_phase_name(name):
            warn(
                "goodput-sdk: phase %.40r is told as 'other': at most %d names, each "
                "of at most %d printable ASCII characters, fit a message",
                name,
                NAMES_LIMIT,
                NAME_LENGTH_LIMIT,
            )
            return OTHER
        # Time first, name second: a reader pairs them up to the shorter of the two.
        self._clock.cum_ns.append(0)
        self._names.append(name)
        return len(self._names) - 1

    def _announce(self) -> None:
        since_ns = self._clock.since_ns
        if since_ns - self._announced_ns >= ANNOUNCE_EVERY_NS:
            self._announced_ns = since_ns
            self._sender.announce()


def is_phase_name(name: object) -> bool:
    """Tell whether the wire takes *name* for a phase."""
    if type(name) is not str or not 0 < len(name) <= NAME_LENGTH_LIMIT:
        return False
    return name.isascii() and name.isprintable()


def warn_of_step(method: str, step: object) -> None:
    """Tell that a step number was unusable; it is not looked into."""
    warn(
        "goodput-sdk: %s got a %s as its step and ignores it; give a plain int",
        method,
        type(step).__name__,
    )
