"""From the bytes of a push to deliveries: whole, of this version, the sender's own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.observations import Delivered
from goodput_exporter.errors import BadInputError
from goodput_exporter.ingest.inbox import Delivery, Key
from goodput_exporter.ingest.refusals import Reason, RefusedError
from goodput_exporter.ingest.senders import Sender
from goodput_exporter.wire.answers import OFFSET_HEADER, Outcome
from goodput_exporter.wire.frames import (
    Frame,
    Header,
    VersionError,
    read_frame,
    split,
)
from goodput_exporter.wire.kinds import Observation

MOST_OFFSET_NS: Final = 2**61
MOST_SHUT_BYTES: Final = 8_192
"""Of a batch that waits as it came; some ten thousand of them may."""
OF_NODES: Final = frozenset({"node", "gpu"})
"""What evidence is about when its subject names a node next."""

SAYING: Final = frozenset({Delivered, Evidence})
"""Observations that name their node or agent themselves."""


class Reading(NamedTuple):
    """
    One batch as it was read.

    Args:
        delivery: What to take; None if it can never be read.
        outcome: What becomes of it once that is committed.
        skipped: What was left out, by why.
    """

    delivery: Delivery | None
    outcome: Outcome
    skipped: Mapping[str, int] = MappingProxyType({})


def frames_of(body: bytes, sender: Sender) -> list[Frame]:
    """
    Split a body into frames, and check every head before anything is taken.

    Raises:
        RefusedError: It is no row of frames, or one of them is of another node.
    """
    try:
        found = list(split(body))
    except VersionError as exc:
        raise RefusedError(Reason.VERSION, str(exc)) from exc
    except BadInputError as exc:
        raise RefusedError(Reason.MALFORMED, str(exc)) from exc
    for frame in found:
        node = frame.header.node
        if sender.node is not None and node != sender.node:
            detail = f"{sender.name} speaks for {sender.node}, not for {node}"
            raise RefusedError(Reason.NODE, detail)
    return found


class Letter:
    """
    One batch as it came, read when it is opened.

    What a thousand agents push in a second would lie about as a hundred thousand
    objects until the tick. So a small batch that says how many observations it holds
    stays what it is until the tick that books it. Any other one is opened at once, for
    what waits is bounded by its number.

    Args:
        frame: The batch.
        shift_ns: Added to every instant, to bring it onto our clock.

    Attributes:
        reading: What it was read as; None before.
    """

    __slots__ = ("frame", "reading", "shift_ns")

    def __init__(self, frame: Frame, shift_ns: int) -> None:
        self.frame = frame
        self.shift_ns = shift_ns
        self.reading: Reading | None = None
        if frame.header.count is None or len(frame.body) > MOST_SHUT_BYTES:
            self.open()

    @property
    def key(self) -> Key:
        """Return which batch of whom it is."""
        header = self.frame.header
        return header.sender, header.epoch, header.sequence

    @property
    def count(self) -> int:
        """Return how many observations it holds, at most."""
        if self.reading is None:
            return self.frame.header.count or 0
        delivery = self.reading.delivery
        return 0 if delivery is None else delivery.count

    def open(self) -> Delivery | None:
        """Return what there is to apply; None if it can never be read."""
        if self.reading is None:
            self.reading = read(self.frame, self.shift_ns)
        return self.reading.delivery


def read(frame: Frame, shift_ns: int) -> Reading:
    """Read one batch, its instants moved by *shift_ns*."""
    header = frame.header
    try:
        found = read_frame(frame, shift_ns=shift_ns)
    except BadInputError as exc:
        outcome = Outcome(header.epoch, header.sequence, "refused", str(exc))
        return Reading(None, outcome)
    own = found.observations
    if not SAYING.isdisjoint(map(type, own)):
        own = [each for each in own if is_own(header, each)]
    delivery = Delivery(header.node, header.agent, header.epoch, header.sequence, own)
    foreign = len(found.observations) - len(own)
    if not foreign and not found.skipped.detail:
        return Reading(delivery, Outcome(header.epoch, header.sequence, "applied"))
    skipped = {
        "kinds": found.skipped.kinds,
        "fields": found.skipped.fields,
        "rows": found.skipped.rows,
        "foreign": foreign,
    }
    detail = found.skipped.detail or f"an observation is not of {header.sender}"
    count = sum(skipped.values())
    outcome = Outcome(header.epoch, header.sequence, "applied", detail, count)
    return Reading(delivery, outcome, skipped)


def offset_ns(header: Header, headers: Mapping[bytes, bytes]) -> int:
    """
    Return what takes the clock of a batch to ours.

    What the sender measures now is better than what it knew when it made the
    batch, as long as its clock is still the same one. An agent that has measured
    nothing yet is taken at its word.
    """
    epoch, _, said = headers.get(OFFSET_HEADER.encode(), b"").partition(b" ")
    if epoch == header.epoch.encode():
        try:
            offset = int(said)
        except ValueError:
            offset = None
        if offset is not None and abs(offset) <= MOST_OFFSET_NS:
            return offset
    return header.offset_ns or 0


def is_own(header: Header, observation: Observation) -> bool:
    """Tell whether an agent may say this: of its own deliveries, node and GPUs."""
    if isinstance(observation, Delivered):
        return observation.agent == header.agent
    if isinstance(observation, Evidence):
        about, _, rest = observation.subject.partition("/")
        return about not in OF_NODES or rest.partition("/")[0] == header.node
    return True
