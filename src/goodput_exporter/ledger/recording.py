"""
Recorded observations: what a replay folds again, in files that end anywhere.

A file begins with a line that names the format. After it come frames: a length, a
CRC-32, and a piece of one stream that Zstandard compresses over the whole file, cut
at each frame so that every finished frame can be read. The first frame is a head:
the rules in force and the states to go on from, so that a replay may begin at any
file. The others are ticks. For editors: a change of meaning needs a new ``FORMAT``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.errors import BadInputError, LedgerCorruptError
from goodput_exporter.ledger.pieces import observations_of, pieces_of

FORMAT: Final = b"goodput-recording/1\n"
MOST_FRAME_BYTES: Final = 1 << 30
"""A longer one is noise: no tick of 100,000 ranks comes near it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What observations are folded under, beside themselves.

    Args:
        rules: The settings of the folds.
        cluster, namespace, node: Of runs that no workload owns.
        silence_ns, retention_ns: See ``Bookkeeper``.
    """

    rules: Rules = field(default_factory=Rules)
    cluster: str = "local"
    namespace: str = "default"
    node: str = ""
    silence_ns: int = 0
    retention_ns: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that was over when a head was written, and the state to reopen it from."""

    key: RunKey
    last_ns: int | None
    state: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """
    The first frame of a file.

    Args:
        now_ns: When it was written.
        why: ``"began"`` where the exporter started, ``"rotated"`` where the file
            before was full, ``"gap"`` where ticks before are missing.
        terms: What is in force.
        states: Of every open run, as the ledger has them.
        ended: Runs that were taken up although they were over.
    """

    now_ns: int
    why: str
    terms: Terms
    states: Mapping[RunKey, bytes]
    ended: tuple[Ended, ...] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """
    One committed tick.

    Args:
        now_ns: Its present.
        taken: What was taken since the tick before, by who delivered it.
        reopened: States that were read from the ledger meanwhile, by run.
        skipped: Observations that this version cannot read.
    """

    now_ns: int
    taken: Sequence[tuple[str, Sequence[Observation]]] = ()
    reopened: Mapping[RunKey, bytes] = field(default_factory=dict)
    skipped: int = 0


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder()


def encode_frame(what: Head | Tick) -> bytes:
    """
    Write a frame's content.

    Raises:
        BadInputError: An observation cannot be written down.
    """
    row = _head(what) if isinstance(what, Head) else _tick(what)
    try:
        return _encoder.encode(row)
    except (OverflowError, UnicodeEncodeError) as exc:
        msg = f"the tick of {what.now_ns} ns cannot be recorded: {exc}"
        raise BadInputError(msg) from exc


def decode_frame(data: bytes) -> Head | Tick:
    """
    Read a frame's content.

    Raises:
        LedgerCorruptError: It is none, although its CRC is right.
    """
    try:
        kind, now_ns, *row = _decoder.decode(data)
        if kind == "head":
            why, terms, states, ended = row
            known = msgspec.convert(terms, Terms)
            over = (Ended(RunKey(*names), last, state) for names, last, state in ended)
            return Head(now_ns, why, known, _runs(states), tuple(over))
        taken, reopened = row
        read = [(agent, *observations_of(pieces)) for agent, pieces in taken]
        skipped = sum(count for _, _, count in read)
        seen = [(agent, found) for agent, found, _ in read]
        return Tick(now_ns, seen, _runs(reopened), skipped)
    except (msgspec.MsgspecError, ValueError, TypeError, BadInputError) as exc:
        msg = (
            f"a frame of {len(data)} bytes cannot be read ({exc}); another version "
            "wrote it and forgot to name its format"
        )
        raise LedgerCorruptError(msg) from exc


def _head(head: Head) -> list[object]:
    terms = msgspec.to_builtins(head.terms)
    ended = [(_names(each.key), each.last_ns, each.state) for each in head.ended]
    return ["head", head.now_ns, head.why, terms, _states(head.states), ended]


def _tick(tick: Tick) -> list[object]:
    taken = [(agent, pieces_of(seen)) for agent, seen in tick.taken]
    return ["tick", tick.now_ns, taken, _states(tick.reopened)]


def _states(states: Mapping[RunKey, bytes]) -> list[tuple[Sequence[str], bytes]]:
    return [(_names(key), state) for key, state in states.items()]


def _runs(states: Iterable[tuple[Sequence[str], bytes]]) -> dict[RunKey, bytes]:
    return {RunKey(*names): state for names, state in states}


def _names(key: RunKey) -> tuple[str, str, str]:
    return key.cluster, key.namespace, key.run
