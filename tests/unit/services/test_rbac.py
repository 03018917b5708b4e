"""The roles are what the settings need, and nothing besides."""

from __future__ import annotations

import argparse
import io
import json

from goodput_exporter.config.places import load
from goodput_exporter.services.rbac import cluster_rules, main, own_rules
from goodput_exporter.sources.workloads.table import rbac

LEASED = {"GOODPUT_EXPORTER_AGGREGATOR_LEASE": "goodput"}
PUSHED = {"GOODPUT_EXPORTER_INGEST_AUDIENCE": "goodput"}
READ = {"GOODPUT_EXPORTER_EXPOSITION_READERS": "kubernetes"}


def test_a_lone_aggregator_only_reads_the_kinds_of_the_table() -> None:
    """No token is reviewed and nothing is written, so nothing of it is asked for."""
    settings = load(environ={})

    assert cluster_rules(settings) == rbac()
    assert own_rules(settings) == []


def test_what_is_switched_on_brings_its_own_right() -> None:
    """Tokens of agents, of readers; each right is there for one of them."""

    def verbs(environ: dict[str, str]) -> set[tuple[str, str]]:
        rules = cluster_rules(load(environ=environ))[len(rbac()) :]
        return {(rule["resources"][0], rule["verbs"][0]) for rule in rules}

    assert verbs(PUSHED) == {("pods", "get"), ("tokenreviews", "create")}
    assert verbs(READ) == {
        ("tokenreviews", "create"),
        ("subjectaccessreviews", "create"),
    }


def test_replicas_may_hold_their_own_leases_and_label_pods() -> None:
    """One Lease per shard, by name; what is created has none yet."""
    shards = {**LEASED, "GOODPUT_EXPORTER_AGGREGATOR_SHARD": "1/2"}

    create, hold, label = own_rules(load(environ=shards))

    assert create["verbs"] == ["create"]
    assert hold["resourceNames"] == ["goodput-0", "goodput-1"]
    assert hold["verbs"] == ["get", "update"]
    assert (label["resources"], label["verbs"]) == (["pods"], ["patch"])


def test_the_roles_are_printed_as_one_list_for_kubectl() -> None:
    """The chart takes them as they are."""
    out = io.StringIO()

    assert main(load(environ=LEASED), argparse.Namespace(), out) == 0

    listed = json.loads(out.getvalue())
    assert [each["kind"] for each in listed["items"]] == ["ClusterRole", "Role"]
