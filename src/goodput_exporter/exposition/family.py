"""A family: a metric of the catalogue, and the one function that fills it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.exposition.metric import Metric

Labels = tuple[str | None, ...]
Keys = tuple[Labels, ...]
"""The labels that follow the subject's own, per series of one subject."""
Values = Collection[float]
Samples = Mapping[Labels, int | float]
T = TypeVar("T")

NO_SERIES: Final[Keys] = ()
ONE_SERIES: Final[Keys] = ((),)


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

    def read_all(self, subjects: Iterable[T]) -> tuple[list[Keys], list[float]]:
        """Return the keys of each subject, and the values of all in one list."""
        samples = [self.samples(subject) for subject in subjects]
        return (
            [tuple(one) for one in samples],
            [value for one in samples for value in one.values()],
        )


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

    def read_all(self, subjects: Iterable[T]) -> tuple[list[Keys], list[float]]:
        """Return the keys of each subject, and the values of all in one list."""
        values = [self.read(subject) for subject in subjects]
        return (
            [NO_SERIES if value is None else ONE_SERIES for value in values],
            [value for value in values if value is not None],
        )


@dataclass(frozen=True, slots=True)
class Fan(Generic[T]):
    """
    A family with many series per subject, whose labels seldom change.

    Most of a page is of this kind, and two sequences cost neither a dict nor a
    hash per series.

    Args:
        metric: The line of the catalogue.
        read: Keys, all different, and as many values. What is not measured is
            in neither.
    """

    metric: Metric
    read: Callable[[T], tuple[Keys, Values]]

    def samples(self, subject: T) -> Samples:
        """Return the samples, as a ``Family`` would."""
        return dict(zip(*self.read(subject), strict=True))

    def read_all(self, subjects: Iterable[T]) -> tuple[list[Keys], list[float]]:
        """Return the keys of each subject, and the values of all in one list."""
        all_keys: list[Keys] = []
        all_values: list[float] = []
        for keys, values in map(self.read, subjects):
            all_keys.append(keys)
            all_values += values
        return all_keys, all_values


AnyFamily = Family[T] | Single[T] | Fan[T]


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
