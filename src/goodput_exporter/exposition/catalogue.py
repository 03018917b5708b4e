"""
Every metric that this program exports, as data.

Each ``*_metrics`` module beside this one describes what the ``*_families``
module of the same name fills. The pages, the docs, the dashboards and the
tests read the whole from here; a name that is not here is exported nowhere.
No metric carries a label that Prometheus sets on the target (``job``,
``instance``, ``pod``, ``namespace``, ``node``, ``container``): the two would
collide and one would be renamed.
"""

from __future__ import annotations

from typing import Final

from goodput_exporter.exposition import (
    cluster_metrics,
    gpu_metrics,
    group_metrics,
    own_metrics,
    pipe_metrics,
    run_metrics,
    watch_metrics,
)
from goodput_exporter.exposition.metric import Metric

MODULES: Final = (
    run_metrics,
    group_metrics,
    cluster_metrics,
    watch_metrics,
    gpu_metrics,
    own_metrics,
    pipe_metrics,
)

CATALOGUE: Final[tuple[Metric, ...]] = tuple(
    value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, Metric)
)
"""In the order of the reference page."""
