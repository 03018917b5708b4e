"""Which groups of families a page is made of, in the order of the page."""

from __future__ import annotations

from typing import Any, Final

from goodput_exporter.exposition.cluster_families import CLUSTER
from goodput_exporter.exposition.energy_families import RUN_ENERGY
from goodput_exporter.exposition.family import Group
from goodput_exporter.exposition.gpu_families import GPU_HEALTH, GPUS, HOLDERS
from goodput_exporter.exposition.group_families import NODE_FAILURES, RUN_GROUPS
from goodput_exporter.exposition.own_families import BOOKS, HEALTH, PROCESS
from goodput_exporter.exposition.pipe_families import PIPES
from goodput_exporter.exposition.run_families import RUNS
from goodput_exporter.exposition.watch_families import KINDS, WAITS, WATCH

OF_BOOKS: Final[tuple[Group[Any], ...]] = (
    RUNS,
    RUN_GROUPS,
    NODE_FAILURES,
    RUN_ENERGY,
    CLUSTER,
    WATCH,
    KINDS,
    WAITS,
)
"""Told by who keeps books; what is not watched fills no family."""

OF_A_NODE: Final[tuple[Group[Any], ...]] = (GPUS, GPU_HEALTH, HOLDERS, PIPES, HEALTH)

GROUPS: Final = (*OF_BOOKS, *OF_A_NODE, BOOKS, PROCESS)
OF_AN_AGENT: Final = (*OF_A_NODE, PROCESS)
"""It has no books: what runs did is told by the aggregator."""
