"""What one look at a kubelet brings, or why it brings nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from goodput_exporter.domain.allocations import Allocation
from goodput_exporter.domain.holdings import Result
from goodput_exporter.errors import SourceUnavailableError


class Trouble(Enum):
    """Why a kubelet cannot be asked now; its value is how it is counted."""

    NO_SOCKET = (Result.NO_SOCKET, "no socket, or nobody answers on it")
    FORBIDDEN = (Result.FORBIDDEN, "the socket is there and closed to us")
    UNIMPLEMENTED = (Result.NO_SOCKET, "a kubelet before pod-resources v1")

    @property
    def result(self) -> Result:
        """Return the label of the attribution's counter."""
        return self.value[0]


class KubeletError(SourceUnavailableError):
    """
    The kubelet cannot be asked now; it is asked again later.

    Args:
        trouble: What is the matter.
        detail: What happened, to which socket, and what to check.
    """

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Listing:
    """
    What a kubelet said at one instant.

    Args:
        allocations: Every device that it lists for a container, GPUs and others.
        allocatable: Ids of the GPUs that it may give away, healthy ones only; None
            where it does not say. DRA devices are never among them.
    """

    allocations: tuple[Allocation, ...]
    allocatable: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """
    The newest attempt to ask the kubelet, and the newest answer.

    Args:
        number: Counts the attempts, from 1.
        at_ns: When the attempt ended, on the ledger's clock.
        trouble: Why it failed; None if it did not.
        detail: One sentence about it.
        listing: The newest answer, of this attempt or an earlier one; None if there
            never was one.
        listed_ns: When it came, on the ledger's clock.
    """

    number: int
    at_ns: int
    trouble: Trouble | None
    detail: str
    listing: Listing | None = None
    listed_ns: int | None = None

    def listing_since(self, oldest_ns: int) -> Listing | None:
        """Return the newest answer unless it is older than *oldest_ns*."""
        if self.listed_ns is None or self.listed_ns < oldest_ns:
            return None
        return self.listing
