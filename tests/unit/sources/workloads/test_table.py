"""The table of kinds: unambiguous, and what the role may read follows from it."""

from __future__ import annotations

from goodput_exporter.sources.workloads.entry import Use
from goodput_exporter.sources.workloads.table import TABLE, entry_of, rbac


def test_every_kind_is_there_once() -> None:
    """Two kinds may share a name, never a group and a name."""
    names = [(entry.group, entry.kind) for entry in TABLE]

    assert len(names) == len(set(names))


def test_a_job_of_volcano_is_told_from_a_job_of_kubernetes_by_its_group() -> None:
    """Kinds share names; without a group the built-in one is meant."""
    volcano = entry_of("batch.volcano.sh/v1alpha1", "Job")
    plain = entry_of("", "Job")

    assert volcano is not None
    assert plain is not None
    assert (volcano.group, plain.group) == ("batch.volcano.sh", "batch")
    assert entry_of("example.org/v1", "Job") is None


def test_the_role_reads_exactly_the_kinds_of_the_table() -> None:
    """One rule per group, two verbs, nothing that writes."""
    rules = rbac()

    asked = {
        (rule["apiGroups"][0], name) for rule in rules for name in rule["resources"]
    }
    followed = [entry for entry in TABLE if entry.is_followed]
    assert asked == {(entry.group, entry.plural) for entry in followed}
    assert all(rule["verbs"] == ["list", "watch"] for rule in rules)
    assert len(rules) == len({entry.group for entry in followed})


def test_a_kind_that_trains_says_how_it_ends_or_that_it_never_does() -> None:
    """A set of servers has no last word; everything else has."""
    endless = {"StatefulSet", "LeaderWorkerSet", "RayCluster"}
    for entry in TABLE:
        if entry.use is Use.TRAINS:
            ends = bool(entry.succeeded) or entry.phase is not None
            assert ends is (entry.kind not in endless), entry.kind
