"""Every GPU of a cluster is somebody's, nobody's, or known to be unknown."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from goodput_exporter.domain.gpu_holdings import FreePart, GpuHoldings, HeldPart
from goodput_exporter.domain.gpu_stands import Category, NodeStand, Reason
from goodput_exporter.domain.holdings import Sharing
from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.services.cluster_gpus import PATIENCE_NS, ClusterGpus
from tests.fakes.cluster import Pod, Story, job, node, ns
from tests.fakes.snapshots import gpu_sample


def sample(index: int, at: float) -> GpuSample:
    """Return a GPU that answers."""
    return replace(gpu_sample(index), at_ns=ns(at))


def held(pod: str, at: float, index: int = 0) -> GpuHoldings:
    """Return that a pod has one of two GPUs, and nobody the other."""
    mine, other = (gpu_sample(each).uuid for each in (index, 1 - index))
    part = HeldPart(mine, (), "ml", pod, pod, "trainer", Sharing.NONE.value, 1, 1)
    free = (FreePart(mine, 0, 1), FreePart(other, 1, 1))
    return GpuHoldings(ns(at), is_known=True, held=(part,), free=free)


def scene() -> tuple[Story, Pod, ClusterGpus]:
    """Return a run's pod on a node."""
    owner = job()
    pod = Pod("train-0", owner)
    pod.bound(1)
    story = Story().see(10, owner, node(), pod.running(10))
    return story, pod, ClusterGpus(story.tracker)


def categories(words: list[NodeStand]) -> list[tuple[Category, Reason]]:
    """Return what each GPU of the only word is; whole GPUs only."""
    [word] = words
    return [
        (hold.category, hold.reason)
        for gpu in word.gpus
        for hold, slots in gpu.parts
        if slots.share == Fraction(1)
    ]


def look(gpus: ClusterGpus, at: float, *more: object) -> list[NodeStand]:
    """Return the word of a delivery with both GPUs."""
    return [*gpus.hear("n1", [sample(0, at), sample(1, at), *more])]


def test_a_gpu_is_its_pods_runs_or_nobodys() -> None:
    """By the kubelet, as the agent tells it, and by the pod's run."""
    _, _, gpus = scene()

    words = look(gpus, 20, held("train-0", 20))

    assert categories(words) == [
        (Category.HELD, Reason.NONE),
        (Category.UNALLOCATED, Reason.NONE),
    ]
    assert words[0].gpus[0].parts[0][0].run is not None


def test_what_nobody_has_attributed_is_not_nobodys() -> None:
    """Without the kubelet's word it is unobserved."""
    _, _, gpus = scene()

    assert (
        categories(look(gpus, 20)) == [(Category.UNOBSERVED, Reason.UNATTRIBUTED)] * 2
    )


def test_a_pod_that_goes_and_one_of_no_run_have_categories_of_their_own() -> None:
    """Terminating is the run's end; other work is nobody's waste."""
    story, pod, gpus = scene()
    story.see(30, pod.told(30))

    assert categories(look(gpus, 31, held("train-0", 31)))[0][0] is Category.TERMINATING
    assert (
        categories(look(gpus, 36, held("web-0", 36)))[0][0] is Category.OTHER_WORKLOAD
    )


def test_a_node_that_is_lost_speaks_by_the_api() -> None:
    """Its agent may be silent; its GPUs are unavailable from the loss on."""
    story, _, gpus = scene()
    look(gpus, 20, held("train-0", 20))
    story.see(60, node(ready="Unknown", at=50))

    words = [*gpus.lost(ns(60))]

    assert categories(words) == [(Category.UNAVAILABLE, Reason.NODE_NOT_READY)] * 2
    assert words[0].since_ns == ns(50)


def test_a_node_that_is_gone_leaves_the_book() -> None:
    """Once; then nothing is said of it any more."""
    story, _, gpus = scene()
    look(gpus, 20)
    story.gone(40, node())

    [word] = gpus.lost(ns(41))

    assert word.is_gone
    assert [*gpus.lost(ns(42))] == []


def test_a_gpu_that_is_read_no_more_is_left_out_after_a_while() -> None:
    """The book then calls it missing; one late read is not that."""
    _, _, gpus = scene()
    look(gpus, 20)
    soon = [*gpus.hear("n1", [sample(0, 25)])]
    late = [*gpus.hear("n1", [sample(0, 20 + PATIENCE_NS / 10**9)])]

    assert [len(word.gpus) for word in (*soon, *late)] == [2, 1]


def test_parts_that_do_not_sum_are_refused_and_counted() -> None:
    """An agent of another version must not give a GPU away twice."""
    _, _, gpus = scene()
    twice = FreePart(gpu_sample(0).uuid, 1, 1)
    wrong = replace(held("train-0", 20), free=(twice,))

    words = look(gpus, 20, wrong)

    assert categories(words) == [(Category.UNOBSERVED, Reason.UNATTRIBUTED)] * 2
    assert gpus.refused == 1
