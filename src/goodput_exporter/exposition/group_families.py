"""What the page says of groups of runs and of nodes: sums that outlive the runs."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.rollups import GroupView
from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.domain.states import Cause
from goodput_exporter.exposition import group_metrics as names
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

_CAUSE_KEYS: Final[Keys] = tuple((cause,) for cause in Cause)


def _gpu_seconds(group: GroupView) -> tuple[Keys, Values]:
    """Give every live state, with 0 from the start, so that ``rate`` sees it rise."""
    sealed = group.sealed.gpu_ns
    return LIVE_KEYS, [sealed.get(state, 0) for state in LIVE_STATES]


def _badput(group: GroupView) -> tuple[Keys, Values]:
    """
    Give every cause, with 0 from the start, so that ``rate`` sees it rise.

    A hang is booked in one piece, back to the last step; as the first sample of a
    new series it would be in no increase.
    """
    bad_gpu_ns = group.sealed.bad_gpu_ns
    return _CAUSE_KEYS, [bad_gpu_ns.get(cause, 0) for cause in Cause]


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
    Fan(names.GROUP_BADPUT, _badput),
    Family(names.GROUP_RESTATED, _restated),
    Family(names.GROUP_RATIO, _ratios),
)


def _subjects(snapshot: Snapshot) -> tuple[GroupView, ...]:
    return snapshot.groups


def _labels(group: GroupView) -> Labels:
    return (group.key.kind, group.key.name)


def _failures(now: Snapshot) -> Samples:
    return {(node, cause.value): n for (node, cause), n in now.node_failures.items()}


NODE_FAILURES: Final = Group(
    (Family(names.NODE_FAILURES, _failures),),
    lambda snapshot: (snapshot,),
    lambda _: (),
)
RUN_GROUPS: Final = Group(FAMILIES, _subjects, _labels)
