"""Groups of runs as lines of a table, in words and rounded figures."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from goodput_exporter.analysis.figures import percent
from goodput_exporter.analysis.money import NS_PER_HOUR, amounts
from goodput_exporter.analysis.rounding import rounded
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.report.account import hours_decimals
from goodput_exporter.report.sheet import Sheet
from goodput_exporter.report.words import amount

HEADS: Final = (
    "Runs",
    "Goodput",
    "ETTR",
    "Coverage",
    "Lost GPU-hours",
    "GPU-hours",
)
"""Beside the group's name and, with prices, its cost."""

KIND_NAME: Final[Mapping[GroupKind, str]] = MappingProxyType(
    {
        GroupKind.CLUSTER: "Cluster",
        GroupKind.NAMESPACE: "Namespace",
        GroupKind.TEAM: "Team",
        GroupKind.QUEUE: "Queue",
        GroupKind.GPU_MODEL: "GPU model",
        GroupKind.NODE_POOL: "Node pool",
    }
)
NOT_SAID: Final = "(not said)"


def group_lines(made: Sheet) -> list[tuple[str, ...]]:
    """
    Return a line per group, the largest first; its figures sum to the foot.

    Returns:
        Name, runs, goodput, ETTR, coverage, lost GPU-hours, GPU-hours, and cost.
    """
    keys = range(len(made.groups))
    columns = [
        rounded(
            dict(zip(keys, column, strict=True)),
            per_unit=NS_PER_HOUR,
            decimals=hours_decimals(made.whole.total.gpu_ns),
        )
        for column in (
            [sum(one.account.bad_gpu_ns.values()) for one in made.groups],
            [one.account.total_gpu_ns for one in made.groups],
        )
    ]
    money = amounts(dict(zip(keys, [one.cost for one in made.groups], strict=True)))
    lines: list[tuple[str, ...]] = []
    for key, one in enumerate(made.groups):
        found = ratios(one.account)
        lines.append(
            (
                NOT_SAID if one.name is None else one.name,
                str(one.runs),
                percent(found.goodput),
                percent(found.ettr),
                percent(found.coverage),
                amount(columns[0][key]),
                amount(columns[1][key]),
                amount(money[key]),
            )
        )
    return lines
