"""The roles that the programs need in a cluster, each right for a reason."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Final, TextIO, TypeAlias

from goodput_exporter.config import Settings
from goodput_exporter.sources.workloads.table import rbac

Rule: TypeAlias = dict[str, list[str]]

NAME: Final = "goodput-exporter-aggregator"


def cluster_rules(settings: Settings) -> list[Rule]:
    """Return what the aggregator may do everywhere: read the kinds, and ask."""
    rules = [dict(rule) for rule in rbac()]
    if settings.ingest.audience is not None:
        # For tokens of clusters that do not write the node into them.
        rules.append(rule("", "pods", "get"))
    is_asking = settings.exposition.readers == "kubernetes"
    if settings.ingest.audience is not None or is_asking:
        rules.append(rule("authentication.k8s.io", "tokenreviews", "create"))
    if is_asking:
        rules.append(rule("authorization.k8s.io", "subjectaccessreviews", "create"))
    return rules


def own_rules(settings: Settings) -> list[Rule]:
    """Return what the aggregator may do in its own namespace: lead, and say so."""
    lease = settings.aggregator.lease
    if lease is None:
        return []
    # The API server cannot restrict what is created to a name; the rest it can.
    names = leases_of(settings, lease)
    held = rule("coordination.k8s.io", "leases", "get", "update")
    held["resourceNames"] = names
    return [
        rule("coordination.k8s.io", "leases", "create"),
        held,
        rule("", "pods", "patch"),
    ]


def leases_of(settings: Settings, lease: str) -> list[str]:
    """Return the names of the Leases of all shards."""
    count = int(settings.aggregator.shard.partition("/")[2] or 1)
    return [lease] if count == 1 else [f"{lease}-{index}" for index in range(count)]


def rule(group: str, resource: str, *verbs: str) -> Rule:
    """Return one rule about one kind of objects."""
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


def objects(settings: Settings) -> Iterator[dict[str, object]]:
    """Yield the roles as objects; whom they are bound to is the installer's to say."""
    group = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    yield {
        **group,
        "kind": "ClusterRole",
        "metadata": {"name": NAME},
        "rules": cluster_rules(settings),
    }
    own = own_rules(settings)
    if own:
        namespace = settings.aggregator.namespace
        placed = {} if namespace is None else {"namespace": namespace}
        yield {
            **group,
            "kind": "Role",
            "metadata": {"name": NAME, **placed},
            "rules": own,
        }


def main(settings: Settings, _: argparse.Namespace, out: TextIO) -> int:
    """Write the roles as one List, which ``kubectl apply -f -`` takes."""
    listed = {"apiVersion": "v1", "kind": "List", "items": [*objects(settings)]}
    out.write(json.dumps(listed, indent=2) + "\n")
    return 0
