"""Host pids of the compute processes on one GPU; read by opt-in only."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from goodput_exporter.sources.nvml.readings import Reading

TRIES: Final = 3
"""The list may grow between the call that sizes it and the call that fills it."""

MOST_PID: Final = 2**22
"""Linux's own limit, PID_MAX_LIMIT; a struct of another size yields more."""


MOST_PROCESSES: Final = 256
"""Keeps a sample under PIPE_BUF; a GPU has contexts for 48 clients of MPS or so."""


def processes(nvml: ModuleType, handle: object) -> tuple[tuple[int, ...]]:
    """
    Return the pids, as the host counts them, ascending; one value.

    Raises:
        NVMLError: 7 when the list grew under every try, or anything else.
    """
    for _ in range(TRIES - 1):
        try:
            return _pids(nvml, handle)
        except nvml.NVMLError_InsufficientSize:
            continue
    return _pids(nvml, handle)


def _pids(nvml: ModuleType, handle: object) -> tuple[tuple[int, ...]]:
    found = {one.pid for one in nvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    return (tuple(sorted(found)),)


def are_pids(values: tuple[tuple[int, ...]]) -> bool:
    """Return whether Linux can have such pids, and we can tell them in one line."""
    (pids,) = values
    return len(pids) <= MOST_PROCESSES and all(0 <= pid <= MOST_PID for pid in pids)


PROCESSES: Final = Reading(("processes",), processes, are_pids)
"""By opt-in: what runs on a GPU is whose it is to know."""
