"""Which run an observation is about: by incarnation, pod, node, workload, or all."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.services.routing import Router
from tests.fakes.pods import Pods
from tests.fakes.stories import KEY

OTHER = RunKey("local", "default", "other")


def about(subject: str) -> Evidence:
    """Return something that was seen of a subject."""
    return Evidence(7, Kind.EVENT, "Node/Something", subject)


def two_runs() -> Router:
    """Return a router that knows where two runs are."""
    router = Router("local", "default", "")
    for key, node in ((KEY, "n1"), (OTHER, "n2")):
        router.locate(Pods(key=key, nodes=(node,)).at(0, "running").said[0])
    return router


@pytest.mark.parametrize(
    ("subject", "place"),
    [
        ("gpu/n1/0000:3b:00.0", "node/n1"),
        ("gpu/n1", "node/n1"),
        ("node/n1", "node/n1"),
        ("pod/default/story-0/main", "pod/default/story-0"),
        ("pod/default/story-0", "pod/default/story-0"),
        ("run/default/story", "run/default/story"),
        ("", ""),
    ],
)
def test_a_part_is_where_its_whole_is(subject: str, place: str) -> None:
    """A GPU is on its node, a container in its pod."""
    assert about(subject).place == place


def test_a_node_is_about_the_runs_on_it() -> None:
    """And about no other."""
    router = two_runs()

    assert router.runs_about(about("gpu/n1/0000:3b")) == {KEY}
    assert router.runs_about(about("node/n2")) == {OTHER}
    assert router.runs_about(about("node/n3")) == set()


def test_what_has_no_subject_is_about_every_run() -> None:
    """Maintenance of the whole cluster."""
    assert two_runs().runs_about(about("")) == {KEY, OTHER}


def test_a_run_that_comes_to_a_node_is_told_what_was_seen_there() -> None:
    """The taint came first, the pod's binding was read later."""
    router = two_runs()
    seen, everywhere = about("node/n3"), about("")
    router.runs_about(seen)
    router.runs_about(everywhere)
    moved = Pods(nodes=("n1", "n3")).at(1, "running").said[0]

    assert router.locate(moved) == [seen]
    assert router.locate(moved) == []
    newcomer = Pods(key=RunKey("local", "default", "new"), nodes=("n9",))
    assert router.locate(newcomer.at(1, "running").said[0]) == [everywhere]


def test_a_run_keeps_the_nodes_that_it_has_left() -> None:
    """The end that they caused is explained when their objects are gone."""
    router = two_runs()
    router.locate(Pods(nodes=()).at(1, "down").said[0])

    assert router.runs_about(about("node/n1")) == {KEY}


def test_a_launcher_names_a_run_by_its_id_alone() -> None:
    """NVRx knows no namespace."""
    router = Router("local", "default", "here")
    router.bind("a" * 16, KEY)

    assert router.runs_about(about("run//story")) == {KEY}
    assert router.runs_about(about("node/here")) == {KEY}


def test_a_run_that_is_forgotten_is_told_nothing() -> None:
    """Nothing of it is kept."""
    router = two_runs()
    router.bind("a" * 16, KEY)
    router.forget([KEY])

    assert router.runs_about(about("node/n1")) == set()
    assert router.run_of("a" * 16) is None
    assert router.incarnations == 0
