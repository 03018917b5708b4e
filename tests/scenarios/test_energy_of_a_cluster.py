"""Where the energy of a cluster's GPUs went: agents' samples, late ones, too."""

from __future__ import annotations

from collections.abc import Iterable

from goodput_exporter.domain.energy_totals import LATE, NOBODY, UNPLACED
from goodput_exporter.domain.gpu_holdings import FreePart, GpuHoldings, HeldPart
from goodput_exporter.domain.holdings import Sharing
from goodput_exporter.domain.observations import Delivered, GpuSample
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.services.cluster_gpus import ClusterGpus
from goodput_exporter.services.gpu_bookkeeper import GpuBookkeeper
from goodput_exporter.wire.tables import decode_tables, encode_tables
from tests.fakes.cluster import Pod, Story, job, node, ns
from tests.fakes.ledger import MemoryLedger
from tests.fakes.office import RETENTION_S, SILENCE_S
from tests.fakes.snapshots import gpu_sample

WATTS = 700, 90
"""What the run's GPU draws, and the one that nobody has."""
EVERY_S = 10


def said(at_s: int) -> list[GpuSample | GpuHoldings]:
    """Return what the node's agent tells at a second: samples and holders."""
    samples = [
        gpu_sample(number, at_ns=ns(at_s), energy_joules=float(power * at_s))
        for number, power in enumerate(WATTS)
    ]
    mine, other = (sample.uuid for sample in samples)
    part = HeldPart(mine, (), "ml", "train-0", "train-0", "trainer", *sharing())
    free = (FreePart(mine, 0, 1), FreePart(other, 1, 1))
    held = GpuHoldings(ns(at_s), is_known=True, held=(part,), free=free)
    return [*samples, held]


def sharing() -> tuple[str, int, int]:
    """Return that a GPU is one pod's alone."""
    return Sharing.NONE.value, 1, 1


class Cluster:
    """An aggregator's books, fed with what comes over the wire."""

    def __init__(self) -> None:
        owner = job()
        pod = Pod("train-0", owner)
        pod.bound(1)
        self.story = Story().see(10, owner, node(), pod.running(10))
        self._looks = ClusterGpus(self.story.tracker)
        self.gpus = GpuBookkeeper()
        self._books = Bookkeeper(
            MemoryLedger(),
            Rules(),
            cluster="east",
            namespace="ml",
            silence_ns=ns(SILENCE_S) - ns(0),
            retention_ns=ns(RETENTION_S) - ns(0),
            gpus=self.gpus,
        )
        self._books.resume(ns(0))
        self._books.take(self.story.placements)

    def tick(self, at_s: int, delivered: Iterable[int]) -> None:
        """Take what an agent said at some seconds, and commit."""
        for then_s in delivered:
            told = decode_tables(encode_tables(said(then_s))).observations
            self.gpus.take(self._looks.hear("n1", told))
            self.gpus.meter("n1", told, ns(at_s))
            self._books.take([Delivered("n1", ns(then_s))], "n1")
        self._books.take(self.story.tracker.drain(ns(at_s)))
        assert self._books.tick(ns(at_s))

    def joules(self) -> dict[str, float]:
        """Return what counters show, by run or else by category."""
        found: dict[str, float] = {}
        for totals in self.gpus.view().energy:
            for (state, _), energy in totals.groups.items():
                name = "run" if totals.key.run else state
                found[name] = found.get(name, 0) + (energy.millijoules or 0) / 1000
        return found


def grown_j(since_s: int, until_s: float) -> float:
    """Return what the counters grow by."""
    return sum(WATTS) * (until_s - since_s)


def through_s(cluster: Cluster) -> float:
    """Return up to when energy is divided."""
    [nobody] = [one for one in cluster.gpus.view().energy if one.key == NOBODY]
    return (nobody.through_ns - ns(0)) / NS_PER_SECOND


def test_a_pods_gpu_draws_for_its_run_and_the_other_for_nobody() -> None:
    """From the first sample on, also before the run's first second is sealed."""
    cluster = Cluster()
    for at_s in range(20, 1_500, EVERY_S):
        cluster.tick(at_s, [at_s])

    told = through_s(cluster) - 20
    assert cluster.joules() == {"run": 700 * told, "unallocated": 90 * told}


def test_what_agents_tell_late_is_counted_once_and_said_to_be_late() -> None:
    """They spool for ten minutes; the ledger will know the states, counters not."""
    cluster = Cluster()
    for at_s in range(20, 600, EVERY_S):
        cluster.tick(at_s, [at_s])
    spooled = range(600, 1_200, EVERY_S)
    for at_s in spooled:
        cluster.tick(at_s, [])
    cluster.tick(1_200, [*spooled, 1_200])
    for at_s in range(1_210, 2_400, EVERY_S):
        cluster.tick(at_s, [at_s])

    found = cluster.joules()
    assert found[LATE] > 0
    assert UNPLACED not in found
    assert sum(found.values()) == grown_j(20, through_s(cluster))
