"""A real agent beside pods that say nothing, a kernel that does, and its own end."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.kubelet import kubelet
from tests.fakes.node_agent import node_agent
from tests.fakes.nvml.driver import compile_library, install
from tests.fakes.station import until
from tests.integration.jobs import job
from tests.integration.test_agent import aggregator, gpus_of, listed, pods_told

pytestmark = pytest.mark.real

RARELY = {"PUSH_EVERY_SECONDS": "3600"}
"""What is seen is not sent before the end."""
END_S = 15.0
"""Of the 30 s that Kubernetes gives a pod."""


def silent(name: str) -> dict[str, object]:
    """Return a training pod, as a kubelet lists it, that was started now."""
    pod = listed("ml", name, "10.0.0.7")
    running = {"startedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    life = {
        "name": "train",
        "containerID": "containerd://" + "ab" * 32,
        "state": {"running": running},
    }
    meta, status = pod["metadata"], pod["status"]
    assert isinstance(meta, dict)
    assert isinstance(status, dict)
    meta["labels"] = {"goodput-exporter/run-id": "quiet"}
    status["containerStatuses"] = [life]
    return pod


def test_a_pod_that_says_nothing_is_booked_by_guess(tmp_path: Path) -> None:
    """From NVML and the kubelet to a run at the aggregator, with a grain of salt."""
    driver = install(tmp_path, compile_library(tmp_path))
    root = tmp_path / "kubelet"
    with (
        aggregator(tmp_path) as books,
        kubelet(root) as node,
        pods_told(silent("llama-0")) as pods_url,
        node_agent(
            tmp_path / "node",
            books.url,
            NVML_ENABLED="auto",
            KUBELET_ENABLED="auto",
            KUBELET_ROOT=str(root),
            KUBELET_PODS_URL=pods_url,
            INFERENCE_CGROUP_FOLDER=str(tmp_path / "none"),
        ) as agent,
    ):
        agent.environment = gpus_of(driver)
        agent.start()
        uuids = until(
            lambda: agent.page().by("goodput_gpu_up", "gpu_uuid"), "the first GPU"
        )
        node.gives("llama-0", min(uuids))
        run = until(lambda: books.run("quiet"), "a run that nobody reported")
        suspicion = until(
            lambda: agent.page().by(
                "goodput_inferred_hang_suspicion_ratio", "holder_pod"
            ),
            "the word on the container",
        )
        said = json.loads(agent.get("debug/capabilities")[1])

    assert "upper_bound" in json.dumps(run)
    assert suspicion.keys() == {"llama-0"}
    assert said["inference"] == "containers that hold whole GPUs for training: 1"


@pytest.mark.parametrize(
    ("name", "is_up", "says"), [("kmsg", 1.0, "read"), ("none", 0.0, "mount it")]
)
def test_the_kernels_log_is_read_where_it_can_be(
    tmp_path: Path, name: str, is_up: float, says: str
) -> None:
    """Without rights it is off, the agent goes on, and says why."""
    (tmp_path / "kmsg").write_text("6,1,1,-;eth0: up\n12,2,2,-;a program\n")
    with node_agent(
        tmp_path / "node", None, EVIDENCE_KERNEL_LOG=str(tmp_path / name)
    ) as agent:
        agent.start()
        page = agent.page()
        said = json.loads(agent.get("debug/capabilities")[1])

    assert page.one("goodput_kernel_log_up") == is_up
    assert page.sum("goodput_kernel_log_records_total") == 2 * is_up
    assert says in said["kernel_log"]


def test_what_was_seen_last_is_pushed_at_the_end(tmp_path: Path) -> None:
    """A node that is drained for good takes no heartbeat with it."""
    with (
        aggregator(tmp_path) as books,
        node_agent(tmp_path / "node", books.url, **RARELY) as agent,
    ):
        agent.start()
        with job(tmp_path, agent, "toy") as toy:
            toy.start()
            toy.passes(20)
            before = books.run("toy")
            status = agent.stop()
            until(lambda: books.run("toy"), "the run at the aggregator")
            toy.kill()

    assert (before, status) == (None, 0)


@contextmanager
def mute() -> Iterator[str]:
    """Give the address of somebody who takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_an_aggregator_that_is_mute_delays_no_end(tmp_path: Path) -> None:
    """What it does not take waits in the spool for the agent's next life."""
    with mute() as url, node_agent(tmp_path / "node", url) as agent:
        agent.start()
        with job(tmp_path, agent, "toy") as toy:
            toy.start()
            toy.passes(20)
            asked_s = time.monotonic()
            status = agent.stop()
            took_s = time.monotonic() - asked_s
            agent.start()
            waiting = agent.page().one("goodput_spool_batches")
            toy.kill()

    assert status == 0
    assert took_s < END_S
    assert waiting is not None
    assert waiting >= 1
