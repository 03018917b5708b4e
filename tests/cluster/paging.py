"""Everything that is installed in a cluster, and one bad minute in it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dashboards.rules.goodput_alerts import SETTLED_S
from goodput_exporter.domain.runs import RunKey
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fleet import Fleet, Workload, fleet
from tests.cluster.following import BUILT_IN
from tests.cluster.gpu_nodes import GPUS, GpuNode
from tests.cluster.scenes import Scene
from tests.dashboards.hurried import hurried
from tests.dashboards.pager import Pager, pager
from tests.dashboards.shown import Booked, booked
from tests.dashboards.stores import CLUSTER, Duties, Store, prometheus
from tests.fakes.replicas import replicas
from tests.fakes.station import LINES, Station, until

FACTOR: Final = 120
"""What the rules wait for is divided by it: an hour is half a minute."""
WITHIN_S: Final = 90.0
NODES: Final = 3
SETTINGS: Final = {
    "IDENTITY_CLUSTER": CLUSTER,
    "KUBERNETES_TEAM_LABELS": "team",
    "RUN_MERGE_SECONDS": "2",
    # Steps take a tenth of a second; ten times that is slow, thirty times is a hang.
    "RUN_REFERENCE_STEP_SECONDS": "1",
    "STALL_STEP_SECONDS": "3",
}
RESTORABLE: Final = 30
"""Steps after which a job has a checkpoint."""


@dataclass(frozen=True, slots=True)
class System:
    """
    What runs, and on what.

    Args:
        books: The aggregator.
        fleet: The nodes and the jobs' pods.
        store: The Prometheus, which evaluates the hurried rules.
        pager: The Alertmanager.
        folder: For copies.
    """

    books: Station
    fleet: Fleet
    store: Store
    pager: Pager
    folder: Path

    @property
    def namespace(self) -> str:
        """Return the jobs' namespace."""
        return self.fleet.scene.namespace

    def account(self, run: str) -> Booked:
        """Return what the ledger says of a run."""
        key = RunKey(CLUSTER, self.namespace, run)
        return booked(self.books.ledger, self.folder, key)

    def tell(self) -> None:
        """Say how the runs and their pods stand."""
        states = self.books.page().samples["goodput_run_state"].items()
        said = [str(dict(labels)) for labels, value in states if value == 1]
        for pod in self.fleet.scene.api.list("Pod", self.namespace):
            status = pod["status"]
            told = status.get("containerStatuses", status.get("conditions"))
            said.append(f"{pod['metadata']['name']}: {status['phase']} {told}")
        sys.stdout.write("\n".join([*said, *self.books.lines()[-LINES:]]))

    def steps(self, job: Workload) -> None:
        """Wait until a job can go on from a checkpoint."""

        def known() -> bool:
            at = self.books.page().one("goodput_run_step", run=job.name)
            return at is not None and at >= RESTORABLE

        until(known, f"steps of {job.name}", within_s=WITHIN_S)

    def has_usual(self, *jobs: Workload) -> None:
        """Wait until jobs are old enough to have a usual goodput."""

        def are_old() -> bool:
            began = self.books.page().by("goodput_run_started_timestamp_seconds", "run")
            newest_s = max(began[job.name] for job in jobs)
            return time.time() - newest_s > SETTLED_S / FACTOR

        until(are_old, "runs with a usual goodput", within_s=WITHIN_S)


@contextmanager
def system(plane: ControlPlane, token: Path, folder: Path) -> Iterator[System]:
    """Give a cluster of three nodes, watched and quiet."""
    scene = Scene(plane, token, BUILT_IN)
    plane.api.apply({"kind": "Namespace", "metadata": {"name": scene.namespace}})
    plane.api.wait("ServiceAccount", scene.namespace, "default", bool)
    access = {
        "KUBERNETES_TOKEN_FILE": str(token),
        "KUBERNETES_CA_FILE": str(plane.ca_file),
    }
    with ExitStack() as stack:
        stack.callback(scene.clear)
        [books] = stack.enter_context(
            replicas(folder, plane.url, "aggregator", **access, **SETTINGS)
        )
        books.ledger = folder / "ledger.sqlite"
        books.start()
        made = stack.enter_context(fleet(scene, books, folder, NODES))
        told = stack.enter_context(pager(folder, FACTOR))
        scraped = [books, *(node.agent for node in made.nodes.values())]
        targets = [urlsplit(one.url).netloc for one in scraped]
        duties = Duties(alerts_to=told.target, groups=hurried(FACTOR), every="1s")
        store = stack.enter_context(prometheus(folder, targets, duties))
        one = System(books, made, store, told, folder)
        # pytest shows it where a test failed, and only there.
        stack.callback(one.tell)
        yield one


def bad_minute(one: System) -> None:
    """
    Let five jobs train, one of them to its end, and then let two of them suffer.

    ``llama`` loses a GPU to XID 79, fails, and finds every node cordoned; ``falcon``
    hangs in a step. ``olmo`` has crashed once and finished, ``qwen`` trains on, and
    ``quiet`` has said nothing all the time.
    """
    cluster = one.fleet
    llama = cluster.submit("llama", "blue", NODES - 1, GPUS)
    falcon, olmo, qwen, _ = (
        cluster.submit(name, "red", 1, GPUS // 4)
        for name in ("falcon", "olmo", "qwen", "quiet")
    )
    for job in (llama, falcon, olmo, qwen):
        cluster.train(job)
    one.steps(olmo)
    cluster.draw(1)
    cluster.crash(olmo)
    cluster.train(olmo, last=4 * RESTORABLE)
    cluster.finish(olmo)
    cluster.draw(2)
    one.has_usual(llama, falcon)
    cluster.draw(3)

    sick = cluster.node_of(llama)
    sick.suffers("gpu 3 xid 1 79")
    for node in cluster.nodes.values():
        cluster.cordon(node)
    cluster.fail(llama)
    falcon.hang()
    other = cluster.node_of(falcon)
    other.suffers("gpu 7 xid 1 63")
    cluster.withhold(other)
    loses(one, sick)


def loses(one: System, sick: GpuNode) -> None:
    """Let a GPU be lost once its XID was told; the kernel is faster than NVML."""
    xid = {"alertname": "GoodputGpuXidFatal", "gpu_node": sick.name}
    until(
        lambda: one.pager.told("on-call", **xid), "a page of XID 79", within_s=WITHIN_S
    )
    sick.suffers("gpu 3 fault * return 15")
