"""The public surface of a heartbeat; this class of it does nothing at all."""

from __future__ import annotations

from goodput_sdk._guard import swallow

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import TypeVar

    Item = TypeVar("Item")


class Section:
    """
    A ``with`` block of the training loop; this one measures nothing.

    It hands every exception of the block on, whatever else happens.
    """

    __slots__ = ()

    def __enter__(self) -> Section:  # noqa: PYI034  # typing.Self is not in 3.9
        """Begin the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """End the block."""

    def skip(self) -> None:
        """Say that this step ran and did not advance: an inf in the gradients."""

    def committed_when(self, future: object) -> None:
        """Make the checkpoint durable when *future* completes without an error."""


NOTHING = Section()


class Heartbeat:
    """
    What a training loop says of itself.

    An instance of this very class is what ``init`` returns where no agent is
    configured: every method is there and does nothing. No method raises, blocks,
    or touches a device.
    """

    __slots__ = ()

    def model(  # noqa: PLR0913  # one call, and each fact has a name of its own
        self,
        *,
        flops_per_token: float | None = None,
        params: float | None = None,
        active_params: float | None = None,
        layers: int | None = None,
        hidden: int | None = None,
        heads: int | None = None,
        head_dim: int | None = None,
        seq_len: int | None = None,
        tokens_per_step: int | None = None,
        grad_accumulation: int | None = None,
        dtype: str | None = None,
        parallelism: Mapping[str, int] | None = None,
        gpu_uuids: Sequence[str] | None = None,
    ) -> None:
        """
        State what does not change; it goes out with the next hello.

        Args:
            flops_per_token: Model FLOPs of one token, forward and backward.
            params: All parameters.
            active_params: Those that a token passes through (MoE).
            layers: How many transformer blocks.
            hidden: Width of the residual stream.
            heads: Attention heads.
            head_dim: Width of one head.
            seq_len: Tokens in one sequence.
            tokens_per_step: Tokens in one optimizer step of the whole run.
            grad_accumulation: Micro-batches in one optimizer step.
            dtype: What the matrix products run in, such as ``"bf16"``.
            parallelism: Sizes by ``tp``, ``pp``, ``dp``, ``cp`` and ``ep``.
            gpu_uuids: The GPUs that this rank uses.
        """
        said: dict[str, object] = {
            "flops_per_token": flops_per_token,
            "params": params,
            "active_params": active_params,
            "layers": layers,
            "hidden": hidden,
            "heads": heads,
            "head_dim": head_dim,
            "seq_len": seq_len,
            "tokens_per_step": tokens_per_step,
            "grad_accumulation": grad_accumulation,
            "dtype": dtype,
            "parallelism": parallelism,
            "gpu_uuids": gpu_uuids,
        }
        try:
            self._describe(said)
        except Exception as error:
            swallow(error)

    def _describe(self, said: dict[str, object]) -> None:
        """Take the facts of ``model``; None is not said."""

    def phase(self, name: str) -> Section:
        """Return the block in which the loop is in phase *name*; blocks nest."""
        del name
        return NOTHING

    def step(
        self,
        step: int,
        *,
        tokens: int | None = None,
        samples: int | None = None,
        flops: float | None = None,
    ) -> Section:
        """
        Return the block of one optimizer step; it counts if nothing is raised.

        Args:
            step: Its number, in the run's global numbering.
            tokens: Tokens in this step, of the whole run unless told otherwise.
            samples: Samples in this step.
            flops: Model FLOPs of this step, of the whole run.
        """
        del step, tokens, samples, flops
        return NOTHING

    def data(self, loader: Iterable[Item]) -> Iterable[Item]:
        """Return *loader*, with the time that ``next`` blocks told as data loading."""
        return loader

    def checkpoint(self, step: int, *, async_: bool = False) -> Section:
        """
        Return the block that saves *step*.

        At its end the step is saved. It is durable then too, or, if *async_*,
        when the future given to ``committed_when`` completes.
        """
        del step, async_
        return NOTHING

    def restored(self, step: int | None) -> None:
        """Declare where this incarnation resumes; None is a fresh start."""

    def enter(self, phase: str) -> None:
        """Go to *phase* until the next ``enter``: for loops that cannot nest."""

    def step_end(  # each amount has a name of its own
        self,
        step: int,
        *,
        tokens: int | None = None,
        samples: int | None = None,
        flops: float | None = None,
        skipped: bool = False,
    ) -> None:
        """
        Complete optimizer step *step*; the phase stays what ``enter`` said.

        Train time from here on belongs to the next step. If *skipped*, the step
        ran and did not advance.
        """

    def saved(self, step: int) -> None:
        """Say that a checkpoint call for *step* has returned; from any thread."""

    def durable(self, step: int) -> None:
        """Say that *step* can be restored from; from any thread."""

    def reinit(self) -> None:
        """Begin a new incarnation in this process: an in-process restart."""

    def close(self, *, ok: bool | None = None) -> None:
        """
        Say goodbye; the interpreter's exit does the same.

        Args:
            ok: Whether training ended as intended. None looks for an exception
                that is on its way, or that ended the program.
        """
