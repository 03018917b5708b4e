"""What the environment says of this process; read, and never required."""

from __future__ import annotations

import math
import sys

from goodput_sdk._guard import warn

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    from collections.abc import Mapping

DEFAULT_INTERVAL_S = 2.0
SHORTEST_INTERVAL_S = 0.05
RUN_ID_LIMIT = 128
RUN_ID_SIGNS = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/=-"
)
RUN_ID_VARIABLES = ("GOODPUT_RUN_ID", "NEMO_LENS_RUN_ID", "SLURM_JOB_ID")

# One launcher sets one row; rank and sizes of two launchers would not fit together.
LAUNCHERS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"),
    (
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
    ),
    ("JOB_COMPLETION_INDEX", "", "", ""),
)
UNKNOWN = -1


class Place:
    """Where a process stands in its run; -1 is not known."""

    __slots__ = ("local_rank", "local_world_size", "rank", "world_size")

    def __init__(
        self,
        rank: int = UNKNOWN,
        world_size: int = UNKNOWN,
        local_rank: int = UNKNOWN,
        local_world_size: int = UNKNOWN,
    ) -> None:
        self.rank = rank
        self.world_size = world_size
        self.local_rank = local_rank
        self.local_world_size = local_world_size


def find_place(environ: Mapping[str, str]) -> Place:
    """Return the place that the first launcher with a rank gives this process."""
    row = next((row for row in LAUNCHERS if row[0] in environ), LAUNCHERS[0])
    return Place(*(_whole(environ.get(name, "")) for name in row))


def find_run_id(said: str | None, environ: Mapping[str, str]) -> str | None:
    """
    Return the run id: the program's own, else the first that the environment has.

    One that cannot be a run id is refused rather than mended, and no other is
    taken in its place: two spellings of one run would be two runs.
    """
    found = said or next(
        (environ[name] for name in RUN_ID_VARIABLES if environ.get(name)), None
    )
    if found is None:
        return None
    if len(found) <= RUN_ID_LIMIT and RUN_ID_SIGNS.issuperset(found):
        return found
    warn(
        "goodput-sdk: run id %.140r is left out: at most %d of A-Z a-z 0-9 . _ : / = - "
        "are allowed; check init(run_id=...) and GOODPUT_RUN_ID",
        found,
        RUN_ID_LIMIT,
    )
    return None


def find_interval_s(environ: Mapping[str, str]) -> float:
    """Return the seconds between two heartbeats; a bad value is told and not used."""
    text = environ.get("GOODPUT_INTERVAL_S", "")
    if not text:
        return DEFAULT_INTERVAL_S
    interval_s = _real(text)
    if interval_s is None or interval_s < SHORTEST_INTERVAL_S:
        warn(
            "goodput-sdk: GOODPUT_INTERVAL_S=%.40r is no number of seconds from %s up; "
            "sending every %s s",
            text,
            SHORTEST_INTERVAL_S,
            DEFAULT_INTERVAL_S,
        )
        return DEFAULT_INTERVAL_S
    return interval_s


def find_peak_tflops(environ: Mapping[str, str]) -> float | None:
    """Return the user's own peak per device, in TFLOP/s, or None."""
    text = environ.get("GOODPUT_PEAK_TFLOPS", "")
    peak = _real(text)
    if peak is not None and peak > 0:
        return peak
    if text:
        warn("goodput-sdk: GOODPUT_PEAK_TFLOPS=%.40r is no peak; not sent", text)
    return None


def find_role(said: str | None, environ: Mapping[str, str]) -> str:
    """Return the role: torchrun's own process trains nothing and is a launcher."""
    if said:
        return said
    if "RANK" not in environ and _is_torchrun():
        return "launcher"
    return "trainer"


def _is_torchrun() -> bool:
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if getattr(spec, "name", None) == "torch.distributed.run":
        return True
    path = str(getattr(main, "__file__", None) or "")
    return path.rpartition("/")[2] == "torchrun"


def _whole(text: str) -> int:
    try:
        return max(int(text), UNKNOWN)
    except ValueError:
        return UNKNOWN


def _real(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
