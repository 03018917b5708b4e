"""What follows from each trouble, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, NamedTuple

from goodput_exporter.sources.kubernetes.standing import State
from goodput_exporter.sources.kubernetes.troubles import Trouble


class Step(Enum):
    """What a reflector does next."""

    LIST = auto()
    WATCH = auto()
    DISCOVER = auto()


class Pace(Enum):
    """How long it pauses before that."""

    SOON = auto()
    """Not at all the first time, as ``BACKOFF`` when it comes again."""
    BACKOFF = auto()
    SLOW = auto()


class Verdict(NamedTuple):
    """
    What follows from a trouble.

    Args:
        step: None means the same again; a watch goes on where it stood.
        pace: The pause before it.
        state: What the kind's state becomes; None leaves it.
    """

    step: Step | None
    pace: Pace
    state: State | None = None


VERDICTS: Final[Mapping[Trouble, Verdict]] = MappingProxyType(
    {
        # The server has forgotten where the watch stood: normal life.
        Trouble.GONE: Verdict(Step.LIST, Pace.SOON),
        # The credentials are read anew in between.
        Trouble.UNAUTHORIZED: Verdict(None, Pace.SOON),
        # A person has to change that; everything else goes on.
        Trouble.FORBIDDEN: Verdict(Step.LIST, Pace.SLOW, State.FORBIDDEN),
        # Absent only if discovery agrees: a starting server says 404 as well.
        Trouble.ABSENT: Verdict(Step.DISCOVER, Pace.BACKOFF),
        Trouble.OVERLOADED: Verdict(None, Pace.BACKOFF),
        Trouble.SERVER: Verdict(None, Pace.BACKOFF),
        Trouble.CREDENTIALS: Verdict(None, Pace.BACKOFF),
        Trouble.UNREACHABLE: Verdict(None, Pace.BACKOFF),
        Trouble.BROKEN: Verdict(None, Pace.BACKOFF),
        # It has waited long enough already.
        Trouble.SILENT: Verdict(None, Pace.SOON),
        # Whether the watch would still be true cannot be told.
        Trouble.REJECTED: Verdict(Step.LIST, Pace.BACKOFF),
        Trouble.GARBLED: Verdict(Step.LIST, Pace.BACKOFF),
        Trouble.BUG: Verdict(Step.LIST, Pace.BACKOFF),
    }
)

PASSING: Final = frozenset(
    {
        Trouble.OVERLOADED,
        Trouble.SERVER,
        Trouble.UNREACHABLE,
        Trouble.BROKEN,
        Trouble.SILENT,
    }
)
"""Worth asking for the same page again: a list is too dear to begin anew."""
