"""The exclusive clock of one incarnation: every nanosecond is in exactly one phase."""

from __future__ import annotations

import time

from goodput_sdk._phases import IDLE, NAMES, OUTSIDE, TRAIN

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    from collections.abc import Callable

# A writer is between two of its stores for less than a microsecond, unless it
# lost the interpreter lock there; so a reader that waits has soon seen a whole.
READ_ATTEMPTS = 50
READ_PAUSE_S = 0.0002


class PhaseClock:
    """
    What one incarnation of one rank has done so far, as state.

    One thread writes, without a lock: *version* is odd while it does, and a
    reader that saw an odd or a changed version reads again. The age of the
    phase is derived from the sum of *cum_ns*, so that time adds up even in a
    reading taken in the middle of a write.

    Args:
        now: A monotonic clock, in nanoseconds.
    """

    __slots__ = (
        "amounts",
        "begun",
        "cum_ns",
        "durable",
        "flops",
        "next_step",
        "now",
        "outer",
        "phase",
        "restored",
        "samples",
        "saved",
        "since_ns",
        "skipping",
        "spread",
        "start_ns",
        "step",
        "step_done_ns",
        "steps_done",
        "tokens",
        "train_mark_ns",
        "version",
    )

    def __init__(self, now: Callable[[], int] = time.monotonic_ns) -> None:
        self.now = now
        self.version = 0
        self.start_ns = self.since_ns = self.step_done_ns = now()
        self.phase = OUTSIDE
        self.outer: list[int] = []
        self.cum_ns = [0] * len(NAMES)
        self.begun = False
        self.next_step: object = None
        self.amounts: tuple[object, object, object] | None = None
        self.skipping = False
        self.step: object = None
        self.steps_done = 0
        self.train_mark_ns = 0
        self.spread = [0, 0, 0, 0]
        self.restored: object = None
        self.saved: int | None = None
        self.durable: int | None = None
        self.tokens: int | None = None
        self.samples: int | None = None
        self.flops: float | None = None

    # The next two run in every step: they share lines rather than a call, which
    # would cost as much as the lines do. The clock is read after the version went
    # odd, so that a reader who saw it even has read an earlier time: no phase's
    # sum ever shrinks from one message to the next.

    def shift(self, phase: int) -> None:
        """Book the open time to the phase that ends, and go on in *phase*."""
        if phase == self.phase:
            return
        try:
            self.version += 1
            now_ns = self.now()
            self.cum_ns[self.phase] += now_ns - self.since_ns
            self.since_ns = now_ns
            self.phase = phase
            if phase == TRAIN and not self.begun:
                self._begin()
            self.version += 1
        except BaseException:
            self._mend()
            raise

    def finish(self, outer: int) -> None:
        """Complete a step and go on in *outer*, both at one instant."""
        if outer == self.phase:
            self.tick()
            return
        try:
            self.version += 1
            now_ns = self.now()
            self.cum_ns[self.phase] += now_ns - self.since_ns
            self.since_ns = now_ns
            self.phase = outer
            self._complete(now_ns, self.cum_ns[TRAIN])
            self.version += 1
        except BaseException:
            self._mend()
            raise

    def tick(self) -> None:
        """Complete a step and stay in the phase, which goes on growing older."""
        try:
            self.version += 1
            now_ns = self.now()
            open_ns = now_ns - self.since_ns if self.phase == TRAIN else 0
            self._complete(now_ns, self.cum_ns[TRAIN] + open_ns)
            self.version += 1
        except BaseException:
            self._mend()
            raise

    def _begin(self) -> None:
        self.begun = True
        self.outer[:] = [IDLE if phase == OUTSIDE else phase for phase in self.outer]

    def _complete(self, now_ns: int, train_ns: int) -> None:
        took_ns = train_ns - self.train_mark_ns
        self.train_mark_ns = train_ns
        self.steps_done += 1
        if self.skipping:
            self.skipping = False
            return
        self.step = self.next_step
        self.step_done_ns = now_ns
        spread = self.spread
        if spread[0] == 0 or took_ns < spread[2]:
            spread[2] = took_ns
        if took_ns > spread[3]:  # noqa: PLR1730  # a call to max() costs more
            spread[3] = took_ns
        spread[0] += 1
        spread[1] += took_ns
        if self.amounts is not None:
            self._add_amounts(self.amounts)

    def _add_amounts(self, amounts: tuple[object, object, object]) -> None:
        tokens, samples, flops = amounts
        # Exact types only: adding up a device tensor would run a kernel.
        if type(tokens) is int:
            self.tokens = (self.tokens or 0) + tokens
        if type(samples) is int:
            self.samples = (self.samples or 0) + samples
        if type(flops) is int or type(flops) is float:
            self.flops = (self.flops or 0.0) + flops

    def _mend(self) -> None:
        # An exception (a KeyboardInterrupt, a clock that fails) between two stores
        # leaves the booked sums as the only truth; the rest follows from them.
        self.since_ns = self.start_ns + sum(self.cum_ns)
        self.version = (self.version | 1) + 1

    def read(
        self, take: Callable[[PhaseClock], dict[str, object]]
    ) -> dict[str, object]:
        """
        Return what *take* reads, from one instant between two writes.

        After ``READ_ATTEMPTS`` it returns what it has: conservation holds by
        construction, and only the name of the newest phase may be one behind.
        """
        for _ in range(READ_ATTEMPTS):
            version = self.version
            if not version & 1:
                taken = take(self)
                if self.version == version:
                    return taken
            time.sleep(READ_PAUSE_S)
        return take(self)
