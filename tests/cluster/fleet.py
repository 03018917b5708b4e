"""Nodes with GPUs and agents, and training processes in the pods that kwok plays."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.cluster import trainer
from tests.cluster.api import Json
from tests.cluster.gpu_nodes import GPUS, NETWORK, GpuNode, gpu_node
from tests.cluster.scenes import GPU, Scene, template
from tests.fakes.netns import PodNetwork, pod_networks
from tests.fakes.nvml.driver import compile_library
from tests.fakes.station import PATIENCE_S, Station, until
from tests.sdk.agent import environment

PODS: Final = 12
WITHIN_S: Final = 90.0
DRAWN_MJ: Final = 5_000_000
RUN_ID: Final = "goodput-exporter/run-id"
INDEX: Final = "batch.kubernetes.io/job-completion-index"


@dataclass(slots=True)
class Workload:
    """
    A job, and what runs in its pods.

    Args:
        name: Of the job and of its run.
        pods: How many.
        gpus: Of each pod.
        folder: Where its checkpoints are.
    """

    name: str
    pods: int
    gpus: int
    folder: Path
    ranks: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def hang(self) -> None:
        """Let no step complete any more."""
        (self.folder / "hang").touch()

    def kill(self) -> None:
        """Kill every rank, as the kernel does."""
        for rank in self.ranks.values():
            rank.send_signal(signal.SIGKILL)
            rank.wait(PATIENCE_S)
        self.ranks.clear()


class Fleet:
    """
    The nodes, the network of their pods, and the jobs.

    Args:
        scene: The cluster.
        nodes: By name.
        networks: That no pod has yet.
        folder: Where jobs keep their checkpoints.
    """

    def __init__(
        self,
        scene: Scene,
        nodes: dict[str, GpuNode],
        networks: list[PodNetwork],
        folder: Path,
    ) -> None:
        self.scene, self.nodes = scene, nodes
        self._networks, self._folder = list(networks), folder
        self._network_of: dict[str, PodNetwork] = {}
        self._gpus_of: dict[str, list[str]] = {}
        self._jobs: list[Workload] = []

    def submit(self, name: str, team: str, pods: int, gpus: int) -> Workload:
        """Submit a job, and wait until its containers run."""
        wanted = template(self.scene.namespace, gpus, restart="OnFailure")
        wanted["metadata"]["labels"] = {"team": team, RUN_ID: name}
        self.scene.job(name, pods, pod=wanted)
        (self._folder / name).mkdir()
        made = Workload(name, pods, gpus, self._folder / name)
        self._jobs.append(made)
        until(lambda: len(self.running(made)) == pods, name, within_s=WITHIN_S)
        for pod in self.running(made):
            self._place(pod, gpus)
        return made

    def running(self, job: Workload) -> list[Json]:
        """Return a job's pods whose containers run."""
        return [pod for pod in self.scene.pods(job.name) if is_running(pod)]

    def train(self, job: Workload, last: int = 10**6) -> None:
        """Start a rank in each of a job's containers."""
        for pod in self.running(job):
            network, gpus = self._place(pod, job.gpus)
            node = self.nodes[pod["spec"]["nodeName"]]
            env = environment(
                f"udp://{NETWORK}.1:{node.port}",
                GOODPUT_INTERVAL_S="0.25",
                RANK=pod["metadata"]["labels"][INDEX],
                WORLD_SIZE=str(job.pods),
            )
            what = (str(job.folder), str(last), str(job.pods * job.gpus), *gpus)
            inside = network.command(sys.executable, trainer.__file__, *what)
            rank = subprocess.Popen(inside, env=env)
            job.ranks[pod["metadata"]["name"]] = rank

    def close(self) -> None:
        """Kill every rank of every job."""
        for job in self._jobs:
            job.kill()

    def crash(self, job: Workload) -> None:
        """Kill a job's ranks, and wait until its containers are started again."""
        job.kill()
        self.scene.play(job.name, crashes="1")

        def again() -> bool:
            return all(is_running(pod, 2) for pod in self.scene.pods(job.name))

        until(again, f"{job.name} once more", within_s=WITHIN_S)

    def fail(self, job: Workload) -> None:
        """Kill a job's ranks, and end its pods as failed."""
        job.kill()
        self.scene.play(job.name, exit_code="1")

    def finish(self, job: Workload) -> None:
        """Wait until a job's ranks are done, and end its pods."""
        assert [rank.wait(WITHIN_S) for rank in job.ranks.values()] == [0] * job.pods
        self.scene.play(job.name, exit_code="0")

    def draw(self, times: int) -> None:
        """Let every GPU have drawn so many times what it draws in some seconds."""
        for node in self.nodes.values():
            node.suffers(f"gpu * energy_mj {times * DRAWN_MJ}")

    def cordon(self, node: GpuNode) -> None:
        """Let no pod come to a node any more."""
        change = {"spec": {"unschedulable": True}}
        self.scene.api.patch("Node", None, node.name, change)

    def withhold(self, node: GpuNode) -> None:
        """Let a node offer a GPU less than it has, as a device plugin does."""
        change = {"status": {"allocatable": {GPU: str(GPUS - 1)}}}
        self._patch(f"api/v1/nodes/{node.name}/status", change)

    def node_of(self, job: Workload) -> GpuNode:
        """Return the node of a job's first pod."""
        return self.nodes[self.running(job)[0]["spec"]["nodeName"]]

    def _place(self, pod: Json, count: int) -> tuple[PodNetwork, list[str]]:
        """Give a pod what a node gives it once: an address and GPUs."""
        meta = pod["metadata"]
        uid = meta["uid"]
        if uid not in self._network_of:
            network = self._network_of[uid] = self._networks.pop()
            node = self.nodes[pod["spec"]["nodeName"]]
            self._gpus_of[uid] = node.gives(pod, count)
            address = {"podIP": network.address, "podIPs": [{"ip": network.address}]}
            where = f"api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/status"
            self._patch(where, {"status": address})
        return self._network_of[uid], self._gpus_of[uid]

    def _patch(self, where: str, change: Json) -> None:
        self.scene.api.ask("PATCH", where, change, "application/merge-patch+json")


def is_running(pod: Json, lives: int = 1) -> bool:
    """Tell whether a pod's container runs, in its *lives*-th life at least."""
    told = pod.get("status", {}).get("containerStatuses", [])
    return any(
        "running" in each["state"] and each["restartCount"] >= lives - 1
        for each in told
    )


@contextmanager
def fleet(scene: Scene, books: Station, folder: Path, count: int) -> Iterator[Fleet]:
    """Give nodes whose agents push to *books*."""
    library = compile_library(folder)
    with ExitStack() as stack:
        networks = stack.enter_context(pod_networks(PODS, NETWORK))
        nodes = {
            name: stack.enter_context(
                gpu_node(scene, books, folder / name, number, library)
            )
            for number, name in enumerate(scene.nodes(count, GPUS))
        }
        for node in nodes.values():
            node.boots()
        made = Fleet(scene, nodes, networks, folder)
        stack.callback(made.close)
        yield made
