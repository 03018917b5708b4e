"""Objects kept as bytes are what was read; what is cut out of them nobody reads."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.sources.kubernetes.changes import Change, Verb
from goodput_exporter.sources.kubernetes.decoding import Reader, without_managed_fields
from goodput_exporter.sources.kubernetes.kinds import PODS, manifests
from goodput_exporter.sources.kubernetes.lean import identity, plain
from goodput_exporter.sources.kubernetes.packed import packed, unpacked
from goodput_exporter.sources.kubernetes.pod_objects import Pod
from goodput_exporter.sources.kubernetes.store import Store
from tests.fakes.kube_captured import FOLDER
from tests.fakes.kube_objects import Json, pod
from tests.unit.sources.kubernetes.test_objects import (
    HONEST,
    KINDS,
    PLACES,
    mutated,
    page_of,
)

LINES = [path.read_bytes().rstrip() for path in sorted(FOLDER.glob("*.jsonl"))]
MARKS = ['"managedFields":[', ',"managedFields":[', ']},"spec":{', "]", "[", "{", "}"]


@pytest.mark.parametrize("kind", HONEST)
def test_what_is_packed_is_what_was_read(kind: str) -> None:
    """Whatever is odd in it; as a struct, and as plain JSON."""
    dice = random.Random(kind)  # noqa: S311 - the same objects every time, no secret
    reader = Reader(KINDS[kind].type)
    read = msgspec.msgpack.Decoder(KINDS[kind].type).decode
    rows = [mutated(HONEST[kind], at, dice) for at in PLACES[kind]]

    for found in reader.page(page_of(kind, [*rows, HONEST[kind]]), "GET").found:
        if found is not None:
            kept = packed(found, read)

            assert unpacked(kept) == found
            told = Change(kind, Verb.ADDED, kept, 1, api_version="v1").plain()
            assert json.dumps(told) == json.dumps(plain(found, kind, "v1"))


def test_an_object_that_nests_as_deeply_as_can_be_read_is_kept() -> None:
    """There is a depth that can just be read and not written again."""
    kind = manifests("Odd", "example.com", "odds", ("v1",))
    for depth in range(800, 1100, 3):
        deep = '[{"a":' * (depth // 2) + "1" + "}]" * (depth // 2)
        row = f'{{"metadata":{{"name":"odd"}},"spec":{{"x":{deep}}}}}'
        line = f'{{"type":"ADDED","object":{row}}}'.encode()
        store = Store(kind)

        _, found = Reader(kind.type).line(line, "watch")
        _, change = store.see(found, 1)

        assert change is not None
        assert change.found == found
        assert store.objects() == [found]


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_managed_fields_are_cut_out_of_what_a_real_server_wrote(line: bytes) -> None:
    """And nothing else is: it reads the same."""
    cut = without_managed_fields(line)

    whole, rest = json.loads(line), json.loads(cut)
    assert len(cut) < len(line) * 3 / 4
    assert rest["object"]["metadata"].pop("managedFields") == []
    del whole["object"]["metadata"]["managedFields"]
    assert rest == whole


letters = st.text(max_size=4) | st.sampled_from(MARKS)
odd_values = st.recursive(
    st.none() | st.integers() | letters,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(letters | st.just("managedFields"), inner, max_size=2)
    ),
    max_leaves=6,
)


@settings(max_examples=40)
@given(st.lists(st.tuples(letters, odd_values), max_size=3), odd_values, st.data())
def test_an_event_reads_the_same_whatever_its_managed_fields_hold(
    others: list[tuple[str, Any]], managed: object, data: st.DataObject
) -> None:
    """In any order of keys, with any marks in any text: a list cuts nothing out."""
    row: Json = pod("p")
    labels = {"managedFields": "[", "odd": data.draw(letters)}
    metadata = {**row["metadata"], "labels": labels}
    del metadata["managedFields"]
    keys = [*metadata.items(), ("managedFields", managed), *others]
    row["metadata"] = dict(data.draw(st.permutations(keys)))
    row["metadata"]["name"] = data.draw(letters)
    row = dict(data.draw(st.permutations(list(row.items()))))
    text = json.dumps(row, separators=(",", ":"))
    line = f'{{"type":"MODIFIED","object":{text}}}\n'.encode()

    [listed] = Reader(Pod).page(page_of("Pod", [row]), "GET").found

    assert Reader(Pod).line(line, "watch") == ("MODIFIED", listed)


def test_what_the_store_gives_back_is_what_it_told_of() -> None:
    """Also of an object that a list does not have any more."""
    store = Store(PODS)
    [found] = Reader(Pod).page(page_of("Pod", [pod("p")]), "GET").found
    _, change = store.see(found, 1)
    assert change is not None

    held = store.objects()
    [gone] = store.keep_only(set(), 2)

    assert held == [change.found] == [gone.found]
    assert identity(gone.found) == identity(held[0])
