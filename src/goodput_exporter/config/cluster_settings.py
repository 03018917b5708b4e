"""The settings of the aggregator: the cluster, its replicas, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from goodput_exporter.config.setting import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubernetes:
    """Which cluster the aggregator follows, and what its labels mean."""

    kubeconfig: Annotated[
        Path | None,
        Setting(
            "How to reach the API server from outside the cluster. Without it and "
            "`kubernetes.server`, the pod's own service account, else `KUBECONFIG`."
        ),
    ] = None
    server: Annotated[
        str | None, Setting("The API server's address, such as https://10.0.0.1:6443.")
    ] = None
    token_file: Annotated[
        Path | None,
        Setting(
            "Bearer token for `kubernetes.server`, read anew for each request.",
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        Setting("Authorities that may have signed `kubernetes.server`'s certificate."),
    ] = None
    namespaces: Annotated[
        tuple[str, ...],
        Setting(
            "The only namespaces to follow, for roles that reach no further; without "
            "any, all of them."
        ),
    ] = ()
    team_labels: Annotated[
        tuple[str, ...],
        Setting(
            "Labels of workloads or pods that name a team, best first; groups of runs "
            "are formed by them."
        ),
    ] = ()
    run_id_label: Annotated[
        str, Setting("Label or annotation that states a run id.")
    ] = "goodput-exporter/run-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregator:
    """How several aggregators share one cluster."""

    lease: Annotated[
        str | None,
        Setting(
            "Name of the Lease that the one that writes holds; a shard's number is "
            "appended. Without it this replica is taken to be the only one."
        ),
    ] = None
    lease_seconds: Annotated[
        float,
        Setting(
            "How long the Lease holds: another replica takes over so long after the "
            "leader was last heard of.",
            unit="seconds",
            at_least=1,
        ),
    ] = 15.0
    namespace: Annotated[
        str | None,
        Setting(
            "Namespace of the Lease and of our own pod; without it, the one that the "
            "pod's service account is of."
        ),
    ] = None
    pod: Annotated[
        str | None,
        Setting(
            "Our own pod: its name stands in the Lease, and the leader labels it. "
            "Without it `identity.node` stands there, and nothing is labelled."
        ),
    ] = None
    shard: Annotated[
        str,
        Setting(
            "INDEX/COUNT where one process is too little for a cluster, such as `1/3`: "
            "each books the runs whose hash is its own. Agents push to every shard "
            "(`push.shards`). The count stays as it is for a ledger's life."
        ),
    ] = "0/1"
    most_runs: Annotated[
        int,
        Setting(
            "Runs in memory at once; reports of further ones are refused and counted.",
            unit="runs",
            at_least=1,
        ),
    ] = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposition:
    """How much is shown, and to whom."""

    series_budget: Annotated[
        int,
        Setting(
            "Series on `/metrics`. Above it the smallest runs are left out, and "
            "`goodput_series_dropped_total` counts what of them; sums over groups "
            "of runs still hold them.",
            unit="series",
            at_least=1000,
        ),
    ] = 100_000
    readers: Annotated[
        str,
        Setting(
            "`anyone` who reaches the port may read. `kubernetes`: who shows a token "
            "that the API server knows, and may get the path by RBAC "
            "(`nonResourceURLs`), or a token of `http.readers_file`. The aggregator's; "
            "health is for anyone.",
            choices=("anyone", "kubernetes"),
        ),
    ] = "anyone"
