"""What a rule that names a cause is made of, and how far it may reach."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Cause

MINUTE_NS: Final = 60 * NS_PER_SECOND
SKEW_NS: Final = 5 * NS_PER_SECOND
"""Nodes' clocks differ, and Kubernetes cuts its timestamps to whole seconds."""
WHOLE_SECOND_NS: Final = NS_PER_SECOND
COLLECTIVE_NS: Final = 35 * MINUTE_NS
"""Survivors may wait this long: PyTorch's collectives time out after 10 or 30 min."""
GRACE_NS: Final = 60 * MINUTE_NS
"""Pods that are told to go may take this long; graces beyond an hour are unusual."""
TAINT_GRACE_NS: Final = 10 * MINUTE_NS
"""Pods tolerate a lost node for 300 s by default; then they are deleted."""
NODE_MONITOR_NS: Final = 40 * NS_PER_SECOND
"""A silent node is marked after 40 s (50 s since Kubernetes 1.32), never earlier."""


class Role(StrEnum):
    """
    What a matched observation can do; the first role that is present decides.

    ``OVERRIDES`` explains whatever happens inside it. ``INITIATES`` can begin an
    interruption. ``TRACE`` is left by something outside the program that can:
    it proves that the program is not to blame, and names nobody. ``SYMPTOM`` is
    how it looked from inside, the word of last resort. ``CASCADE`` follows
    whatever it was that began, and says nothing about it.
    """

    OVERRIDES = "overrides"
    INITIATES = "initiates"
    TRACE = "trace"
    SYMPTOM = "symptom"
    CASCADE = "cascade"


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One rule.

    Args:
        id: Kept with every entry that rests on it; never used for another rule.
        cause: What it names; a cascade names nothing and has ``UNKNOWN``.
        role: What a match can do.
        kind: The kind of observation that it matches.
        reasons: The reasons that it matches; a ``*`` at the end stands for any rest.
        before_ns: How long before the first rank's end it may have begun.
        after_ns: How long after that end it may be dated.
        lag_ns: How long after the fact it is dated at the earliest; it counts as
            that much older.
        needs: Another observation without which it does not hold.
        is_own: The program does so by itself, and not because it was told to go.
        may_follow: It is left behind a failure of the program's own, too, so one that
            is no older than such a failure did not begin it.
        why: The reasoning, with its source.
    """

    id: str
    cause: Cause
    role: Role
    kind: Kind
    reasons: tuple[str, ...]
    before_ns: int = 0
    after_ns: int = SKEW_NS
    lag_ns: int = 0
    needs: tuple[Kind, str] | None = None
    is_own: bool = False
    may_follow: bool = False
    why: str = ""

    def matches(self, seen: Evidence) -> bool:
        """Return whether kind and reason fit; times are not looked at."""
        return seen.kind is self.kind and any(
            seen.reason.startswith(reason[:-1])
            if reason.endswith("*")
            else seen.reason == reason
            for reason in self.reasons
        )


DISRUPTION: Final = (
    "https://kubernetes.io/docs/concepts/workloads/pods/disruptions/"
    "#pod-disruption-conditions"
)
KUEUE: Final = "kubernetes-sigs/kueue, the Evicted reasons of its Workload API"
NTH: Final = "aws/aws-node-termination-handler, pkg/node/node.go and its chart's README"
NOBODY: Final = Cause.UNKNOWN
AKS: Final = (
    "Node Problem Detector on AKS: "
    "https://learn.microsoft.com/azure/aks/node-problem-detector."
)
NVSENTINEL: Final = (
    "NVSentinel's checks become conditions: NVIDIA/NVSentinel, "
    "https://docs.nvidia.com/nvsentinel/."
)
EKS: Final = "aws/eks-node-monitoring-agent: False is a fatal finding."
