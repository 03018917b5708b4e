"""What the aggregator answers to a push: what became of every batch."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from goodput_exporter.errors import BadInputError

CONTENT_TYPE: Final = "application/json"
PATH: Final = "/v1/observations"
OFFSET_HEADER: Final = "goodput-clock-offset"
"""Of a request: ``EPOCH NANOSECONDS``, what takes that epoch's clock to ours."""
LEADER_HEADER: Final = "goodput-leader"
"""Of an answer 503: the name of the replica that takes pushes, where known."""

Fate = Literal["applied", "duplicate", "refused"]


class Outcome(msgspec.Struct, frozen=True):
    """
    What became of one batch; after any of these it need not be sent again.

    Args:
        epoch, sequence: Which one.
        fate: ``applied`` and ``duplicate`` are in the ledger; ``refused`` never
            will be, and *detail* says why.
        skipped: Observations and values that were left out of it.
    """

    epoch: str
    sequence: int
    fate: Fate
    detail: str = ""
    skipped: int = 0


class Answer(msgspec.Struct, frozen=True):
    """
    The answer to a push.

    Args:
        received_ns, answered_ns: On the aggregator's clock, around its own work.
        outcomes: One per batch, in the order in which they were sent. Batches
            behind the last one were not looked at; send them again.
        detail: Why some were not looked at.
    """

    received_ns: int
    answered_ns: int
    outcomes: list[Outcome] = []
    detail: str = ""


class Refused(msgspec.Struct, frozen=True):
    """Why nothing of a push was taken; *reason* is one word of a closed set."""

    reason: str
    detail: str


FOR_EVER: Final = frozenset({"malformed", "too_big"})
"""Reasons that no retry changes. Only an aggregator's own word counts: a proxy in
between answers 400 and 413, too, and nothing may be given up for that."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Answer)
_refused: Final = msgspec.json.Decoder(Refused)


def encode_answer(answer: Answer) -> bytes:
    """Write an answer down, as JSON: people read it with curl."""
    return _encoder.encode(answer)


def decode_answer(data: bytes) -> Answer:
    """
    Read an answer.

    Raises:
        BadInputError: It is none; a proxy may have answered instead.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        msg = (
            f"the answer of {len(data)} bytes is not an aggregator's ({exc}); look "
            "for a proxy between"
        )
        raise BadInputError(msg) from exc


def encode_refusal(reason: str, detail: str) -> bytes:
    """Write down why a push was refused."""
    return _encoder.encode(Refused(reason, detail))


def decode_refusal(data: bytes) -> Refused:
    """Read why a push was refused; what is no aggregator's answer has no reason."""
    try:
        return _refused.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Refused("", data[:200].decode("utf-8", "replace"))
