"""What has to be known of a kind of objects to read it: one line of the table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from goodput_exporter.sources.workloads import parts
from goodput_exporter.sources.workloads.parts import Parts


class Use(StrEnum):
    """What a kind of object is read for."""

    TRAINS = "the top of a run's owner chain, or a link in it"
    QUEUES = "says whether and why a run waits for quota"
    STANDS = "where pods stand"
    EXPLAINS = "says why something happened"
    SIZES = "says how many GPUs a claim is for"


@dataclass(frozen=True, slots=True)
class Phase:
    """
    A kind's own word for where it stands, where it has no conditions.

    Args:
        path: To the word.
        since: To the date from which on it holds.
        succeeded, failed, suspended: Which words mean that.
        unless: To another word, and which one says that it is not over yet.
    """

    path: tuple[str, ...]
    since: tuple[str, ...]
    succeeded: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    suspended: frozenset[str] = frozenset()
    unless: tuple[tuple[str, ...], str] = ((), "")


@dataclass(frozen=True, slots=True)
class Ranks:
    """
    Which labels (or annotations) number a kind's pods.

    Args:
        index: Of the pod in its group, role or workload; the first that is there.
        group: Of the group, where pods are numbered within groups.
        role: Which part of the workload the pod belongs to; parts count in order.
    """

    index: tuple[str, ...] = ()
    group: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One kind of object.

    Args:
        kind, group, plural: As the API names it; the core's group is empty.
        versions: Versions that are read, the newest first.
        use: What it is read for.
        parts: Finds pod templates and counts.
        suspend: To the switch that suspends it.
        succeeded, failed: Types of its terminal conditions.
        phase: Its own word, where it has no such conditions.
        restarts: To the number of times that it began anew.
        elastic: To what declares, by being there and not false, that it goes on
            with fewer pods.
        least: To the number of pods that it needs; elastic if it wants more.
        queue: To the name of its queue, where that is no label.
        ranks: How its pods are numbered.
        is_optional: It comes with a project of its own and may be absent.
        is_followed: It is watched; else it is used where somebody hands it over.
    """

    kind: str
    group: str
    plural: str
    versions: tuple[str, ...] = ("v1",)
    use: Use = Use.TRAINS
    parts: Parts = parts.nowhere
    suspend: tuple[str, ...] = ()
    succeeded: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset({"Failed"})
    phase: Phase | None = None
    restarts: tuple[str, ...] = ()
    elastic: tuple[str, ...] = ()
    least: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    ranks: Ranks = Ranks()
    is_optional: bool = True
    is_followed: bool = True
