"""What a kubelet tells of its pods, whole, broken, and not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from goodput_exporter.domain.allocations import PodName
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.sources.kubelet_answers import records_of
from goodput_exporter.sources.kubelet_pods import HttpKubelet, KubeletPods
from tests.fakes.heartbeats import StillClock

LLAMA = {
    "metadata": {
        "name": "llama-0",
        "namespace": "ml",
        "uid": "u-1",
        "creationTimestamp": "2026-03-01T12:00:00Z",
    },
    "spec": {"nodeName": "n1", "containers": []},
    "status": {"phase": "Running", "podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}]},
}


def listed(*pods: object) -> bytes:
    """Return an answer of a kubelet."""
    return json.dumps({"kind": "PodList", "apiVersion": "v1", "items": pods}).encode()


def test_a_pod_is_read_as_it_is() -> None:
    """Name, uid, address, when it was made, and whether it is over."""
    [pod] = records_of(listed(LLAMA))

    assert pod.name == PodName("ml", "llama-0")
    assert (pod.uid, pod.addresses, pod.is_finished) == ("u-1", ("10.0.0.7",), False)
    assert pod.created_ns == 1_772_366_400 * NS_PER_SECOND
    assert not pod.uses_host_network


def test_a_pod_that_cannot_be_read_costs_itself_only() -> None:
    """A field of another type is that pod's trouble."""
    broken = {"metadata": {"name": 7}}
    undated = LLAMA | {"metadata": LLAMA["metadata"] | {"creationTimestamp": "soon"}}  # type: ignore[operator]  # a dict, as above

    assert len(records_of(listed(broken, LLAMA, 7, None, undated))) == 1
    assert records_of(b'{"items": null}') == []


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"items": 3}'])
def test_what_is_no_list_of_pods_is_refused(body: bytes) -> None:
    """Another program's answer is no empty node."""
    with pytest.raises(SourceUnavailableError, match="no list of pods"):
        records_of(body)


def test_a_container_is_known_by_its_lives() -> None:
    """What runs, and how what ran before ended; each id without its scheme."""
    now = {"running": {"startedAt": "2026-03-01T12:10:00Z"}}
    before = {
        "terminated": {
            "exitCode": 137,
            "startedAt": "2026-03-01T12:00:00Z",
            "finishedAt": "2026-03-01T12:05:00Z",
            "containerID": "containerd://" + "ab" * 32,
        }
    }
    trains = {
        "name": "train",
        "containerID": "containerd://" + "cd" * 32,
        "state": now,
        "lastState": before,
    }
    waits = {"name": "next", "state": {"waiting": {"reason": "ContainerCreating"}}}
    status = {"phase": "Running", "containerStatuses": [trains, {"name": 7}, waits]}
    [pod] = records_of(listed(LLAMA | {"status": status}))

    first, second = pod.containers
    assert (first.id, first.exit_code) == ("ab" * 32, 137)
    assert first.ended_ns == 1_772_366_700 * NS_PER_SECOND
    assert (second.name, second.id, second.ended_ns) == ("train", "cd" * 32, None)
    assert second.started_ns == 1_772_367_000 * NS_PER_SECOND


def test_a_pod_tells_its_controller_and_what_is_written_on_it() -> None:
    """Of its owners one has it in hand; a label counts before an annotation."""
    owners = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "1"},
        {"apiVersion": "batch/v1", "kind": "Job", "uid": "2", "controller": True},
    ]
    written = {
        "ownerReferences": owners,
        "labels": {"run": "label"},
        "annotations": {"run": "annotation", "note": "x"},
    }
    meta = LLAMA["metadata"] | written  # type: ignore[operator]  # a dict, as above
    [pod] = records_of(listed(LLAMA | {"metadata": meta}))

    assert pod.owner == ("batch", "Job")
    assert pod.stated == {"run": "label", "note": "x"}


class Answers:
    """A kubelet of which every answer is arranged."""

    def __init__(self, *bodies: bytes | None) -> None:
        self.bodies = list(bodies)
        self.asked = threading.Semaphore(0)

    def __call__(self) -> bytes:
        """Give the next answer; the last one again and again."""
        body = self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]
        self.asked.release()
        if body is None:
            msg = "nobody answers"
            raise SourceUnavailableError(msg)
        return body


def test_the_last_answer_holds_while_there_is_no_newer_one() -> None:
    """A kubelet that restarts makes nobody anonymous."""
    clock = StillClock()
    with closing(KubeletPods(Answers(listed(LLAMA), None), clock.now_ns)) as pods:
        before = pods.read()
        pods.look()

        assert pods.read() is before
        assert before.directory.by_address("10.0.0.7") is not None
        assert "nobody answers" in pods.trouble


def test_a_nudge_asks_before_its_time() -> None:
    """A sender that nobody knows does not wait for the next look."""
    kubelet = Answers(listed())
    pods = KubeletPods(kubelet, StillClock().now_ns, interval_seconds=3600)
    with closing(pods):
        kubelet.asked.acquire()
        pods.nudge()

        assert kubelet.asked.acquire(timeout=10)


@contextmanager
def serving(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """Serve one answer over HTTP; give the address and the tokens that came."""
    tokens: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers.get("authorization", ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/pods", tokens
        finally:
            server.shutdown()
            thread.join()


def test_it_is_asked_over_http_with_a_token(tmp_path: Path) -> None:
    """The token is read anew for each question: it changes within the hour."""
    token = tmp_path / "token"
    with serving(200, listed(LLAMA)) as (url, tokens):
        ask = HttpKubelet(url, token_file=token)
        token.write_text("one\n")
        first = ask()
        token.write_text("two\n")
        ask()

    assert len(records_of(first)) == 1
    assert tokens == ["Bearer one", "Bearer two"]


def test_a_refusal_says_what_to_check() -> None:
    """A token without the right is told from a kubelet that is not there."""
    with (
        serving(403, b"no") as (url, _),
        pytest.raises(SourceUnavailableError, match=r"403.*nodes/pods"),
    ):
        HttpKubelet(url)()
