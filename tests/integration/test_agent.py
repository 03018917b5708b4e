"""A real agent, real ranks, a real aggregator: what is seen is booked, once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.fakes.kubelet import kubelet
from tests.fakes.netns import HOST_ADDRESS, PodNetwork, pod_networks
from tests.fakes.node_agent import AGGREGATOR, AgentStation, node_agent
from tests.fakes.nvml.driver import FakeDriver, compile_library, install
from tests.fakes.station import PATIENCE_S, Page, Station, station, until
from tests.integration.jobs import TRAIN, job
from tests.sdk.agent import environment

pytestmark = pytest.mark.real

ONE_SCRAPE_S = 1.0
"""So soon a page is there, whatever has failed behind it."""
STEPS = 60
"""That a rank in a pod trains: about a second of work."""


def unused_port() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def aggregator(folder: Path) -> Iterator[Station]:
    """Give a standalone that takes pushes, at a port that it keeps over restarts."""
    (folder / "books").mkdir()
    port = str(unused_port())
    with station(folder / "books", **AGGREGATOR, HTTP_PORT=port) as books:
        books.start()
        yield books


def gpus_of(driver: FakeDriver) -> dict[str, str]:
    """Return the environment in which an agent finds a fake driver."""
    names = ("LD_LIBRARY_PATH", "FAKE_NVML_SCENARIO", "FAKE_NVML_DEVICES")
    found = driver.environment()
    return {name: found[name] for name in names}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the fake driver once."""
    return compile_library(tmp_path_factory.mktemp("nvml"))


def assert_whole(books: Station, run: str, last_step: int) -> None:
    """Check that a finished run's account is its wall time, and its steps are all."""
    books.ended(run)
    page = books.page()
    began = page.one("goodput_run_started_timestamp_seconds", run=run)
    ended = page.one("goodput_run_ended_timestamp_seconds", run=run)
    states = page.states(run)
    assert began is not None
    assert ended is not None
    assert sum(states.values()) == pytest.approx(ended - began, abs=1e-6)
    assert page.one("goodput_run_steps_total", run=run, execution="first") == last_step
    assert page.by("goodput_run_info", "outcome", run=run) == {"succeeded": 1.0}
    assert page.by("goodput_run_info", "verified", run=run) == {"true": 1.0}
    assert "down" not in states
    assert "recomputing" not in states


def test_a_run_is_booked_as_its_ranks_lived_it(tmp_path: Path, library: Path) -> None:
    """From the SDK through the agent into the ledger: every second and every step."""
    driver = install(tmp_path, library)
    root = tmp_path / "kubelet"
    with (
        aggregator(tmp_path) as books,
        kubelet(root) as node,
        node_agent(
            tmp_path / "node",
            books.url,
            NVML_ENABLED="auto",
            KUBELET_ENABLED="auto",
            KUBELET_ROOT=str(root),
        ) as agent,
    ):
        agent.environment = gpus_of(driver)
        agent.start()
        uuids = until(
            lambda: agent.page().by("goodput_gpu_up", "gpu_uuid"), "the first GPU"
        )
        node.gives("llama-0", min(uuids))
        with job(tmp_path, agent, "toy") as toy:
            toy.start()
            until(lambda: books.run("toy"), "the run at the aggregator")
            toy.passes(60)
            assert toy.finish() == [0]
            assert_whole(books, "toy", toy.step())
        held = until(
            lambda: agent.page().by("goodput_gpu_held_ratio", "holder_pod"), "a holder"
        )

    assert held == {"llama-0": 1.0}


def test_what_dies_takes_nothing_with_it(tmp_path: Path) -> None:
    """The aggregator is killed, then the agent: nothing is lost and nothing doubled."""
    with (
        aggregator(tmp_path) as books,
        node_agent(tmp_path / "node", books.url) as agent,
    ):
        agent.start()
        with job(tmp_path, agent, "toy") as toy:
            toy.start()
            until(lambda: books.run("toy"), "the run at the aggregator")
            books.kill()
            toy.passes(toy.step() + 40)
            until(
                lambda: agent.page().one("goodput_spool_batches"), "a batch that waits"
            )
            agent.kill()
            toy.passes(toy.step() + 20)
            agent.start()
            books.start()
            toy.passes(toy.step() + 20)
            assert toy.finish() == [0]
            assert_whole(books, "toy", toy.step())
        page, sent = books.page(), agent.page()

    assert page.one("goodput_ingest_missing_batches") == 0
    assert page.sum("goodput_run_interruptions_total", run="toy") == 0
    assert sent.sum("goodput_spool_dropped_batches_total") == 0
    assert sent.sum("goodput_push_lost_observations_total") == 0


def test_an_exit_that_nobody_saw_is_told_afterwards(tmp_path: Path) -> None:
    """A rank that is killed while the agent is away has ended, not gone silent."""
    with (
        aggregator(tmp_path) as books,
        node_agent(tmp_path / "node", books.url) as agent,
    ):
        agent.start()
        with job(tmp_path, agent, "toy") as toy:
            toy.start()
            until(lambda: books.run("toy"), "the run at the aggregator")
            agent.kill()
            toy.kill()
            agent.start()
            until(
                lambda: "down" in books.page().by("goodput_run_state", "state"),
                "the end of the rank",
            )


@pytest.mark.parametrize("trouble", ["no folder", "disk full", "read-only"])
def test_a_disk_that_takes_nothing_costs_no_metrics(
    tmp_path: Path, trouble: str
) -> None:
    """
    Heartbeats and pages go on while the aggregator is away for too long.

    What waits is said to be in memory only, and what memory has no room for is
    counted as it is lost.
    """
    folder = tmp_path / "node"
    folder.mkdir()
    nobody = f"http://127.0.0.1:{unused_port()}"
    with (
        full_disk(folder / "agent", trouble),
        node_agent(folder, nobody, PUSH_MEMORY_KIBIBYTES="2") as agent,
    ):
        agent.start()
        with job(tmp_path, agent, "toy") as toy:
            toy.start()
            until(
                lambda: agent.page().one("goodput_spool_durable") == 0,
                "the word that the disk takes nothing",
            )
            heard = agent.page().sum("goodput_datagrams_accepted_total")
            until(
                lambda: agent.page().sum("goodput_datagrams_accepted_total") > heard,
                "more heartbeats",
            )
            until(
                lambda: lost_in(agent.page(), "memory"),
                "the count of batches that memory had no room for",
            )
            asked_s = time.monotonic()
            page = agent.page()
            assert time.monotonic() - asked_s < ONE_SCRAPE_S
            assert 0 < (page.one("goodput_spool_bytes") or 0) <= 2 * 1024
            assert agent.is_ready()
            assert toy.finish() == [0]


def test_what_an_aggregator_missed_for_too_long_is_counted_on_both_sides(
    tmp_path: Path,
) -> None:
    """
    What the agent had to give up is what the aggregator misses, and nothing else.

    One batch fewer where the kill came between its commit and the answer.
    """
    folder = tmp_path / "node"
    folder.mkdir()
    with (
        full_disk(folder / "agent", "no folder"),
        aggregator(tmp_path) as books,
        node_agent(folder, books.url, PUSH_MEMORY_KIBIBYTES="2") as agent,
    ):
        agent.start()
        with job(tmp_path, agent, "toy") as toy:
            toy.start()
            until(lambda: books.run("toy"), "the run at the aggregator")
            books.kill()
            until(lambda: lost_in(agent.page(), "memory"), "a batch that is lost")
            books.start()
            until(
                lambda: agent.page().one("goodput_spool_batches") == 0,
                "everything that was kept, delivered",
            )
            toy.passes(toy.step() + 20)
            assert toy.finish() == [0]
            books.ended("toy")
        lost = lost_in(agent.page(), "memory")
        missing = until(
            lambda: books.page().one("goodput_ingest_missing_batches"), "a gap"
        )

    assert missing in {lost, lost - 1}


def lost_in(page: Page, reason: str) -> float:
    """Return how many batches an agent has given up for a reason."""
    return page.sum("goodput_spool_dropped_batches_total", reason=reason)


@contextmanager
def full_disk(folder: Path, trouble: str) -> Iterator[None]:
    """Make a folder in which nothing more can be written."""
    if trouble == "no folder":
        folder.write_text("in the way")
        yield
        return
    if os.geteuid() != 0:
        pytest.skip("a small file system of its own needs root")
    folder.mkdir()
    how = "size=64k" if trouble == "disk full" else "size=64k,ro"
    mount = ["mount", "-t", "tmpfs", "-o", how, "none", str(folder)]
    subprocess.run(mount, check=True)
    try:
        if trouble == "disk full":
            (folder / "ballast").write_bytes(bytes(60 * 1024))
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def post(agent: AgentStation, path: str, token: str = "") -> int:
    """Ask an agent to change something; return the status."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    asked = urllib.request.Request(agent.url + path, method="POST", headers=headers)  # noqa: S310 - ours, on the loopback
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310 - the same
            return int(answer.status)
    except HTTPError as exc:
        with exc:
            return exc.code


def test_the_driver_is_let_go_of_on_request(tmp_path: Path, library: Path) -> None:
    """Whoever has a token may reset a GPU: we hold none of it, and say so."""
    driver = install(tmp_path, library)
    tokens = tmp_path / "tokens"
    tokens.write_text("secret\n")
    with node_agent(
        tmp_path / "node", None, NVML_ENABLED="auto", HTTP_TOKENS_FILE=str(tokens)
    ) as agent:
        agent.environment = gpus_of(driver)
        agent.start()
        until(lambda: agent.page().sum("goodput_gpu_up") == 8, "eight GPUs")

        refused = [post(agent, "v1/release"), post(agent, "v1/release", "guess")]
        released = post(agent, "v1/release", "secret")
        until(lambda: agent.page().sum("goodput_gpu_up") == 0, "no GPU")
        paused = agent.page().by("goodput_nvml_outage", "kind")
        is_ready = agent.is_ready()
        resumed = post(agent, "v1/resume", "secret")
        until(lambda: agent.page().sum("goodput_gpu_up") == 8, "eight GPUs again")
        audited = [line for line in agent.lines() if "message=audit" in line]

    assert (refused, released, resumed) == ([401, 401], 200, 200)
    assert (paused, is_ready) == ({"paused": 1.0}, True)
    assert [line.split("status=")[1] for line in audited] == [
        "401",
        "401",
        "200",
        "200",
    ]
    assert not any("secret" in line for line in audited)


def listed(namespace: str, name: str, address: str) -> dict[str, object]:
    """Return a pod as a kubelet lists it."""
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
        "status": {"phase": "Running", "podIPs": [{"ip": address}]},
    }


@contextmanager
def pods_told(*pods: dict[str, object]) -> Iterator[str]:
    """Serve a kubelet's list of pods; give its address."""
    body = json.dumps({"items": pods}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/pods"
        finally:
            server.shutdown()
            thread.join()


def train_in(
    pod: PodNetwork, folder: Path, port: int, rank: int
) -> subprocess.Popen[bytes]:
    """Start a rank of the run ``toy`` in a pod, which reports over UDP."""
    folder.mkdir()
    env = environment(
        f"udp://{HOST_ADDRESS}:{port}",
        GOODPUT_INTERVAL_S="0.1",
        GOODPUT_RUN_ID="toy",
        RANK=str(rank),
        WORLD_SIZE="2",
    )
    inside = [sys.executable, "-c", TRAIN, str(folder), str(STEPS), str(rank)]
    return subprocess.Popen(pod.command(*inside), env=env)


def test_a_pod_speaks_for_itself_and_no_other(tmp_path: Path) -> None:
    """
    Two pods train one run over UDP; a third in another namespace claims its name.

    Who each is, is the address that its network gave it. The third is booked as
    itself, and the run of the two is what its own ranks did.
    """
    port = unused_udp_port()
    with (
        pod_networks(3) as (first, second, third),
        pods_told(
            listed("ml", "toy-0", first.address),
            listed("ml", "toy-1", second.address),
            listed("games", "mallory", third.address),
        ) as pods_url,
        aggregator(tmp_path) as books,
        node_agent(
            tmp_path / "node",
            books.url,
            HEARTBEATS_UDP_HOST=HOST_ADDRESS,
            HEARTBEATS_UDP_PORT=str(port),
            KUBELET_PODS_URL=pods_url,
        ) as agent,
    ):
        agent.start()
        ranks = [
            train_in(first, tmp_path / "a", port, 0),
            train_in(second, tmp_path / "b", port, 1),
            train_in(third, tmp_path / "c", port, 0),
        ]
        try:
            assert [rank.wait(PATIENCE_S) for rank in ranks] == [0, 0, 0]
            runs = until(lambda: both(books), "both runs, sealed", within_s=90)
            verified = books.page().by("goodput_run_info", "verified")
        finally:
            for rank in ranks:
                rank.kill()

    # The third says that it is one of two ranks, and is alone in a run of its own.
    assert runs == {"ml": 2.0, "games": 2.0}
    assert verified == {"true": 1.0}


def unused_udp_port() -> int:
    """Return a UDP port where nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def both(books: Station) -> dict[str, float] | None:
    """Return the devices of the runs called ``toy``, once both have all their steps."""
    page, name = books.page(), "goodput_run_steps_total"
    steps = page.by(name, "run_namespace", run="toy", execution="first")
    if steps != {"ml": STEPS, "games": STEPS}:
        return None
    return page.by("goodput_run_asked_devices", "run_namespace", run="toy")
