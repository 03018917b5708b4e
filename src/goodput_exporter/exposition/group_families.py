"""What the page says of groups of runs: sums that outlive the runs."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.rollups import GroupView
from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.exposition import catalogue as names
from goodput_exporter.exposition.family import (
    AnyFamily,
    Family,
    Fan,
    Group,
    Keys,
    Labels,
    Samples,
    Values,
)
from goodput_exporter.exposition.run_families import LIVE_KEYS, LIVE_STATES


def _gpu_seconds(group: GroupView) -> tuple[Keys, Values]:
    """Give every live state, with 0 from the start, so that ``rate`` sees it rise."""
    sealed = group.sealed.gpu_ns
    return LIVE_KEYS, [sealed.get(state, 0) for state in LIVE_STATES]


def _badput(group: GroupView) -> Samples:
    return {(cause,): ns for cause, ns in group.sealed.bad_gpu_ns.items()}


def _restated(group: GroupView) -> Samples:
    return {(before, after): ns for (before, after), ns in group.restated.items()}


def _ratios(group: GroupView) -> Samples:
    return {
        (layer, window): value
        for window, layers in group.ratios.items()
        for layer in LayerRatios.__dataclass_fields__
        if (value := getattr(layers, layer)) is not None
    }


FAMILIES: Final[tuple[AnyFamily[GroupView], ...]] = (
    Fan(names.GROUP_GPU_SECONDS, _gpu_seconds),
    Family(names.GROUP_BADPUT, _badput),
    Family(names.GROUP_RESTATED, _restated),
    Family(names.GROUP_RATIO, _ratios),
)


def _subjects(snapshot: Snapshot) -> tuple[GroupView, ...]:
    return snapshot.groups


def _labels(group: GroupView) -> Labels:
    return (group.key.kind, group.key.name)


RUN_GROUPS: Final = Group(FAMILIES, _subjects, _labels)
