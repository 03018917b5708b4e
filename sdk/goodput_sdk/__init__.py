"""What a training loop says of itself, in one small datagram every other second."""

from __future__ import annotations

import os

from goodput_sdk._guard import swallow
from goodput_sdk._heartbeat import Heartbeat, Section

__all__ = ["Heartbeat", "Section", "init"]
__version__ = "0.1.0"

KILL_SWITCH_ON = ("1", "true", "yes", "on")


def init(  # noqa: PLR0913  # one call, and each argument has a name of its own
    run_id: str | None = None,
    framework: str | None = None,
    *,
    rank: int | None = None,
    world_size: int | None = None,
    role: str | None = None,
    replica_group: str | None = None,
    source: str = "sdk",
    steps_are_local: bool = False,
    amounts_are_global: bool = True,
) -> Heartbeat:
    """
    Return this process's heartbeat; call it in the thread that trains.

    It never raises. Without ``GOODPUT_ADDR``, with ``GOODPUT_DISABLE=1`` or with
    a wrong address, the heartbeat does nothing. A second call returns the first
    one's heartbeat.

    Args:
        run_id: Stable across restarts; None takes ``GOODPUT_RUN_ID``, else
            ``NEMO_LENS_RUN_ID``, else ``SLURM_JOB_ID``.
        framework: Free text, such as ``"pytorch"``.
        rank: None takes the launcher's environment variables.
        world_size: As *rank*.
        role: None is ``"trainer"``, or ``"launcher"`` in torchrun's own process.
        replica_group: A torchft replica group or a slice.
        source: What moves the clock, if it is an integration.
        steps_are_local: Step numbers begin anew in every process.
        amounts_are_global: Tokens and samples count the whole run, not this rank.
    """
    try:
        disabled = os.environ.get("GOODPUT_DISABLE", "").lower()
        if disabled in KILL_SWITCH_ON or not os.environ.get("GOODPUT_ADDR"):
            return Heartbeat()
        # Deferred, so that an image that reports nowhere pays for nothing.
        from goodput_sdk import _process  # noqa: PLC0415  # import costs nothing until used

        options = _process.Options(
            version=__version__,
            run_id=run_id,
            framework=framework,
            rank=rank,
            world_size=world_size,
            role=role,
            replica_group=replica_group,
            source=source,
            steps_are_local=steps_are_local,
            amounts_are_global=amounts_are_global,
        )
        return _process.PROCESS.begin(options, os.environ)
    except Exception as error:
        swallow(error)
        return Heartbeat()
