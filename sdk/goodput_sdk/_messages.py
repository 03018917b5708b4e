"""Wire v1: one clock and its facts as one JSON object that fits a datagram."""

from __future__ import annotations

import json

from goodput_sdk._phases import NAMES
from goodput_sdk._steps import as_step

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    from collections.abc import Callable, Sequence

    from goodput_sdk._clock import PhaseClock
    from goodput_sdk._identity import Identity

WIRE_VERSION = 1
NS_PER_SECOND = 1_000_000_000

# What goes first when a message is too long: what a later message repeats, then
# what only refines, then what the agent can work out. Never the required keys.
SHED = (
    "gpu", "par", "model", "fw", "dt", "gas", "sdk", "rg", "ss", "wa", "sm", "tps",
    "fpt", "pk", "src", "fl", "tk", "sc", "lr", "lws", "sn",
)  # fmt: skip


def state_fields(clock: PhaseClock, names: Sequence[str] = NAMES) -> dict[str, object]:
    """
    Return what a clock shows, from one instant if no one writes meanwhile.

    The age of the phase follows from the sums, so that they and ``up`` agree
    to the nanosecond whatever the clock's writer is doing.
    """
    cum_ns = list(clock.cum_ns)
    phase = clock.phase
    up_ns = clock.now() - clock.start_ns
    age_ns = up_ns - sum(cum_ns)
    cum_ns[phase] += age_ns
    by_name: dict[str, int] = {}
    for name, spent_ns in zip(names, cum_ns):  # noqa: B905  # strict= is not in 3.9
        if spent_ns:
            by_name[name] = by_name.get(name, 0) + spent_ns
    fields: dict[str, object] = {
        "up": up_ns / NS_PER_SECOND,
        "ph": names[phase],
        "pa": age_ns / NS_PER_SECOND,
        "cum": {name: spent / NS_PER_SECOND for name, spent in by_name.items()},
        "sa": (clock.start_ns + up_ns - clock.step_done_ns) / NS_PER_SECOND,
        "sn": clock.steps_done,
    }
    fields.update(_progress(clock))
    return fields


def _progress(clock: PhaseClock) -> dict[str, object]:
    numbers: dict[str, object] = {
        "st": as_step(clock.step),
        "rs": as_step(clock.restored),
        "cs": clock.saved,
        "cd": clock.durable,
        "tk": clock.tokens,
        "sm": clock.samples,
        "fl": clock.flops,
    }
    return {key: value for key, value in numbers.items() if value is not None}


def spread_field(spread: Sequence[int]) -> dict[str, object]:
    """Return the durations of the steps since the last message, if there were any."""
    if not spread[0]:
        return {}
    return {"ss": [spread[0], *(ns / NS_PER_SECOND for ns in spread[1:])]}


def compose(  # noqa: PLR0913  # a message is made of this much
    kind: str,
    seq: int,
    identity: Identity,
    clock: PhaseClock,
    *,
    names: Sequence[str],
    facts: dict[str, object],
    wall: Callable[[], float],
    ok: bool | None = None,
) -> dict[str, object]:
    """Return one message; a ``hello`` carries *facts*, and a ``bye`` *ok*."""
    # The writer picks the spread up inside a write, so once the clock has been read
    # between two writes, nobody adds to the one taken out here.
    spread, clock.spread = clock.spread, [0, 0, 0, 0]
    message: dict[str, object] = {"v": WIRE_VERSION, "t": kind, "seq": seq}
    message.update(identity.fields())
    message.update(clock.read(lambda clock: state_fields(clock, names)))
    message.update(spread_field(spread))
    if "tk" in message or "sm" in message:
        message["sc"] = "g" if identity.amounts_are_global else "r"
    message["mo"] = clock.now() / NS_PER_SECOND
    message["wa"] = wall()
    if kind == "hello":
        message.update(facts)
    if kind == "bye":
        message["ok"] = 1 if ok else 0
    return message


def encode(message: dict[str, object], limit: int) -> bytes | None:
    """
    Return *message* in at most *limit* bytes, without fields if it must be.

    Fields go in the fixed order of ``SHED``. None: even the rest is too long.
    """
    text = _dump(message)
    for key in SHED:
        if len(text) <= limit:
            break
        if message.pop(key, None) is not None:
            text = _dump(message)
    return text if len(text) <= limit else None


def _dump(message: dict[str, object]) -> bytes:
    text = json.dumps(message, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")
