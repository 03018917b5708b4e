"""Watches that go wrong in every way that was seen: the state ends up true."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from goodput_exporter.sources.kubernetes.changes import Verb
from goodput_exporter.sources.kubernetes.kinds import NODES, PODS, Kind
from goodput_exporter.sources.kubernetes.objects import Workload
from goodput_exporter.sources.kubernetes.standing import State
from goodput_exporter.sources.kubernetes.troubles import Trouble
from tests.fakes.follower import Follower
from tests.fakes.kube_clerk import status
from tests.fakes.kube_objects import NODES as AT_NODES
from tests.fakes.kube_objects import PODS as AT_PODS
from tests.fakes.kube_objects import node, pod
from tests.fakes.kube_server import (
    Act,
    KubeServer,
    body,
    error,
    first,
    nothing,
    refuse,
    stream,
)

ADDED = json.dumps({"type": "ADDED", "object": pod("half")}).encode()
GONE = status(410, "Expired", "too old resource version: 1 (2)")


@pytest.fixture
def server() -> Iterator[KubeServer]:
    """A server with three pods, one of them without GPUs, and pages of two."""
    with KubeServer(page=2).serving() as started:
        started.install(AT_PODS, "Pod")
        for name in ("a", "b", "c"):
            started.put(AT_PODS, pod(name))
        yield started


def test_what_happens_is_told_once_and_in_order(server: KubeServer) -> None:
    """A list in pages, then a watch from where the list stood."""
    with Follower(server).following() as follower:
        follower.settle()
        server.put(AT_PODS, pod("a", phase="Failed"))
        server.put(AT_PODS, pod("d"))
        server.delete(AT_PODS, "b")
        follower.settle()

        assert [change.verb for change in follower.told("b")] == ["added", "deleted"]
        assert [change.verb for change in follower.told("a")] == ["added", "modified"]
        assert not any(change.estimated for change in follower.changes)
        assert follower.standing.lists == 1


def test_pods_without_gpus_are_read_and_not_kept(server: KubeServer) -> None:
    """A cluster has ten times as many of them."""
    server.put(AT_PODS, pod("web", gpus=None))
    with Follower(server).following() as follower:
        follower.until(lambda: len(follower.known) == 3)
        server.put(AT_PODS, pod("web", gpus=None, phase="Failed"))
        server.delete(AT_PODS, "web")
        server.put(AT_PODS, pod("last"))
        follower.settle()

        assert follower.told("web") == []
        assert follower.standing.left_out == 3
        assert follower.standing.read == 3 + 3 + 1


@pytest.mark.parametrize(
    "acts",
    [
        pytest.param([stream(error(GONE))], id="410 once"),
        pytest.param([stream(error(GONE))] * 3, id="410 three times in a row"),
        pytest.param([stream(error(status(410, "Gone")))], id="410 called Gone"),
        pytest.param([stream(error(status(410)))], id="410 without a reason"),
        pytest.param([stream(error({"reason": "Expired"}))], id="no code"),
        pytest.param([stream(error({"code": "410"}))], id="a code that is text"),
        pytest.param([stream(json.dumps(GONE).encode() + b"\n")], id="bare Status"),
        pytest.param([refuse(410, "Expired")], id="410 over HTTP"),
        pytest.param([stream(error({}))], id="an error that says nothing"),
        pytest.param([stream(error(None))], id="an error that is null"),
        pytest.param([stream(error("gone"))], id="an error that is text"),
        pytest.param([stream(b'{"type":"ADDED"\n')], id="a line that is no JSON"),
        pytest.param([stream(b'{"type":"RENAMED","object":{}}\n')], id="odd type"),
        pytest.param([stream(b"null\n[]\n")], id="lines that are no events"),
        pytest.param([refuse(400, "BadRequest")], id="a version that is refused"),
    ],
)
def test_a_watch_that_cannot_go_on_is_followed_by_a_new_list(
    server: KubeServer, acts: list[Act]
) -> None:
    """What vanished and what came in the gap are both known afterwards."""
    with Follower(server).following() as follower:
        follower.settle()
        server.next("watch", *acts)
        server.end_watches()
        server.delete(AT_PODS, "c")
        server.put(AT_PODS, pod("new"))
        follower.until(lambda: follower.standing.relists >= len(acts))
        follower.settle()

        assert "new" in follower.known
        assert follower.standing.relists == len(acts)


@pytest.mark.parametrize(
    "acts",
    [
        pytest.param([stream()] * 4, id="ends at once, again and again"),
        pytest.param([stream(ADDED[:40], cut=True)], id="cut within a line"),
        pytest.param([stream(ADDED[:40])], id="ended within a line"),
        pytest.param([stream(cut=True)], id="cut between lines"),
        pytest.param(
            [stream(error(status(500, message="etcd leader changed")))], id="no reason"
        ),
        pytest.param([stream(error(status(504, "Timeout")))], id="timeout in-stream"),
        pytest.param([refuse(429, "TooManyRequests", retry_after="1")], id="429"),
        pytest.param([refuse(500, "InternalError")] * 3, id="500"),
        pytest.param([refuse(503), refuse(504)], id="503 and 504"),
        pytest.param([refuse(503, retry_after="never")], id="an odd Retry-After"),
    ],
)
def test_a_watch_that_breaks_goes_on_where_it_stood(
    server: KubeServer, acts: list[Act]
) -> None:
    """No list is needed, nothing is told again, and nothing is missed."""
    with Follower(server).following() as follower:
        follower.settle()
        server.next("watch", *acts)
        server.end_watches()
        server.delete(AT_PODS, "c")
        server.put(AT_PODS, pod("new"))
        follower.until(lambda: len(server.asked("watch")) > 1 + len(acts))
        follower.settle()

        assert follower.standing.lists == 1
        assert not follower.told("c")[-1].estimated


def test_a_server_that_replays_is_not_believed_twice(server: KubeServer) -> None:
    """What has the version that is known already is no change."""
    with Follower(server).following() as follower:
        follower.settle()
        again = [
            json.dumps({"type": "ADDED", "object": row}).encode() + b"\n"
            for row in server.collections[AT_PODS].objects.values()
        ]
        server.next("watch", first(*again))
        server.end_watches()
        follower.until(lambda: follower.standing.repeated == 3)
        follower.settle()

        assert len(follower.changes) == 3


def test_a_pod_that_vanished_in_a_gap_ends_when_it_was_last_known_to_be(
    server: KubeServer,
) -> None:
    """Nobody saw it go: its end is an estimate, at the last sign of life before."""
    with Follower(server).following() as follower:
        follower.settle()
        last_sign_ns = follower.standing.last_event_ns
        server.darken(is_dark=True)
        server.delete(AT_PODS, "c")
        server.forget(AT_PODS)
        follower.until(lambda: follower.standing.errors[Trouble.SILENT] >= 1)
        silent_ns = follower.standing.last_event_ns
        server.darken(is_dark=False)
        follower.settle()
        end = follower.told("c")[-1]

        assert end.verb is Verb.DELETED
        assert end.estimated
        assert last_sign_ns is not None
        assert silent_ns is not None
        assert last_sign_ns <= end.seen_ns <= silent_ns
        assert follower.standing.vanished == 1


def test_a_connection_that_falls_silent_is_given_up(server: KubeServer) -> None:
    """A load balancer forgets a connection and tells neither end."""
    with Follower(server).following() as follower:
        follower.settle()
        server.next("watch", nothing, nothing)
        server.end_watches()
        follower.until(lambda: follower.standing.errors[Trouble.SILENT] == 2)
        server.delete(AT_PODS, "a")
        follower.settle()

        assert follower.standing.lists == 1


def test_a_name_that_comes_back_is_another_pod(server: KubeServer) -> None:
    """The uid tells apart what a gap made look like one object."""
    with Follower(server).following() as follower:
        follower.settle()
        server.next("watch", stream(error(GONE)))
        server.end_watches()
        server.delete(AT_PODS, "c")
        server.put(AT_PODS, pod("c", uid="c-again"))
        follower.settle()

        assert follower.told("c")[-1].estimated
        assert [change.verb for change in follower.told("c-again")] == ["added"]


def test_a_list_that_grows_too_old_on_its_way_begins_once_more(
    server: KubeServer,
) -> None:
    """The second one comes from the cache, and no older than what is known."""
    server.next("list", lambda exchange: _honest(exchange, server), refuse(410))
    with Follower(server).following() as follower:
        follower.settle()
        first_page, second_page, again, *_ = server.asked("list")

        assert "resourceVersion" not in first_page.query
        assert "continue" in second_page.query
        assert again.query["resourceVersion"] == "0"
        assert follower.standing.lists == 1


def _honest(exchange: object, server: KubeServer) -> None:
    page = json.dumps(server.page_of(AT_PODS, {})).encode()
    body(page)(exchange)  # type: ignore[arg-type]  # an Exchange, by duck


def test_a_page_that_is_refused_is_asked_for_again(server: KubeServer) -> None:
    """A busy server must not be asked for the whole list because of one page."""
    server.next(
        "list", lambda exchange: _honest(exchange, server), refuse(429), refuse(503)
    )
    with Follower(server).following() as follower:
        follower.settle()

        assert len(server.asked("list")) == 4
        assert follower.standing.lists == 1
        assert follower.standing.errors[Trouble.OVERLOADED] == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"null",
        b"<html>sign in</html>",
        b'{"kind":"Status","code":403,"status":"Failure","reason":"Forbidden"}',
        b'{"kind":"PodList","items":[]}',
        b'{"kind":"PodList","metadata":{"resourceVersion":"9"},"items":{}}',
        b'{"metadata":{"resourceVersion":"9"},"items":[]}',
        b'{"kind":"PodList","metadata":{"resourceVersion":"9"},"items":[{}',
    ],
)
def test_an_answer_that_is_no_list_is_not_an_empty_cluster(
    server: KubeServer, answer: bytes
) -> None:
    """Taken for a list it would end every run."""
    with Follower(server).following() as follower:
        follower.settle()
        server.next("watch", stream(error(GONE)))
        server.next("list", body(answer))
        server.end_watches()
        follower.until(lambda: follower.standing.relists == 2)
        follower.settle()

        assert follower.standing.vanished == 0
        assert len(follower.changes) == 3


def test_what_is_forbidden_is_off_and_asked_for_slowly(server: KubeServer) -> None:
    """A person takes a right away and gives it back; the rest never noticed."""
    server.install(AT_NODES, "Node")
    server.put(AT_NODES, node("n"))
    with (
        Follower(server).following() as pods,
        Follower(server, NODES).following() as nodes,
    ):
        pods.settle()
        nodes.settle()
        server.forbidden.add(AT_NODES)
        server.end_watches()
        nodes.reach(State.FORBIDDEN)
        server.delete(AT_NODES, "n")
        server.put(AT_PODS, pod("d"))
        pods.settle()

        nodes.reach(State.FORBIDDEN)
        assert nodes.told("n")[-1].verb is Verb.ADDED

        server.forbidden.clear()
        nodes.settle()

        assert nodes.told("n")[-1].estimated
        nodes.reach(State.SYNCED)


def test_a_token_that_is_rotated_is_read_anew(
    server: KubeServer, tmp_path: Path
) -> None:
    """Projected tokens live for minutes; a process lives for months."""
    token_file = tmp_path / "token"
    token_file.write_text("one\n")
    server.bearer = "one"
    with Follower(server, token_file=token_file).following() as follower:
        follower.settle()
        for token in ("two", "three", "four"):
            token_file.write_text(token)
            server.bearer = token
            server.end_watches()
            server.put(AT_PODS, pod(token))
            follower.settle()

        assert follower.standing.errors[Trouble.UNAUTHORIZED] == 0
        assert follower.standing.lists == 1


def test_a_token_that_is_late_costs_a_pause_and_no_list(
    server: KubeServer, tmp_path: Path
) -> None:
    """The kubelet writes the new token a while after the old one has died."""
    token_file = tmp_path / "token"
    token_file.write_text("one")
    server.bearer = "one"
    with Follower(server, token_file=token_file).following() as follower:
        follower.settle()
        server.bearer = "two"
        server.end_watches()
        follower.until(lambda: follower.standing.errors[Trouble.UNAUTHORIZED] >= 2)
        token_file.unlink()
        follower.until(lambda: follower.standing.errors[Trouble.CREDENTIALS] >= 1)
        token_file.write_text("two")
        server.put(AT_PODS, pod("d"))
        follower.settle()

        assert follower.standing.lists == 1


def test_a_crd_that_is_installed_later_is_found(server: KubeServer) -> None:
    """And when it is taken away again its objects are gone with it."""
    job_sets = Kind(
        "JobSet", "jobset.x-k8s.io", ("v1", "v1alpha2"), "jobsets", Workload
    )
    path = "/apis/jobset.x-k8s.io/v1alpha2/jobsets"
    with Follower(server, job_sets).following() as follower:
        follower.reach(State.ABSENT)
        server.install(path, "JobSet")
        server.put(path, pod("set"))
        follower.settle(path)

        assert follower.standing.state is State.SYNCED

        del server.collections[path]
        server.end_watches()
        follower.reach(State.ABSENT)
        follower.settle(path)

        assert follower.told("set")[-1].estimated


def test_a_404_of_a_starting_server_ends_nothing(server: KubeServer) -> None:
    """Only when discovery agrees is a kind absent, and are its objects gone."""
    with Follower(server).following() as follower:
        follower.settle()
        server.next("watch", refuse(404))
        server.end_watches()
        follower.until(lambda: follower.standing.relists == 1)
        follower.settle()

        assert follower.standing.vanished == 0


def test_a_reader_that_is_slow_makes_the_watch_wait_and_loses_nothing(
    server: KubeServer,
) -> None:
    """The queue is bounded; what does not fit stays on the wire."""
    with Follower(server, bound=1).following() as follower:
        follower.until(lambda: follower.queue.blocked > 0)
        for number in range(20):
            server.put(AT_PODS, pod(f"p{number}"))
        follower.settle()

        assert len(follower.known) == 23


@pytest.mark.parametrize("seed", range(6))
def test_after_any_mixture_of_faults_the_state_is_true(
    server: KubeServer, seed: int
) -> None:
    """Fourteen changes, ten faults at random, and nothing is told twice."""
    dice = random.Random(seed)  # noqa: S311 - the same story every time, no secret
    faults: list[Act] = [
        stream(error(GONE)), stream(error({})), stream(ADDED[:40], cut=True), stream(),
        stream(b"{}\n"), refuse(410), refuse(500), refuse(429, retry_after="1"),
        refuse(404), refuse(403), refuse(401), first(ADDED[:40] + b"\n"),
    ]  # fmt: skip
    with Follower(server).following() as follower:
        for number in range(14):
            uid = f"p{dice.randrange(12)}"
            if uid in server.versions(AT_PODS) and dice.random() < 0.4:
                server.delete(AT_PODS, uid)
            else:
                server.put(AT_PODS, pod("same-name", uid))
            if number % 3 == 0:
                server.next("list", dice.choice(faults))
                server.next("watch", dice.choice(faults))
                server.end_watches()
                follower.until(lambda: server.has_played("watch"))
            if dice.random() < 0.2:
                server.forget(AT_PODS)
            follower.take()
        server.pardon()
        server.end_watches()
        follower.settle()

        standing = follower.standing
        held = sum(change.verb is not Verb.DELETED for change in follower.changes)
        seen_gone = sum(
            change.verb is Verb.DELETED and not change.estimated
            for change in follower.changes
        )
        assert standing.errors[Trouble.BUG] == 0
        assert sum(standing.errors.values()) >= 4
        assert standing.read == (
            held + seen_gone + standing.repeated + standing.left_out + standing.nameless
        )


def test_a_server_that_is_not_there_yet_is_waited_for() -> None:
    """Start-up order does not matter."""
    server = KubeServer()
    server.install(AT_PODS, "Pod")
    server.put(AT_PODS, pod("a"))
    server.next("list", refuse(503), nothing, body(b""))
    with server.serving(), Follower(server).following() as follower:
        follower.settle()

        assert follower.standing.relists == 0
        assert follower.standing.lists == 4
        assert follower.reflector.objects()[0].spec is not None


def test_pods_are_the_usual_kind() -> None:
    """Of one namespace or of all."""
    assert PODS.path("v1") == AT_PODS
    assert PODS.path("v1", "ml") == "/api/v1/namespaces/ml/pods"
