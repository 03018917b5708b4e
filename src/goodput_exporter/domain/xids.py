"""NVIDIA's XID codes that matter to training: whose fault, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

CATALOG: Final = "https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html"
MEMORY: Final = "https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/user-visible-statistics.html"


class XidClass(StrEnum):
    """Who has to act on an XID."""

    APP = "app"
    DRIVER = "driver"
    HW_RECOVERABLE = "hw_recoverable"
    HW_FATAL = "hw_fatal"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class XidRow:
    """
    One XID code.

    Args:
        code: The number in the kernel log.
        xid_class: Who has to act; ``HW_FATAL`` needs a reset or a repair.
        meaning: In our words.
        action: NVIDIA's bucket for what to do at once.
        ends_work: False for a notice that leaves the running program alone.
        source: The page that says so.
    """

    code: int
    xid_class: XidClass
    meaning: str
    action: str
    ends_work: bool = True
    source: str = CATALOG


_APP, _DRIVER = XidClass.APP, XidClass.DRIVER
_SOFT, _HARD = XidClass.HW_RECOVERABLE, XidClass.HW_FATAL

XIDS: Final = (
    XidRow(8, _APP, "the GPU stopped processing", "RESTART_APP"),
    XidRow(11, _APP, "bad commands sent to the GPU", "RESTART_APP"),
    XidRow(13, _APP, "exception in a kernel, such as a bad access", "RESTART_APP"),
    XidRow(25, _APP, "illegal commands sent to the GPU", "RESTART_APP"),
    XidRow(31, _APP, "page fault in GPU memory", "RESTART_APP"),
    XidRow(32, _APP, "corrupted commands sent to the GPU", "RESTART_APP"),
    XidRow(43, _APP, "a channel was stopped after a fault of the program", "IGNORE"),
    XidRow(
        45,
        _APP,
        "channels torn down after an earlier error or a kill",
        "WORKFLOW_XID_45",
        ends_work=False,
    ),
    XidRow(69, _APP, "class error of the compute engine", "RESTART_APP"),
    XidRow(80, _APP, "corrupted data sent to the GPU", "RESTART_APP"),
    XidRow(38, _DRIVER, "watchdog of the driver's firmware", "IGNORE", ends_work=False),
    XidRow(46, _HARD, "the GPU stopped processing", "RESET_GPU"),
    XidRow(48, _HARD, "uncorrectable ECC error", "WORKFLOW_XID_48", source=MEMORY),
    XidRow(62, _HARD, "a microcontroller of the GPU halted", "RESET_GPU"),
    XidRow(
        63,
        _SOFT,
        "a row of memory will be remapped",
        "IGNORE",
        ends_work=False,
        source=MEMORY,
    ),
    XidRow(64, _HARD, "remapping a row of memory failed", "RESET_GPU", source=MEMORY),
    XidRow(74, _HARD, "NVLink error", "WORKFLOW_NVLINK_ERR"),
    XidRow(79, _HARD, "the GPU fell off the bus", "RESTART_BM"),
    XidRow(92, _SOFT, "many correctable ECC errors", "IGNORE", ends_work=False),
    XidRow(
        94, _SOFT, "ECC error, contained to one program", "RESTART_APP", source=MEMORY
    ),
    XidRow(95, _HARD, "ECC error, not contained", "RESET_GPU", source=MEMORY),
    XidRow(109, _HARD, "context switch timed out", "RESET_GPU"),
    XidRow(110, _HARD, "security fault", "RESET_GPU"),
    XidRow(119, _HARD, "the GSP firmware did not answer", "RESET_GPU"),
    XidRow(120, _HARD, "error in the GSP firmware", "RESET_GPU"),
    XidRow(136, _HARD, "NVLink training failed", "RESET_GPU"),
    XidRow(140, _HARD, "unrecovered ECC error", "RESET_GPU"),
    XidRow(143, _HARD, "the GPU failed to initialize", "RESET_GPU"),
    XidRow(
        154,
        _DRIVER,
        "what would recover the GPU has changed",
        "XID_154",
        ends_work=False,
    ),
    XidRow(158, _HARD, "fatal timeout", "RESET_GPU"),
)
"""
For Ampere and newer. The buckets are NVIDIA's of October 2025, read from the copy of
its catalogue in leptonai/gpud; what it has as ``WORKFLOW_`` depends on more than the
code, and the class then says the worse case.
"""

FELL_OFF_THE_BUS: Final = 79

_ROW_OF: Final = MappingProxyType({row.code: row for row in XIDS})


def xid_class(code: int) -> XidClass:
    """Return who has to act on an XID; ``UNKNOWN`` for a code that has no row."""
    row = _ROW_OF.get(code)
    return XidClass.UNKNOWN if row is None else row.xid_class


def codes(*classes: XidClass, ends_work: bool = True) -> tuple[str, ...]:
    """Return the codes of some classes as evidence spells them, ascending."""
    found = [
        row.code
        for row in XIDS
        if row.xid_class in classes and row.ends_work is ends_work
    ]
    return tuple(str(code) for code in sorted(found))
