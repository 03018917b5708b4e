"""The catalogue: what every metric promises, checked as data."""

from __future__ import annotations

from collections import Counter

import pytest

from goodput_exporter.exposition.catalogue import CATALOGUE
from goodput_exporter.exposition.families import GROUPS
from goodput_exporter.exposition.metric import Kind, Metric
from goodput_exporter.exposition.own_families import PAGE

TARGET_LABELS = {"job", "instance", "pod", "namespace", "node", "container"}
FILLED = [family.metric for group in GROUPS for family in group.families]
FILLED += [family.metric for family in PAGE]

each_metric = pytest.mark.parametrize("metric", CATALOGUE, ids=lambda m: m.name)


def test_every_metric_is_filled_by_exactly_one_family() -> None:
    """What the catalogue promises is exported, and nothing besides it."""
    assert Counter(FILLED) == Counter(CATALOGUE)


def test_names_are_unique() -> None:
    """Two metrics of one name would be two meanings of one number."""
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)


@each_metric
def test_no_metric_has_a_label_that_the_target_has(metric: Metric) -> None:
    """Prometheus would rename one of the two to ``exported_...``."""
    assert not TARGET_LABELS & set(metric.labels)


@each_metric
def test_counters_and_only_counters_end_in_total(metric: Metric) -> None:
    """The ending tells a reader whether ``rate`` makes sense."""
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)


@each_metric
def test_the_name_says_the_unit(metric: Metric) -> None:
    """Nobody has to look up whether it is seconds or milliseconds."""
    bare = metric.name.removesuffix("_total")
    assert bare.endswith(metric.unit)


@each_metric
def test_help_is_a_sentence(metric: Metric) -> None:
    """The help is what a person sees beside the number."""
    assert metric.help.endswith(".")


@each_metric
def test_every_metric_carries_the_prefix(metric: Metric) -> None:
    """All but the process's own, whose names every exporter shares."""
    assert metric.name.startswith(("goodput_", "process_"))
