"""From pods, NVML and the API to the category of each GPU."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from goodput_exporter.domain.allocations import Allocation, PodFacts, PodName
from goodput_exporter.domain.gpu_looks import (
    Looks,
    NodeStanding,
    PodStanding,
    replaced_of,
    stands_by_pods,
    without_driver,
)
from goodput_exporter.domain.gpu_stands import Category, GpuStand, Reason
from goodput_exporter.domain.holdings import Holding, attribute
from goodput_exporter.domain.inventory import Gpu
from goodput_exporter.domain.observations import GpuObservation, MigInstance, MigLayout
from goodput_exporter.domain.rank_gpus import RankGpus
from goodput_exporter.domain.runs import RunKey
from tests.fakes.gpus import LLAMA
from tests.fakes.nodes import given, gpu_uuid, mig_gpu, mig_uuid, node
from tests.fakes.snapshots import gpu_lost, gpu_sample

MIXTRAL = RunKey("east", "research", "mixtral")
FINE = NodeStanding("NVIDIA H100 80GB HBM3", "pool-a")
PODS = {
    "trainer": PodStanding(LLAMA, "research"),
    "leaving": PodStanding(LLAMA, "research", is_terminating=True),
    "server": PodStanding(None, "search"),
}

Shares = dict[str, Fraction]


def pod_of(holding: Holding) -> PodStanding | None:
    """Return whose a pod of the stories is."""
    return PODS.get(holding.pod.name)


def shares(gpu: GpuStand) -> Shares:
    """Return what a GPU is, and how much of it."""
    found: Shares = {}
    for hold, slots in gpu.parts:
        name = hold.reason.value or hold.category.value
        found[name] = found.get(name, Fraction(0)) + slots.share
    return found


def seen(gpus: Sequence[Gpu]) -> list[GpuObservation]:
    """Return samples of a node's GPUs, all well."""
    return [gpu_sample(gpu.index, uuid=gpu.uuid) for gpu in gpus]


def look(
    gpus: Sequence[Gpu],
    listed: Sequence[Allocation],
    told: Sequence[GpuObservation] | None = None,
    standing: NodeStanding = FINE,
) -> list[Shares]:
    """Return what each GPU of a node is."""
    pods: dict[PodName, PodFacts] = {}
    attributed = attribute(listed, tuple(gpus), pods)
    told = seen(gpus) if told is None else told
    stands = stands_by_pods(told, attributed, pod_of, standing, {})
    return [shares(one) for one in stands]


def test_each_gpu_is_its_holders() -> None:
    """A run's, a pod's that is told to go, other work's, a stranger's, nobody's."""
    names = ("trainer", "leaving", "server", "stranger")
    listed = [given(name, gpu_uuid(at)) for at, name in enumerate(names)]

    assert look(node(5), listed) == [
        {"held": 1},
        {"terminating": 1},
        {"other_workload": 1},
        {"other_workload": 1},
        {"unallocated": 1},
    ]


def test_a_lost_gpu_is_unavailable_though_its_pod_has_it_still() -> None:
    """The pod cannot use it; the run's asked GPUs are down in the run book."""
    told: list[GpuObservation] = [gpu_lost(0, uuid=gpu_uuid(0))]
    told.append(gpu_sample(1, uuid=gpu_uuid(1)))

    found = look(node(2), [given("trainer", gpu_uuid(0))], told)
    assert found == [{"lost": 1}, {"unallocated": 1}]


def test_a_gpu_that_we_let_go_of_is_its_holders() -> None:
    """Pausing is ours and no fault of the GPU."""
    told = [gpu_lost(0, uuid=gpu_uuid(0), reason="paused")]

    assert look(node(1), [given("trainer", gpu_uuid(0))], told) == [{"held": 1}]


def test_a_cordon_takes_what_nobody_holds() -> None:
    """Who trains on a cordoned node goes on; its free GPUs are nobody's to have."""
    cordoned = NodeStanding(is_cordoned=True)

    found = look(node(2), [given("trainer", gpu_uuid(0))], None, cordoned)
    assert found == [{"held": 1}, {"cordoned": 1}]


def test_a_node_that_is_not_ready_holds_for_nobody() -> None:
    """A pod that is terminating on a dead node is charged no longer (ask 38)."""
    lost = NodeStanding(is_lost=True)

    found = look(node(1), [given("leaving", gpu_uuid(0))], None, lost)
    assert found == [{"node_not_ready": 1}]


def test_not_knowing_the_holders_is_not_having_none() -> None:
    """While no kubelet answers, GPUs are unobserved and not unallocated."""
    (stand,) = stands_by_pods(seen(node(1)), None, pod_of, FINE, {})

    assert shares(stand) == {"unattributed": 1}


def test_four_pods_on_one_time_sliced_gpu_hold_it_once() -> None:
    """Their parts are equal and sum to one GPU (ask 19)."""
    names = ("trainer", "server", "stranger", "leaving")
    listed = [given(name, f"{gpu_uuid(0)}::{at}") for at, name in enumerate(names)]

    (found,) = look(node(1), listed)
    assert sum(found.values()) == 1
    assert found["held"] == Fraction(1, 4)


def test_two_thirds_of_seven_slices_leave_one() -> None:
    """Two 3g devices leave a seventh that nobody can have (ask 18)."""
    gpu = mig_gpu(0, 3, 3)
    listed = [given("trainer", mig_uuid(0, 7)), given("server", mig_uuid(0, 8))]

    (found,) = look([gpu], listed)
    assert found == {
        "held": Fraction(3, 7),
        "other_workload": Fraction(3, 7),
        "unallocated": Fraction(1, 7),
    }


def test_without_the_driver_no_gpu_is_available() -> None:
    """The last known ones are unavailable, and keep their model and pool."""
    gpus = stands_by_pods(seen(node(2)), None, pod_of, FINE, {})

    found = without_driver(gpus)
    assert [shares(one) for one in found] == [{"driver": 1}, {"driver": 1}]
    assert {one.node_pool for one in found} == {"pool-a"}


def test_a_replaced_gpu_has_left() -> None:
    """Another is at its index: its UUID is gone, not missing."""
    told = [gpu_lost(0, uuid="GPU-old", reason="replaced")]

    assert replaced_of(told) == {"GPU-old"}
    assert stands_by_pods(told, None, pod_of, FINE, {}) == ()


def test_a_look_that_says_the_same_extends_the_word() -> None:
    """Since when stays, until something changes or nobody looked for too long."""
    looks = Looks("node-1", patience_ns=30)
    free = stands_by_pods(seen(node(1)), None, pod_of, FINE, {})
    words = [looks.look(at, free) for at in (100, 110, 150)]
    words.append(looks.look(160, without_driver(free)))
    words.append(looks.look(170, (), since_ns=165))

    spans = [(word.since_ns, word.through_ns) for word in words]
    assert spans == [(100, 100), (100, 110), (150, 150), (160, 160), (165, 170)]


def test_a_machines_gpus_are_their_ranks() -> None:
    """Who names a GPU holds it; two runs that name one have half each."""
    ranks = RankGpus()
    ranks.hear("a", LLAMA, (gpu_uuid(0), gpu_uuid(1)))
    ranks.hear("b", MIXTRAL, (gpu_uuid(1),))
    found = ranks.stands(seen(node(3)), {})

    assert [shares(one) for one in found[::2]] == [{"held": 1}, {"unallocated": 1}]
    halves = [(hold.run, slots.share) for hold, slots in found[1].parts]
    assert halves == [(LLAMA, Fraction(1, 2)), (MIXTRAL, Fraction(1, 2))]


def test_a_rank_that_has_not_said_its_gpus_may_have_any() -> None:
    """After our restart, up to a minute long; a rank that is over has none."""
    ranks = RankGpus()
    ranks.hear("a", LLAMA, None)
    (unknown,) = ranks.stands(seen(node(1)), {})
    ranks.keep([])
    (free,) = ranks.stands(seen(node(1)), {})

    assert [shares(unknown), shares(free)] == [{"unattributed": 1}, {"unallocated": 1}]
    assert free.parts[0][0].category is Category.UNALLOCATED
    assert free.parts[0][0].reason is Reason.NONE


def test_a_named_mig_device_is_its_slices() -> None:
    """A rank on 2g of seven holds two sevenths of the GPU."""
    device = MigInstance(
        "MIG-1", gpu_uuid(0), 7, 0, "2g.20gb", gpu_slices=2, compute_slices=2,
        memory_bytes=1,
    )  # fmt: skip
    sample = gpu_sample(0, uuid=gpu_uuid(0), mig=MigLayout(0, 7, (device,)))
    ranks = RankGpus()
    ranks.hear("a", LLAMA, ("MIG-1",))
    (found,) = ranks.stands([sample], {})

    assert shares(found) == {"held": Fraction(2, 7), "unallocated": Fraction(5, 7)}
