"""Host pids of the compute processes on one GPU; read by opt-in only."""

from __future__ import annotations

from types import ModuleType
from typing import Final

TRIES: Final = 3
"""The list may grow between the call that sizes it and the call that fills it."""

MOST_PID: Final = 2**22
"""Linux's own limit, PID_MAX_LIMIT; a struct of another size yields more."""


def processes(nvml: ModuleType, handle: object) -> tuple[int, ...] | None:
    """
    Return the pids, as the host counts them, ascending.

    Returns:
        None when a pid cannot be one: the binding's struct is not the driver's.

    Raises:
        NVMLError: 7 when the list grew under every try, or anything else.
    """
    for _ in range(TRIES - 1):
        try:
            return _pids(nvml, handle)
        except nvml.NVMLError_InsufficientSize:
            continue
    return _pids(nvml, handle)


def _pids(nvml: ModuleType, handle: object) -> tuple[int, ...] | None:
    found = {one.pid for one in nvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    if not all(0 <= pid <= MOST_PID for pid in found):
        return None
    return tuple(sorted(found))
