"""Who may read what: the generated role is enough, and each part of it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from goodput_exporter.sources.kubernetes.standing import State
from goodput_exporter.sources.kubernetes.troubles import Trouble
from goodput_exporter.sources.workloads.entry import Entry
from goodput_exporter.sources.workloads.table import rbac
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.following import FOLLOWED, Following
from tests.cluster.operators import is_served
from tests.cluster.scenes import account, node
from tests.cluster.services import wait_for

VERBS = ("list", "watch")
DEVICES = "resource.k8s.io"
"""Optional, and yet the API server's own."""


@pytest.fixture(scope="module")
def every_kind(plane: ControlPlane) -> Iterator[None]:
    """Let the API server serve every kind of the table, where projects would."""
    foreign = [one for one in FOLLOWED if one.is_optional and one.group != DEVICES]
    wanted = [definition(entry) for entry in foreign]
    for one in wanted:
        plane.api.apply(one)
    for one in wanted:
        plane.api.wait("CustomResourceDefinition", None, name_of(one), is_served)
    yield
    for one in wanted:
        remove(plane.api, one)


def remove(api: Api, wanted: Json) -> None:
    """Take a definition away, with all objects of its kind."""
    api.delete("CustomResourceDefinition", None, name_of(wanted))
    wait_for(
        lambda: api.get("CustomResourceDefinition", None, name_of(wanted)) is None,
        30,
        f"{name_of(wanted)} is gone",
    )


def name_of(wanted: Json) -> str:
    """Return an object's name."""
    name: str = wanted["metadata"]["name"]
    return name


def definition(entry: Entry) -> Json:
    """Return a definition that serves a kind and takes anything for its objects."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [
        {
            "name": version,
            "served": True,
            "storage": version == entry.versions[0],
            "schema": {"openAPIV3Schema": anything},
        }
        for version in entry.versions
    ]
    names = {"kind": entry.kind, "plural": entry.plural}
    meta: Json = {"name": f"{entry.plural}.{entry.group}"}
    return {
        "kind": "CustomResourceDefinition",
        "metadata": meta,
        "spec": {
            "group": entry.group,
            "names": names,
            "scope": "Namespaced",
            "versions": versions,
        },
    }


def without(entry: Entry, verb: str) -> list[dict[str, list[str]]]:
    """Return the generated rules less one verb on one kind."""
    rules = []
    for rule in rbac():
        if rule["apiGroups"] != [entry.group]:
            rules.append(rule)
            continue
        others = [name for name in rule["resources"] if name != entry.plural]
        rest = [one for one in rule["verbs"] if one != verb]
        rules += [{**rule, "resources": others}] if others else []
        rules.append({**rule, "resources": [entry.plural], "verbs": rest})
    return rules


def test_a_kind_whose_project_is_installed_later_is_found(
    plane: ControlPlane, token: Path
) -> None:
    """It was absent, it is followed, and it is absent again."""
    [entry] = [one for one in FOLLOWED if one.kind == "TrainJob"]
    books = Following(plane.url, plane.ca_file, token, [entry])
    [reflector] = books.reflectors
    wanted = definition(entry)
    with books.going():
        assert reflector.standing().state is State.ABSENT
        plane.api.apply(wanted)
        books.until(lambda: reflector.standing().state is State.SYNCED, "it is found")
        remove(plane.api, wanted)
        books.until(lambda: reflector.standing().state is State.ABSENT, "it is gone")


@pytest.mark.usefixtures("every_kind")
def test_the_generated_role_is_enough_for_every_kind(
    plane: ControlPlane, token: Path
) -> None:
    """Nothing is forbidden, and everything is followed."""
    books = Following(plane.url, plane.ca_file, token, FOLLOWED)
    with books.going():
        books.until(
            lambda: all(one.standing().watches > 1 for one in books.reflectors),
            "every kind is watched, and watched again",
        )
        stands = [one.standing() for one in books.reflectors]

    assert {one.kind for one in stands if one.state is not State.SYNCED} == set()
    assert {one.kind for one in stands if one.errors[Trouble.FORBIDDEN]} == set()


@pytest.mark.usefixtures("every_kind")
def test_each_verb_on_each_kind_is_needed(plane: ControlPlane, tmp_path: Path) -> None:
    """Whichever is taken away, that kind turns forbidden and says so."""
    followers = []
    for number, entry in enumerate(FOLLOWED):
        for verb in VERBS:
            name = f"without-{number}-{verb}"
            made = account(plane.api, name, without(entry, verb))
            path = tmp_path / name
            path.write_text(plane.api.token_of(made), encoding="ascii")
            books = Following(plane.url, plane.ca_file, path, [entry])
            followers.append((f"{verb} {entry.plural}.{entry.group}", books))
    for _, books in followers:
        books.reflectors[0].start()
    try:
        unneeded = {name for name, _ in followers}

        def are_all_forbidden() -> bool:
            for name, books in followers:
                if books.reflectors[0].standing().errors[Trouble.FORBIDDEN]:
                    unneeded.discard(name)
            return not unneeded

        wait_for(are_all_forbidden, 60, f"needed, all of them: {unneeded}")
    finally:
        for _, books in followers:
            books.queue.close()
            books.reflectors[0].stop()
        for _, books in followers:
            books.reflectors[0].close()


def test_what_is_forbidden_is_followed_as_soon_as_it_is_granted(
    plane: ControlPlane, tmp_path: Path
) -> None:
    """A person mends the role; nobody restarts anything."""
    [nodes] = [entry for entry in FOLLOWED if entry.kind == "Node"]
    made = account(plane.api, "mended", without(nodes, "watch"))
    path = tmp_path / "token"
    path.write_text(plane.api.token_of(made), encoding="ascii")
    books = Following(plane.url, plane.ca_file, path, [nodes])
    [reflector] = books.reflectors
    reflector.start()
    try:
        wait_for(lambda: reflector.standing().state is State.FORBIDDEN, 30, "refused")
        account(plane.api, "mended", rbac())
        wait_for(
            lambda: (
                reflector.standing().state is State.SYNCED
                and reflector.standing().watches > 1
            ),
            30,
            "followed",
        )
    finally:
        books.queue.close()
        reflector.close()


def test_a_token_that_dies_is_replaced_by_the_one_in_the_file(
    plane: ControlPlane, tmp_path: Path
) -> None:
    """
    Whoever rotates it writes the file; the old one is refused from then on.

    The API server remembers a token for ten seconds.
    """
    made = account(plane.api, "rotated", rbac())
    [nodes] = [entry for entry in FOLLOWED if entry.kind == "Node"]
    path = tmp_path / "token"
    first = secret(plane.api, "first")
    path.write_text(plane.api.token_of(made, secret=first), encoding="ascii")
    old = Api(plane.url, plane.ca_file, path.read_text(encoding="ascii"))
    books = Following(plane.url, plane.ca_file, path, [nodes])
    [reflector] = books.reflectors
    with books.going():
        plane.api.delete("Secret", "default", "first")
        wait_for(lambda: not old.answers("api/v1/nodes"), 30, "the old one is refused")
        books.until(
            lambda: reflector.standing().errors[Trouble.UNAUTHORIZED], "it notices"
        )
        path.write_text(plane.api.token_of(made), encoding="ascii")
        plane.api.ask("POST", "api/v1/nodes", node("sign-of-life", "none"))
        books.until(lambda: len(reflector.objects()) == 1, "it goes on")
        plane.api.delete("Node", None, "sign-of-life")

    assert reflector.standing().relists == 0


def secret(api: Api, name: str) -> Json:
    """Make an empty secret for a token to be bound to."""
    meta = {"name": name, "namespace": "default"}
    return api.apply({"kind": "Secret", "metadata": meta})


def test_the_account_may_change_nothing(plane: ControlPlane, token: Path) -> None:
    """A reader reads."""
    reader = Api(plane.url, plane.ca_file, token.read_text(encoding="ascii"))

    assert reader.answers("api/v1/nodes")
    assert not reader.answers("api/v1/secrets")
    assert not reader.answers("api/v1/namespaces/default/configmaps")
