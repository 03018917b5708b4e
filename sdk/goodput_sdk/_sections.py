"""The ``with`` blocks that move a clock; made once an incarnation, used every step."""

from __future__ import annotations

from goodput_sdk._guard import swallow, warn
from goodput_sdk._heartbeat import Section
from goodput_sdk._phases import ANNOUNCED, TRAIN

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    from collections.abc import Callable
    from types import TracebackType

    from goodput_sdk._clock import PhaseClock


class StepSection(Section):
    """One optimizer step after the other, on one clock."""

    __slots__ = ("_clock",)

    def __init__(self, clock: PhaseClock) -> None:
        self._clock = clock

    def __enter__(self) -> Section:
        """Go to train_step; where the loop was is where it goes back to."""
        try:
            clock = self._clock
            clock.outer.append(clock.phase)
            clock.shift(TRAIN)
        except Exception as error:
            swallow(error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Complete the step, unless an exception ends it: then it never was one."""
        try:
            clock = self._clock
            if kind is None:
                clock.finish(clock.outer.pop())
            else:
                clock.skipping = False
                clock.shift(clock.outer.pop())
        except Exception as ours:
            swallow(ours)

    def skip(self) -> None:
        """Say that this step ran and did not advance."""
        self._clock.skipping = True


class PhaseSection(Section):
    """
    One phase, as often as it comes.

    Args:
        clock: The clock to move.
        phase: Its number.
        announce: Tells the agent at once; called for phases worth it.
    """

    __slots__ = ("_announce", "_clock", "_phase")

    def __init__(
        self, clock: PhaseClock, phase: int, announce: Callable[[], object]
    ) -> None:
        self._clock = clock
        self._phase = phase
        self._announce = announce if phase in ANNOUNCED else None

    def __enter__(self) -> Section:
        """Go to the phase; where the loop was is where it goes back to."""
        try:
            clock = self._clock
            clock.outer.append(clock.phase)
            clock.shift(self._phase)
            if self._announce is not None:
                self._announce()
        except Exception as error:
            swallow(error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Go back to the phase around this one."""
        try:
            self._clock.shift(self._clock.outer.pop())
        except Exception as ours:
            swallow(ours)


class CheckpointSection(Section):
    """
    The blocking part of saving one step.

    Args:
        step: The step at the start of the save.
        blocking: The phase that the loop is in meanwhile.
        saved: Called with *step* when the block ends without an error.
        durable: Called with *step* when it can be restored from.
        async_: Durability comes later than the end of the block.
    """

    __slots__ = ("_async", "_blocking", "_durable", "_saved", "_step")

    def __init__(  # two facts, one phase, two doors
        self,
        step: int,
        blocking: Section,
        saved: Callable[[int], None],
        durable: Callable[[int], None],
        *,
        async_: bool,
    ) -> None:
        self._step = step
        self._blocking = blocking
        self._saved = saved
        self._durable = durable
        self._async = async_

    def __enter__(self) -> Section:
        """Go to checkpoint_save."""
        self._blocking.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Leave checkpoint_save; a save that raised saved nothing."""
        self._blocking.__exit__(kind, error, trace)
        if kind is None:
            self._saved(self._step)
            if not self._async:
                self._durable(self._step)

    def committed_when(self, future: object) -> None:
        """Make the step durable when *future* completes without an error."""
        try:
            # What torch's async_save returns in newer versions wraps its future.
            future = getattr(future, "upload_completion", future)
            notify = getattr(future, "add_done_callback", None)
            if notify is None:
                warn(
                    "goodput-sdk: committed_when got a %s, which has no "
                    "add_done_callback; step %s stays not durable, call "
                    "durable(step) when it is committed",
                    type(future).__name__,
                    self._step,
                )
                return
            notify(self._on_done)
        except Exception as error:
            swallow(error)

    def _on_done(self, future: object) -> None:
        try:
            if succeeded(future):
                self._durable(self._step)
        except Exception as error:
            swallow(error)


def succeeded(future: object) -> bool:
    """Tell whether a finished future of the standard library or torch has a result."""
    cancelled = getattr(future, "cancelled", None)
    if cancelled is not None and cancelled():
        return False
    exception = getattr(future, "exception", None)
    if exception is not None:
        return exception() is None
    # torch.futures.Future has neither; its value() raises what went wrong.
    value = getattr(future, "value", None)
    if value is None:
        return False
    try:
        value()
    except Exception:
        return False
    return True
