"""How far the aggregator's clock is from ours, out of requests and their answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offset:
    """
    What takes our clock to the aggregator's.

    Args:
        ns: To be added to an instant of ours.
        error_ns: The truth lies within so much of it, on either side.
    """

    ns: int
    error_ns: int


def measured(sent_ns: int, received_ns: int, answered_ns: int, heard_ns: int) -> Offset:
    """
    Return what one exchange tells of two clocks.

    Args:
        sent_ns: When the request began, on our clock.
        received_ns: When it arrived, on the aggregator's.
        answered_ns: When the answer began, on the aggregator's.
        heard_ns: When it was there, on ours.

    Source:
        RFC 5905, section 8: offset and round-trip delay from four timestamps.
    """
    offset_ns = (received_ns - sent_ns + answered_ns - heard_ns) // 2
    delay_ns = (heard_ns - sent_ns) - (answered_ns - received_ns)
    return Offset(offset_ns, max(0, delay_ns) // 2 + 1)


def better(held: Offset | None, new: Offset) -> Offset:
    """
    Return the offset to go on with.

    The one that is held stays, so that what is dated by it keeps its durations,
    until a measurement is twice as exact, or contradicts it: then a clock was
    stepped, or another aggregator answers.
    """
    if held is None or 2 * new.error_ns <= held.error_ns:
        return new
    agrees = abs(new.ns - held.ns) <= new.error_ns + held.error_ns
    return held if agrees else new
