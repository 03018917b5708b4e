"""Datagrams of wire v1: bytes in, a checked message out, then a domain report."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

from goodput_exporter.domain.observations import ModelFacts, RankReport
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase
from goodput_exporter.sources.messages import Message, Model
from goodput_exporter.sources.refusals import (
    NO_DROPS,
    Drop,
    Flaw,
    Reason,
    RefusedError,
)
from goodput_exporter.sources.salvage import salvage

MAX_BYTES: Final = 8192
MAX_DEPTH: Final = 4
MAX_PHASES: Final = 16
MAX_RUN: Final = 128
MAX_TEXT: Final = 64
# Senders round every figure on its own; more than this is no rounding.
SLACK_SECONDS: Final = 0.010
SLACK_RATIO: Final = 0.02

# What a sender calls its kind of evidence; any other word is a framework's own
# adapter, which is automatic.
SOURCES: Final = {
    None: "sdk", "sdk": "sdk", "auto": "auto", "log": "log", "inferred": "inferred",
}  # fmt: skip
# A dict and not its proxy: this is looked up for every phase of every message.
PHASES: Final = {phase.value: phase for phase in Phase}

_STRICT: Final = msgspec.json.Decoder(Message)
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_RUN: Final = re.compile(r"[A-Za-z0-9._:/=-]+")
_HEX: Final = "0123456789abcdef"
_INC_DIGITS: Final = 16


def decode(data: bytes) -> tuple[Message, tuple[Drop, ...]]:
    """
    Read one datagram; a bad optional field costs that field and no other.

    Clean messages take one strict, typed pass. Only what that refuses is read
    again field by field, so honest senders do not pay for the others.

    Args:
        data: What the socket gave, at most one byte more than the bound.

    Returns:
        The message, and the fields that were left out of it.

    Raises:
        RefusedError: The whole datagram cannot be used.
    """
    if len(data) > MAX_BYTES:
        raise RefusedError(Reason.TOO_BIG, f"{len(data)} bytes or more")
    try:
        message, drops = _STRICT.decode(data), NO_DROPS
    except (ValueError, RecursionError):
        if depth(data) > MAX_DEPTH:
            raise RefusedError(Reason.DEPTH) from None
        message, drops = salvage(data)
    return message, drops + _contradictions(message)


def depth(data: bytes) -> int:
    """Return how deep brackets nest outside strings, without parsing."""
    deepest = level = 0
    for byte in _STRING.sub(b"", data):
        if byte in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif byte in b"]}":
            level -= 1
    return deepest


def _contradictions(message: Message) -> tuple[Drop, ...]:
    """Take out of *message* what its other fields, or the wire's text, forbid."""
    inc, limit_s = message.inc, message.up * (1 + SLACK_RATIO) + SLACK_SECONDS
    if len(inc) != _INC_DIGITS or inc.strip(_HEX):
        raise RefusedError(Reason.INVALID, "inc")
    if message.pa > limit_s:
        raise RefusedError(Reason.INVALID, "pa is longer than up")
    drops = NO_DROPS
    if message.run is not None and not _is_run_id(message.run):
        message.run = None
        drops += (("run", Flaw.FIELD_TEXT),)
    if message.sa is not None and message.sa > limit_s:
        message.sa = None
        drops += (("sa", Flaw.FIELD_RANGE),)
    if message.ma is not None and message.ma > limit_s:
        message.ma = None
        drops += (("ma", Flaw.FIELD_RANGE),)
    if message.rank and message.ws and 0 < message.ws <= message.rank:
        message.rank = None
        drops += (("rank", Flaw.FIELD_RANGE),)
    if message.ss is not None and not _is_spread(message.ss):
        message.ss = None
        drops += (("ss", Flaw.FIELD_RANGE),)
    return drops


@lru_cache(maxsize=4096)
def _is_run_id(text: str) -> bool:
    """
    Return whether *text* can name a run.

    Never clipped, unlike other text: two long names must not become one run.
    """
    return len(text) <= MAX_RUN and _RUN.fullmatch(text) is not None


def _is_spread(spread: tuple[int, float, float, float]) -> bool:
    count, total_s, least_s, most_s = spread
    return least_s <= most_s <= total_s + SLACK_SECONDS and (count > 0 or total_s == 0)


def phases_of(message: Message) -> tuple[dict[Phase, int], tuple[Flaw, ...]]:
    """
    Return the cumulative time per phase in nanoseconds, and what is odd about it.

    Names that are not ours are summed into ``OTHER``; none is kept, so that a
    job's own names can never grow our memory.
    """
    try:
        cum_ns = {
            PHASES[name]: round(s * NS_PER_SECOND) for name, s in message.cum.items()
        }
    except KeyError:
        cum_ns = _summed(message.cum)
    total_s = sum(message.cum.values())
    flaws: tuple[Flaw, ...] = ()
    if abs(total_s - message.up) > message.up * SLACK_RATIO + SLACK_SECONDS:
        flaws += (Flaw.CUM_SUM,)
    if len(message.cum) > MAX_PHASES:
        flaws += (Flaw.PHASES,)
    return cum_ns, flaws


def _summed(cum: dict[str, float]) -> dict[Phase, int]:
    cum_ns: dict[Phase, int] = {}
    for name, seconds in cum.items():
        phase = PHASES.get(name, Phase.OTHER)
        cum_ns[phase] = cum_ns.get(phase, 0) + round(seconds * NS_PER_SECOND)
    return cum_ns


def report_of(  # noqa: PLR0913 - what the wire cannot say about itself
    message: Message,
    *,
    at_ns: int,
    up_ns: int,
    cum_ns: dict[Phase, int],
    run_id: str | None,
    verified: bool,
    pid: int | None,
    pod: str | None = None,
) -> RankReport:
    """
    Turn a message into the domain's words: nanoseconds, phases, None for absent.

    Args:
        message: What :func:`decode` returned.
        at_ns: Its position on the ledger's clock.
        up_ns: As admitted, after clamping.
        cum_ns: The same.
        run_id: As admitted; the first run id of an incarnation stays.
        verified: Whether the kernel or the network vouches for the sender.
        pid: Its process, where the kernel does.
        pod: ``NAMESPACE/NAME`` of its pod, where that is known.
    """
    return RankReport(
        message.inc,
        message.seq,
        at_ns,
        up_ns,
        PHASES.get(message.ph, Phase.OTHER),
        round(message.pa * NS_PER_SECOND),
        cum_ns,
        run_id,
        -1 if message.rank is None else message.rank,
        -1 if message.ws is None else message.ws,
        "trainer" if message.role is None else message.role[:MAX_TEXT] or "trainer",
        None if message.rg is None else message.rg[:MAX_TEXT],
        message.st,
        message.stl == 1,
        None if message.sa is None else round(message.sa * NS_PER_SECOND),
        message.sn,
        None if message.ss is None else _spread(message.ss),
        message.rs,
        message.cs,
        message.cd,
        message.tk,
        message.sm,
        message.sc != "r",
        message.fl,
        None if message.ma is None else round(message.ma * NS_PER_SECOND),
        message.t == "bye",
        message.ok == 1,
        _facts(message) if message.t == "hello" else None,
        SOURCES.get(message.src, "auto"),
        verified,
        pid,
        pod,
    )


def _clip(text: str | None) -> str | None:
    return None if text is None else text[:MAX_TEXT]


def _spread(
    spread: tuple[int, float, float, float],
) -> tuple[int, int, int, int] | None:
    count, total_s, least_s, most_s = spread
    if count == 0:
        return None
    return (
        count,
        round(total_s * NS_PER_SECOND),
        round(least_s * NS_PER_SECOND),
        round(most_s * NS_PER_SECOND),
    )


def _facts(message: Message) -> ModelFacts:
    model = message.model or Model()
    return ModelFacts(
        framework=_clip(message.fw),
        params=model.params,
        active_params=model.active,
        layers=model.layers,
        hidden=model.hidden,
        heads=model.heads,
        head_dim=model.head_dim,
        seq_len=model.seq,
        flops_per_token=message.fpt,
        tokens_per_step=message.tps,
        dtype=_clip(message.dt),
        gpu_uuids=tuple(uuid[:MAX_TEXT] for uuid in message.gpu or ()),
        peak_tflops=message.pk,
        sdk=_clip(message.sdk),
    )
