"""The load of a cluster on one aggregator: jobs that run, and agents that push."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Final

from goodput_exporter.services.courier import HttpCourier
from goodput_exporter.wire.frames import encode_frame
from tests.fakes.cluster import Pod, job, node
from tests.fakes.kube_clerk import Account
from tests.fakes.observations import gpu, report
from tests.fakes.replicas import Cluster

GPUS: Final = 8
NODES_PER_RUN: Final = 4
EVERY_S: Final = 5.0
WATTS: Final = 600
NS: Final = 10**9
NODE_NAME: Final = "authentication.kubernetes.io/node-name"


def populate(cluster: Cluster, nodes: int) -> list[str]:
    """Let a job of four pods run on each four of some nodes; return its pods."""
    pods: list[str] = []
    for run in range(nodes // NODES_PER_RUN):
        owner = job(f"train-{run}", NODES_PER_RUN)
        cluster.see(owner)
        for index in range(NODES_PER_RUN):
            name, pod = f"node-{len(pods)}", Pod(f"train-{run}-{index}", owner)
            pod.bound(20, name)
            cluster.see(node(name), pod.running(30))
            pods.append(f"train-{run}-{index}")
    return pods


def admit(cluster: Cluster, folder: Path, node_name: str, audience: str) -> Path:
    """Give the agent of a node its token; return the file with it."""
    token = f"token-of-{node_name}"
    cluster.server.clerk.accounts[token] = Account(
        "system:serviceaccount:goodput:goodput-exporter-agent",
        audience,
        {NODE_NAME: (node_name,)},
    )
    path = folder / token
    path.write_text(token, encoding="ascii")
    return path


@dataclass(slots=True)
class Pushes:
    """Answers to pushes by their HTTP status, counted by all agents together."""

    by_status: dict[int, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, status: int) -> None:
        """Count an answer."""
        with self.lock:
            self.by_status[status] = self.by_status.get(status, 0) + 1


@dataclass(frozen=True, slots=True)
class Node:
    """One node of eight GPUs, with a rank on each, and its agent's token."""

    number: int
    pod: str
    token_file: Path

    def push_on(self, url: str, pushes: Pushes, stop: threading.Event) -> None:
        """Push every five seconds, at a time of its own, over one connection."""
        began_ns = time.time_ns()
        stop.wait(self.number % 100 * EVERY_S / 100)
        with closing(
            HttpCourier(url, time.time_ns, token_file=self.token_file)
        ) as courier:
            for sequence in count(1):
                reply = courier.post(self._frame(sequence, began_ns), {})
                pushes.add(reply.status)
                if stop.wait(EVERY_S):
                    return

    def _frame(self, sequence: int, began_ns: int) -> bytes:
        now_ns = time.time_ns()
        second = (now_ns - began_ns) // NS + 1
        first = self.number % NODES_PER_RUN * GPUS
        reports = [
            replace(
                report(first + index, second),
                incarnation=f"{self.number:08x}{index:08x}",
                at_ns=now_ns,
                run_id=None,
                world_size=NODES_PER_RUN * GPUS,
                pod=self.pod,
            )
            for index in range(GPUS)
        ]
        samples = [
            replace(
                gpu(index, second),
                uuid=f"GPU-{self.number}-{index}",
                at_ns=now_ns,
                # Drawn evenly: a whole second's error would be a reading to keep.
                energy_joules=WATTS * (now_ns - began_ns) / NS,
            )
            for index in range(GPUS)
        ]
        name = f"node-{self.number}"
        return encode_frame(
            [*reports, *samples],
            agent=name,
            node=name,
            epoch="e1",
            sequence=sequence,
            made_ns=now_ns,
            offset_ns=0,
        )


@contextmanager
def pushing(nodes: list[Node], url: str) -> Iterator[Pushes]:
    """Let the agents of nodes push meanwhile; what fails for one fails here."""
    stop, pushes = threading.Event(), Pushes()
    with ThreadPoolExecutor(len(nodes)) as pool:
        everyone = [pool.submit(one.push_on, url, pushes, stop) for one in nodes]
        try:
            yield pushes
        finally:
            stop.set()
    for each in everyone:
        each.result()
