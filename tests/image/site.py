"""Agent and aggregator as containers of the image, and what they live among."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fakes.kube_server import KubeServer
from tests.fakes.kubelet import kubelet
from tests.fakes.nvml.driver import FakeDriver, compile_library
from tests.fakes.replicas import Cluster
from tests.fakes.station import Page
from tests.helm.chart import Manifest, environment, objects, pods
from tests.image.cluster_load import Node, admit, populate
from tests.image.containers import Image, Running, running
from tests.image.node_load import speaking

GPUS: Final = 16
NOBODY: Final = 65532
OWN_NODE: Final = "test"
"""What the containers are told of their node."""


@dataclass(frozen=True, slots=True)
class Site:
    """
    Both containers at work, and other nodes whose agents may push.

    Args:
        agent: On a node of 16 GPUs with 64 ranks that report.
        aggregator: That it pushes to, and that others may.
        nodes: Those others.
        limits: Memory limits of the chart in its own words, agent's first.
    """

    agent: Running
    aggregator: Running
    nodes: list[Node]
    limits: tuple[str, str]

    @property
    def containers(self) -> tuple[Running, Running]:
        """Return agent and aggregator."""
        return self.agent, self.aggregator

    def pages(self) -> tuple[Page, Page]:
        """Scrape both."""
        return Page(self.agent.get("/metrics")), Page(self.aggregator.get("/metrics"))


@contextmanager
def site(image: Image, folder: Path, nodes: int) -> Iterator[Site]:
    """Give both containers with the chart's own values, beside so many nodes."""
    port, udp, aggregator_port = free_ports(3)
    with ExitStack() as parts:
        server = parts.enter_context(KubeServer().serving())
        cluster, url = Cluster(server), f"http://127.0.0.1:{aggregator_port}"
        names = populate(cluster, nodes)
        agent, aggregator = pods(
            objects(
                "default",
                *(f"agent.port={port}", f"agent.heartbeats.port={udp}"),
                rf"agent.settings.push\.url={url}",
                f"aggregator.port={aggregator_port}",
                rf"aggregator.settings.kubernetes\.server={server.url}",
            )
        )
        tokens, audience = made(folder / "tokens"), audience_of(aggregator)
        own = made(folder / "own-token")
        admit(cluster, own, OWN_NODE, audience).rename(own / "aggregator")
        books = parts.enter_context(
            running(
                image,
                aggregator,
                aggregator_port,
                made(folder / "aggregator"),
                {"/var/lib/goodput-exporter": made(folder / "ledger", NOBODY)},
            )
        )
        host = node_of(agent, folder, parts) | {"/var/run/secrets/goodput": own}
        eyes = parts.enter_context(
            running(image, agent, port, made(folder / "agent"), host)
        )
        eyes.get("/healthz")
        parts.enter_context(speaking(udp))
        yield Site(
            eyes,
            books,
            [
                Node(number, pod, admit(cluster, tokens, f"node-{number}", audience))
                for number, pod in enumerate(names)
            ],
            (limit_of(agent), limit_of(aggregator)),
        )


def node_of(agent: Manifest, folder: Path, parts: ExitStack) -> dict[str, Path]:
    """Give the agent's node a driver of 16 GPUs, a kubelet and folders of its own."""
    usr = made(folder / "usr")
    library, devices = made(usr / "lib"), made(usr / "dev")
    built = compile_library(library)
    FakeDriver(library, usr / "scenario", built, devices).play(f"count {GPUS}")
    agent["containers"][0]["env"] += [
        {"name": "FAKE_NVML_SCENARIO", "value": "/host/usr/scenario"},
        {"name": "FAKE_NVML_DEVICES", "value": "/host/usr/dev"},
    ]
    told = parts.enter_context(kubelet(folder / "kubelet"))
    for number in range(GPUS):
        told.gives(f"llama-{number}", f"GPU-{number:08x}")
    return {
        "/host/usr": usr,
        "/run/goodput": made(folder / "run"),
        "/var/lib/goodput-exporter": made(folder / "spool"),
        "/var/lib/kubelet/pod-resources": told.path.parent,
    }


def made(path: Path, owner: int = 0) -> Path:
    """Make a folder; return it."""
    path.mkdir()
    os.chown(path, owner, owner)
    return path


def audience_of(aggregator: Manifest) -> str:
    """Return whom agents' tokens are for."""
    return environment(aggregator)["GOODPUT_EXPORTER_INGEST_AUDIENCE"]


def limit_of(pod: Manifest) -> str:
    """Return the memory limit of a pod's one container."""
    limit: str = pod["containers"][0]["resources"]["limits"]["memory"]
    return limit


def free_ports(wanted: int) -> list[int]:
    """Return ports of the loopback that nobody has, for TCP and UDP."""
    found = [socket.socket() for _ in range(wanted)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    numbers: list[int] = [one.getsockname()[1] for one in found]
    for one in found:
        one.close()
    return numbers
