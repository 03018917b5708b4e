"""Every rule that names a cause, in the order in which they are asked."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain.rules_of_nodes import GPUS, NODES, OVERRIDES
from goodput_exporter.domain.rules_of_pods import PODS, WORKLOADS
from goodput_exporter.domain.rules_of_programs import CASCADES, SYMPTOMS
from goodput_exporter.domain.rules_of_traces import TRACES

RULES: Final = (
    *OVERRIDES,
    *NODES,
    *GPUS,
    *PODS,
    *WORKLOADS,
    *TRACES,
    *SYMPTOMS,
    *CASCADES,
)
"""In order: the first that matches an observation judges it, and ties go to it."""
