"""A family: a metric of the catalogue, and the one function that fills it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.exposition.metric import Metric

Labels = tuple[str | None, ...]
Samples = Mapping[Labels, int | float]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Family(Generic[T]):
    """
    How one metric is filled from one subject: a run, a GPU, a snapshot.

    Args:
        metric: The line of the catalogue.
        samples: Values by the labels that follow the subject's own; a mapping,
            so that one subject cannot give the same series twice. What is not
            measured is not in it.
    """

    metric: Metric
    samples: Callable[[T], Samples]


@dataclass(frozen=True, slots=True)
class Single(Generic[T]):
    """
    A family with one series per subject, without labels besides the subject's.

    Most are, and a page of many runs is twice as fast for knowing it.

    Args:
        metric: The line of the catalogue.
        read: The value, or None if it is not measured.
    """

    metric: Metric
    read: Callable[[T], float | None]

    def samples(self, subject: T) -> Samples:
        """Return the one sample, as a ``Family`` would."""
        value = self.read(subject)
        return {} if value is None else {(): value}


AnyFamily = Family[T] | Single[T]


@dataclass(frozen=True, slots=True)
class Group(Generic[T]):
    """
    Families about the same kind of subject.

    Args:
        families: In the order of the page.
        subjects: Finds the subjects in a snapshot. A subject that is the same
            object as on the page before is taken to be unchanged.
        labels: A subject's own label values, the first ones of all its families.
    """

    families: tuple[AnyFamily[T], ...]
    subjects: Callable[[Snapshot], Iterable[T]]
    labels: Callable[[T], Labels]
