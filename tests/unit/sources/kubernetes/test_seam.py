"""What the reflector keeps of objects is all that placements need of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from goodput_exporter.sources.kubernetes.changes import Change
from goodput_exporter.sources.kubernetes.decoding import Reader
from goodput_exporter.sources.kubernetes.kinds import PODS, Kind, followed
from goodput_exporter.sources.kubernetes.lean import plain
from goodput_exporter.sources.kubernetes.store import Store
from goodput_exporter.sources.workloads.lookups import holders
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.chains import SEEN_NS, Chain, chains
from tests.fakes.cluster import Pod, Raw, meta

KINDS = {(kind.group, kind.name): kind for kind in followed()}


def kind_in(raw: Raw) -> Kind[Any] | None:
    """Return how an object is followed; None where it is not."""
    version: str = raw["apiVersion"]
    group = version.partition("/")[0] if "/" in version else ""
    return KINDS.get((group, raw["kind"]))


def listed(kind: Kind[Any], raw: Raw) -> Change | None:
    """Return the change that an object in a list makes, its own kind left out."""
    bare = {k: v for k, v in raw.items() if k not in {"kind", "apiVersion"}}
    page = {"kind": "XList", "metadata": {"resourceVersion": "1"}, "items": [bare]}
    store = Store(kind)
    store.serve(raw["apiVersion"].rpartition("/")[2])
    [found] = Reader(kind.type).page(json.dumps(page).encode(), "GET").found
    return store.see(found, SEEN_NS)[1]


def heard(tracker: Tracker, change: Change) -> None:
    """Tell a tracker of a change, as the aggregator does."""
    tracker.change(change.verb.value, change.plain(), change.seen_ns)


@pytest.mark.parametrize("chain", chains(), ids=lambda chain: chain.name)
def test_a_run_is_the_same_through_the_reflector(chain: Chain) -> None:
    """Owners, sizes, ranks, waits and evidence: nothing that is left out is missed."""
    direct, through = Tracker("c"), Tracker("c")
    for raw in chain.objects:
        kind = kind_in(raw)
        if kind is None:
            continue
        direct.change("added", raw, SEEN_NS)
        change = listed(kind, raw)
        if change is not None:  # a launcher without GPUs is left out
            heard(through, change)

    assert through.drain(SEEN_NS) == direct.drain(SEEN_NS)
    assert [*holders(through.register)] == [*holders(direct.register)]
    assert not through.faults


def test_a_run_id_in_a_pods_environment_names_its_run() -> None:
    """The variables that name and number it are kept; others may be secrets."""
    raw = Pod("p").raw
    raw["spec"]["hostNetwork"] = True
    raw["spec"]["containers"][0]["env"] = [
        {"name": "API_KEY", "value": "hunter2"},
        {"name": "GOODPUT_RUN_ID", "value": "llama"},
        {"name": "RANK", "value": "3"},
        {"name": "FROM", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    tracker = Tracker("c")

    change = listed(PODS, raw)

    assert change is not None
    heard(tracker, change)
    assert "hunter2" not in str(plain(change.found, "Pod"))
    [key] = tracker.register.runs
    assert key.run == "llama"
    [record] = tracker.register.pods.values()
    assert (record.on_host, record.variables) == (True, {"RANK": "3"})


def test_shared_gpus_are_kept_and_so_is_a_leader_without_any() -> None:
    """Its workers are owned by it, and their run is found over it."""
    shared, leader, web = Pod("p").raw, Pod("q").raw, Pod("w").raw
    shared["spec"]["containers"][0]["resources"] = {
        "limits": {"nvidia.com/gpu.shared": "1"}
    }
    leader["metadata"] = meta("q", labels={"leaderworkerset.sigs.k8s.io/name": "moe"})
    for raw in (leader, web):
        raw["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1"}}

    assert [listed(PODS, raw) is not None for raw in (shared, leader, web)] == [
        True,
        True,
        False,
    ]


def test_kinds_of_one_name_are_told_apart_by_their_group() -> None:
    """A Job of Volcano's is none of Kubernetes'."""
    raw = next(
        raw
        for chain in chains()
        for raw in chain.objects
        if raw["apiVersion"].startswith("batch.volcano.sh/")
    )

    change = listed(KINDS["batch.volcano.sh", "Job"], raw)

    assert change is not None
    assert (change.kind, change.api_version) == ("Job", "batch.volcano.sh/v1alpha1")
