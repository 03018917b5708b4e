"""Why a push is refused, what is answered, and how often it happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from goodput_exporter.errors import BadInputError


class Reason(StrEnum):
    """Why a whole request was refused; nothing of it was taken."""

    PATH = "path"
    METHOD = "method"
    CONTENT_TYPE = "content_type"
    LENGTH = "length"
    TOO_BIG = "too_big"
    SENDER = "sender"
    NODE = "node"
    RATE = "rate"
    SLOW = "slow"
    CUT = "cut"
    BUSY = "busy"
    FOLLOWER = "follower"
    MALFORMED = "malformed"
    VERSION = "version"
    UNCOMMITTED = "uncommitted"


STATUS: Final = MappingProxyType(
    {
        Reason.PATH: 404,
        Reason.METHOD: 405,
        Reason.CONTENT_TYPE: 415,
        Reason.LENGTH: 411,
        Reason.TOO_BIG: 413,
        Reason.SENDER: 401,
        Reason.NODE: 403,
        Reason.RATE: 429,
        Reason.SLOW: 408,
        Reason.CUT: 400,
        Reason.BUSY: 503,
        Reason.FOLLOWER: 503,
        Reason.MALFORMED: 400,
        Reason.VERSION: 415,
        Reason.UNCOMMITTED: 503,
    }
)
"""HTTP's word for each; a sender keeps what it sent at all but 400 and 413."""


class RefusedError(BadInputError):
    """
    One request that is not taken.

    Args:
        reason: The counter it goes to.
        detail: For the sender and the log.
        headers: More headers of the answer.
        status: In place of the reason's own.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        status: int | None = None,
    ) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.headers = headers
        self.status = STATUS[reason] if status is None else status


@dataclass(slots=True)
class Counts:
    """
    What the ingest has counted since its start; written on the server's thread.

    Args:
        requests: Answered with what became of their batches.
        bytes: Bodies of those.
        refused: Whole requests, by reason.
        observations: Handed on.
        unreadable: Batches that can never be read; the agent gives them up.
        skipped: Left out of batches that were taken: observations of unknown
            ``kinds``, values of unknown ``fields``, ``rows`` with a value that
            cannot be, and ``foreign`` ones of another node or agent.
    """

    requests: int = 0
    bytes: int = 0
    refused: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(Reason, 0))
    observations: int = 0
    unreadable: int = 0
    skipped: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("kinds", "fields", "rows", "foreign"), 0)
    )
