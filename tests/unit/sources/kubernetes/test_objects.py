"""Objects with anything wrong in them: read, counted, and the rest of them kept."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from goodput_exporter.sources.kubernetes.changes import Verb
from goodput_exporter.sources.kubernetes.decoding import Reader
from goodput_exporter.sources.kubernetes.kinds import (
    EVENTS,
    JOBS,
    NODES,
    PODS,
    Kind,
    manifests,
)
from goodput_exporter.sources.kubernetes.lean import identity, plain
from goodput_exporter.sources.kubernetes.pod_objects import Pod
from goodput_exporter.sources.kubernetes.store import Store
from goodput_exporter.sources.kubernetes.troubles import ApiError, Trouble
from tests.fakes.kube_objects import Json, event, job, node, pod

HONEST = {"Pod": pod("p"), "Node": node("n"), "Event": event("e"), "Job": job("j")}
KINDS: dict[str, Kind[Any]] = {"Pod": PODS, "Node": NODES, "Event": EVENTS, "Job": JOBS}
HONEST["JobSet"] = job("s")
KINDS["JobSet"] = manifests("JobSet", "jobset.x-k8s.io", "jobsets", ("v1alpha2",))
ODD: list[object] = [
    None, True, -1, 10**400, 0.5, 1e308, "", "8", "\ud800", "a" * 5000, [], [None],
    [[]], ["x"], {}, {"x": None}, {"name": 5}, {"": {"": []}},
]  # fmt: skip


def paths(
    raw: object, at: tuple[str | int, ...] = ()
) -> Iterator[tuple[str | int, ...]]:
    """Yield where every value of an object is, the object itself included."""
    yield at
    if isinstance(raw, dict):
        for name, value in raw.items():
            yield from paths(value, (*at, name))
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            yield from paths(value, (*at, index))


PLACES = {name: list(paths(raw))[1:] for name, raw in HONEST.items()}


def mutated(raw: Json, at: tuple[str | int, ...], dice: random.Random) -> Json:
    """Return a copy with the value at a place removed, or another one there."""
    copy: Any = deepcopy(raw)
    parent = copy
    for name in at[:-1]:
        parent = parent[name]
    if dice.random() < 1 / 3:
        del parent[at[-1]]
    else:
        parent[at[-1]] = dice.choice(ODD)
    return copy  # type: ignore[no-any-return]  # a copy of a Json is one


def page_of(kind: str, rows: list[Json]) -> bytes:
    """Return a list as the server writes it."""
    frame = {"kind": f"{kind}List", "metadata": {"resourceVersion": "7"}}
    return json.dumps(frame | {"items": rows}).encode()


@pytest.mark.parametrize("kind", HONEST)
@pytest.mark.parametrize(
    "count", [500, pytest.param(25_000, marks=pytest.mark.real)], ids=["some", "many"]
)
def test_any_field_of_any_object_may_be_anything(kind: str, count: int) -> None:
    """
    No exception, every object counted, and the honest neighbours untouched.

    Removed, null, or of another type: 100,000 objects in the slow suite.
    """
    dice = random.Random(f"{kind} {count}")  # noqa: S311 - the same objects every time, no secret
    reader, store = Reader(KINDS[kind].type), Store(KINDS[kind])
    witness = HONEST[kind]
    expected = reader.page(page_of(kind, [witness]), "GET").found[0]
    for _ in range(count // 50):
        rows = [mutated(witness, dice.choice(PLACES[kind]), dice) for _ in range(50)]
        page = reader.page(page_of(kind, [*rows, witness]), "GET")

        assert len(page.found) == 51
        assert page.found[-1] == expected
        for found in page.found:
            store.see(found, 1)

    held = store.read - store.left_out - store.nameless
    assert store.read == count // 50 * 51
    assert held > count // 2
    assert reader.faults > count // 10


@pytest.mark.parametrize("kind", HONEST)
def test_a_watch_reads_what_a_list_reads(kind: str) -> None:
    """An odd object in an event costs what it costs in a list."""
    dice = random.Random(3)  # noqa: S311 - the same objects every time, no secret
    reader = Reader(KINDS[kind].type)
    for at in PLACES[kind]:
        row = mutated(HONEST[kind], at, dice)
        event_line = json.dumps({"type": "MODIFIED", "object": row}).encode()

        listed = reader.page(page_of(kind, [row]), "GET").found[0]
        assert reader.line(event_line, "watch") == ("MODIFIED", listed)


def test_one_odd_field_costs_itself() -> None:
    """Everything beside it is kept, and it is counted."""
    row = pod("p")
    row["status"]["conditions"][0]["message"] = 5
    row["status"]["containerStatuses"].append(None)
    row["metadata"]["labels"]["odd"] = None
    reader = Reader(Pod)

    found = reader.page(page_of("Pod", [row]), "GET").found[0]

    honest = Reader(Pod).page(page_of("Pod", [pod("p")]), "GET").found[0]
    assert found is not None
    assert honest is not None
    assert found.spec == honest.spec
    assert found.metadata == honest.metadata
    assert found.status is not None
    assert found.status.conditions is not None
    assert found.status.conditions[0].type == "Ready"
    assert found.status.conditions[0].message is None
    assert reader.faults == 3


@pytest.mark.parametrize("text", [b"\\ud800", b"\xff\xfe", b"\\udc00\\ud800"])
def test_text_that_is_no_unicode_costs_its_letters(text: bytes) -> None:
    """A page must not be lost over a half of a surrogate pair."""
    body = page_of("Pod", [pod("p")]).replace(b"node-1", b"n" + text + b"\\\\ud800")

    found = Reader(Pod).page(body, "GET").found[0]

    assert found is not None
    assert found.spec is not None
    assert found.spec.node_name is not None
    assert found.spec.node_name.startswith("n\ufffd")
    assert found.spec.node_name.endswith("\\ud800")


@pytest.mark.parametrize("depth", [1_100, 9_990, 100_000])
def test_an_object_that_nests_without_end_costs_its_neighbours_nothing(
    depth: int,
) -> None:
    """Whoever may create a custom resource could else put out the whole kind."""
    deep = b'{"x":' + b'[{"a]":' * depth + b"1" + b"}]" * depth + b"}"
    odd = page_of("Pod", [pod("odd")]).replace(
        b'"managedFields": [', b'"x": [' + deep + b","
    )
    row = odd.partition(b'"items": [')[2].removesuffix(b"]}")
    body = page_of("Pod", [pod("p")]).replace(b'"items": [', b'"items": [' + row + b",")
    reader = Reader(Pod)

    listed = reader.page(body, "GET").found
    _, watched = reader.line(b'{"type":"ADDED","object":' + row + b"}", "watch")

    assert [found and identity(found) for found in listed] == ["odd", "p"]
    assert listed[1] == Reader(Pod).page(page_of("Pod", [pod("p")]), "GET").found[0]
    assert watched == listed[0]
    assert reader.faults == 2


def test_brackets_without_an_end_are_refused_in_words() -> None:
    """They are no JSON, however deep."""
    with pytest.raises(ApiError) as refused:
        Reader(Pod).line(b"[" * 100_000, "watch")

    assert refused.value.trouble is Trouble.GARBLED


def test_only_what_means_gpus_is_kept_of_a_pod() -> None:
    """Whoever made them; and no second copy of the object in an annotation."""
    row = pod("p")
    limits = row["spec"]["containers"][0]["resources"]["limits"]
    limits |= {"amd.com/gpu": 4, "nvidia.com/mig-1g.5gb": "2", "example.com/gpus": 1}
    found = Reader(Pod).page(page_of("Pod", [row]), "GET").found[0]
    store = Store(PODS)

    _, change = store.see(found, 5)

    assert change is not None
    kept = change.found
    assert isinstance(kept, Pod)
    assert kept.metadata is not None
    assert kept.metadata.annotations == {"note": "kept"}
    assert kept.spec is not None
    assert kept.spec.containers is not None
    resources = kept.spec.containers[0].resources
    assert resources is not None
    assert resources.limits == {
        "nvidia.com/gpu": "8", "amd.com/gpu": 4, "nvidia.com/mig-1g.5gb": "2",
    }  # fmt: skip
    assert resources.requests == {"nvidia.com/gpu": "8"}


@pytest.mark.parametrize(
    "change",
    [
        {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "t"}]},
        {"initContainers": [{"resources": {"limits": {"nvidia.com/gpu": 1}}}]},
        {"containers": [{"resources": {"requests": {"gpu.intel.com/gpu": "1"}}}]},
        {"containers": [{"resources": {"claims": [{"name": "gpu"}]}}]},
        {"containers": [{"resources": {"limits": {"nvidia.com/mig-3g.40gb": 1}}}]},
    ],
)
def test_gpus_are_asked_for_in_many_ways(change: Json) -> None:
    """By a vendor's name, as a slice, as a claim, by any kind of container."""
    row = pod("p", gpus=None)
    plain_pod = Reader(Pod).page(page_of("Pod", [row]), "GET").found[0]
    row["spec"] |= change
    asking = Reader(Pod).page(page_of("Pod", [row]), "GET").found[0]

    assert plain_pod is not None
    assert asking is not None
    assert not PODS.wants(plain_pod)
    assert PODS.wants(asking)


def test_a_pod_that_is_kept_stays_kept_whatever_becomes_of_its_fields() -> None:
    """A null where its containers were must not end a run."""
    store = Store(PODS)
    reader = Reader(Pod)
    row = pod("p")
    found = reader.page(page_of("Pod", [row]), "GET").found[0]
    store.see(found, 1)
    row["spec"] = None

    _, change = store.see(reader.page(page_of("Pod", [row]), "GET").found[0], 2)

    assert change is not None
    assert change.verb is Verb.MODIFIED
    assert len(store) == 1


def test_an_object_goes_by_its_uid_and_else_by_its_name() -> None:
    """Without either it cannot be told from others."""
    named = msgspec.convert({"metadata": {"name": "p", "namespace": "ml"}}, Pod)
    unique = msgspec.convert({"metadata": {"name": "p", "uid": "u-1"}}, Pod)

    assert identity(unique) == "u-1"
    assert identity(named) == "ml/p"
    assert identity(Pod()) is None
    assert identity(msgspec.convert({"metadata": {"namespace": "ml"}}, Pod)) is None


def test_an_object_can_be_had_as_the_api_wrote_it() -> None:
    """For whoever reads evidence out of plain JSON; lists leave out the kind."""
    found = Reader(Pod).page(page_of("Pod", [pod("p")]), "GET").found[0]
    assert found is not None

    raw: Json = plain(found, "Pod")

    terminated = pod("p")["status"]["containerStatuses"][0]["lastState"]
    assert raw["kind"] == "Pod"
    assert raw["status"]["podIP"] == "10.0.0.7"
    assert raw["status"]["containerStatuses"][0]["lastState"] == terminated


def test_a_pod_seen_by_a_list_that_broke_off_is_known_to_have_been_there() -> None:
    """Its estimated end is then later than the watch's last sign of life."""
    store = Store(PODS)
    reader = Reader(Pod)
    for name, seen_ns in (("old", 10), ("sighted", 50)):
        store.see(reader.page(page_of("Pod", [pod(name)]), "GET").found[0], seen_ns)

    gone = store.keep_only(set(), 20)

    assert [(identity(each.found), each.seen_ns) for each in gone] == [
        ("old", 20),
        ("sighted", 50),
    ]
    assert len(store) == 0
