"""Nodes with fake GPUs: a driver, a kubelet that gives them away, and a real agent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.cluster.api import Json
from tests.cluster.scenes import Scene
from tests.fakes.kubelet import FakeKubelet, kubelet
from tests.fakes.node_agent import AgentStation, node_agent
from tests.fakes.nvml.driver import FakeDriver, install
from tests.fakes.station import Station
from tests.integration.test_agent import gpus_of

GPUS: Final = 8
MODEL: Final = "NVIDIA H100 80GB HBM3"
NETWORK: Final = f"10.{214 + os.getpid() % 40}.{os.getpid() // 40 % 250}"
"""Of this process: another one beside it has another."""
FIRST_PORT: Final = 9099


@dataclass(slots=True)
class GpuNode:
    """
    One node: eight GPUs, a kubelet that gives them away, and an agent.

    Args:
        name: Of the node.
        number: Of the node in the fleet, which is in its GPUs' UUIDs.
        driver: Its fake driver.
        kubelet: Tells who holds which GPU.
        agent: The real process.
        port: Where the agent takes heartbeats.
    """

    name: str
    number: int
    driver: FakeDriver
    kubelet: FakeKubelet
    agent: AgentStation
    port: int
    free: list[str] = field(default_factory=list)
    _rules: list[str] = field(default_factory=list)

    def suffers(self, *rules: str) -> None:
        """Let something more happen to its GPUs; see the head of ``nvml.c``."""
        self._rules += rules
        self.driver.play(*self._rules)

    def boots(self) -> None:
        """Have healthy GPUs, which train, and start the agent."""
        self.free = [self.uuid(gpu) for gpu in range(GPUS)]
        self.suffers(
            f"count {GPUS}",
            f"gpu * name {MODEL}",
            "gpu * gpm_supported 1",
            "gpu * energy_mj 0",
            *(f"gpu {gpu} uuid {uuid}" for gpu, uuid in enumerate(self.free)),
        )
        self.agent.start()

    def uuid(self, gpu: int) -> str:
        """Return a GPU's UUID."""
        return f"GPU-0000000{self.number}-0000-0000-0000-{gpu:012d}"

    def gives(self, pod: Json, count: int) -> list[str]:
        """Give a pod some GPUs that nobody has; return them."""
        given, self.free = self.free[:count], self.free[count:]
        meta = pod["metadata"]
        self.kubelet.gives(
            meta["name"], *given, namespace=meta["namespace"], container="trainer"
        )
        return given


@contextmanager
def gpu_node(
    scene: Scene, books: Station, folder: Path, number: int, library: Path
) -> Iterator[GpuNode]:
    """Give a node whose agent is not started yet."""
    folder.mkdir()
    port = FIRST_PORT + number
    driver = install(folder, library)
    plane = scene.plane
    with (
        kubelet(folder / "kubelet") as node,
        node_agent(
            folder / "agent",
            books.url,
            IDENTITY_NODE=folder.name,
            PUSH_EVERY_SECONDS="1",
            NVML_ENABLED="yes",
            NVML_GPM="yes",
            KUBELET_ENABLED="auto",
            KUBELET_INTERVAL_SECONDS="0.5",
            KUBELET_ROOT=str(folder / "kubelet"),
            # The API server lists a node's pods just as its kubelet does.
            KUBELET_PODS_URL=f"{plane.url}/api/v1/pods?fieldSelector=spec.nodeName%3D{folder.name}",
            KUBELET_PODS_TOKEN_FILE=str(scene.token_file),
            KUBELET_PODS_CA_FILE=str(plane.ca_file),
            HEARTBEATS_UDP_HOST=f"{NETWORK}.1",
            HEARTBEATS_UDP_PORT=str(port),
            EVIDENCE_KERNEL_LOG="/dev/null",
        ) as agent,
    ):
        agent.environment = gpus_of(driver)
        yield GpuNode(folder.name, number, driver, node, agent, port)
