"""Who holds which GPU, and how much of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from goodput_exporter.domain.allocations import (
    Allocation,
    DynamicDevices,
    PodFacts,
    PodName,
)
from goodput_exporter.domain.holdings import Attributed, Result, Sharing, attribute
from goodput_exporter.domain.inventory import Gpu, MigDevice
from tests.fakes.nodes import (
    claimed,
    given,
    gpu_uuid,
    mig_gpu,
    mig_uuid,
    node,
)

WHOLE = Fraction(1)


def facts(**created_ns: int) -> dict[PodName, PodFacts]:
    """Return when pods of the usual namespace were created, by name."""
    return {
        PodName("ml", name): PodFacts(f"uid-{name}", at)
        for name, at in created_ns.items()
    }


def shares(attributed: Attributed) -> dict[str, Fraction]:
    """Return what each pod holds, summed over GPUs."""
    held: dict[str, Fraction] = {}
    for one in attributed.holdings:
        held[one.pod.name] = held.get(one.pod.name, Fraction(0)) + one.share
    return held


def test_a_pod_with_two_gpus_holds_both_whole() -> None:
    """The plain case: what is left is unallocated, and each GPU is listed once."""
    listed = [given("a", gpu_uuid(0)), given("a", gpu_uuid(2))]

    attributed = attribute(listed, node(4), facts(a=1))

    assert [(one.gpu_uuid, one.share, one.sharing) for one in attributed.holdings] == [
        (gpu_uuid(0), WHOLE, Sharing.NONE),
        (gpu_uuid(2), WHOLE, Sharing.NONE),
    ]
    assert attributed.holdings[0].pod_uid == "uid-a"
    assert attributed.unallocated == {
        gpu_uuid(0): 0, gpu_uuid(1): 1, gpu_uuid(2): 0, gpu_uuid(3): 1,
    }  # fmt: skip
    assert attributed.results == {
        Result.ATTRIBUTED: 2, Result.UNALLOCATED: 2, Result.UNMATCHED_ID: 0,
    }  # fmt: skip


def test_four_pods_on_one_time_sliced_gpu_hold_one_gpu() -> None:
    """Each a quarter: the GPU is one GPU, however many see it."""
    listed = [given(pod, f"{gpu_uuid(0)}::{at}") for at, pod in enumerate("abcd")]

    attributed = attribute(listed, node(1), {})

    assert shares(attributed) == dict.fromkeys("abcd", Fraction(1, 4))
    assert sum(one.share for one in attributed.holdings) == 1
    assert {one.sharing for one in attributed.holdings} == {Sharing.TIME_SLICING}
    assert attributed.unallocated == {gpu_uuid(0): 0}


def test_more_replicas_give_no_more_of_a_gpu() -> None:
    """NVIDIA says so of time slicing; two replicas in one container are one holder."""
    listed = [given("a", f"{gpu_uuid(0)}::{at}") for at in range(3)]
    listed.append(given("b", f"{gpu_uuid(0)}::3"))

    attributed = attribute(listed, node(1), {})

    assert shares(attributed) == {"a": Fraction(1, 2), "b": Fraction(1, 2)}


def test_a_lone_holder_of_a_replica_holds_the_gpu_and_is_told_that_it_is_shared() -> (
    None
):
    """Nobody else does; its neighbours may come any time."""
    attributed = attribute([given("a", "nvidia0/vgpu1")], node(1), {})

    (only,) = attributed.holdings
    assert (only.share, only.sharing) == (WHOLE, Sharing.TIME_SLICING)


def test_replicas_of_a_gpu_for_one_process_at_a_time_are_mps() -> None:
    """The MPS daemon sets that mode, and time slicing would not work with it."""
    listed = [given(pod, f"{gpu_uuid(0)}::{at}") for at, pod in enumerate("ab")]

    attributed = attribute(listed, node(1, is_exclusive_process=True), {})

    assert {one.sharing for one in attributed.holdings} == {Sharing.MPS}
    assert sum(one.share for one in attributed.holdings) == 1


def test_mig_devices_are_sevenths_by_their_compute_slices() -> None:
    """Seven 1g are a GPU; two 3g are six sevenths of it, and nobody has the last."""
    small = mig_gpu(0, *[1] * 7)
    large = mig_gpu(0, 3, 3, first_gi=1)
    on_small = [given(f"p{gi}", mig_uuid(0, gi)) for gi in range(7, 14)]
    on_large = [given(f"p{gi}", mig_uuid(0, gi)) for gi in (1, 2)]

    before = attribute(on_small, (small,), {})
    after = attribute(on_large, (large,), {})

    assert shares(before) == {f"p{gi}": Fraction(1, 7) for gi in range(7, 14)}
    assert before.unallocated == {gpu_uuid(0): 0}
    assert shares(after) == {"p1": Fraction(3, 7), "p2": Fraction(3, 7)}
    assert after.unallocated == {gpu_uuid(0): Fraction(1, 7)}
    assert {one.sharing for one in (*before.holdings, *after.holdings)} == {Sharing.MIG}


def test_ids_of_the_old_layout_are_unmatched_after_a_new_one() -> None:
    """The kubelet lists a pod of the old layout a little longer; it is nobody's now."""
    gone = [given(f"p{gi}", mig_uuid(0, gi)) for gi in range(7, 14)]

    attributed = attribute(gone, (mig_gpu(0, 3, 3, first_gi=1),), {})

    assert attributed.holdings == ()
    assert attributed.results[Result.UNMATCHED_ID] == 7
    assert attributed.unallocated == {gpu_uuid(0): 1}


def test_a_mig_device_that_is_shared_is_split_again() -> None:
    """Three pods on one 3g hold a seventh each."""
    listed = [given(pod, f"nvidia0/gi1/vgpu{at}") for at, pod in enumerate("abc")]

    attributed = attribute(listed, (mig_gpu(0, 3, 3, first_gi=1),), {})

    assert shares(attributed) == dict.fromkeys("abc", Fraction(1, 7))
    assert {one.sharing for one in attributed.holdings} == {Sharing.TIME_SLICING}


def test_a_board_with_four_slices_is_shared_in_quarters() -> None:
    """An A30: the GPU says how many slices it has."""
    mig = (MigDevice(mig_uuid(0, 1), 1, 0, compute_slices=2),)
    gpus = (Gpu(gpu_uuid(0), 0, mig=mig, slices=4),)

    attributed = attribute([given("a", mig_uuid(0, 1))], gpus, {})

    assert shares(attributed) == {"a": Fraction(1, 2)}


@pytest.mark.parametrize(("slices", "of"), [(0, 7), (1, 0), (-1, 7)])
def test_a_part_of_no_size_is_unmatched(slices: int, of: int) -> None:
    """A driver that says nonsense costs the attribution of one device."""
    mig = (MigDevice(mig_uuid(0, 1), 1, 0, compute_slices=slices),)
    gpus = (Gpu(gpu_uuid(0), 0, mig=mig, slices=of),)

    attributed = attribute([given("a", mig_uuid(0, 1))], gpus, {})

    assert attributed.unmatched == (mig_uuid(0, 1),)


def test_half_of_an_old_layout_and_half_of_a_new_one_is_never_more_than_a_gpu() -> None:
    """What does not fit any more is a conflict, not a ninth seventh."""
    torn = mig_gpu(0, 3, 3, 1, 1, 1)
    listed = [given(f"p{gi}", mig_uuid(0, gi)) for gi in range(7, 12)]

    attributed = attribute(listed, (torn,), facts(p7=1, p8=2, p9=3, p10=4, p11=5))

    assert sum(one.share for one in attributed.holdings) <= 1
    assert attributed.conflicts == 1
    assert "p7" not in shares(attributed)


def test_a_finished_pod_is_not_charged() -> None:
    """The kubelet lists it until it is collected (kubernetes issue 119423)."""
    listed = [given("done", gpu_uuid(0)), given("a", gpu_uuid(1))]
    pods = {PodName("ml", "done"): PodFacts("uid", 1, is_finished=True)}

    attributed = attribute(listed, node(2), pods)

    assert shares(attributed) == {"a": 1}
    assert attributed.finished == 1
    assert attributed.unallocated[gpu_uuid(0)] == 1
    assert attributed.conflicts == 0


def test_of_two_pods_on_one_gpu_the_newest_holds_it() -> None:
    """The older one is on its way out; the overlap is counted."""
    listed = [given("old", gpu_uuid(0)), given("new", gpu_uuid(0))]

    for order in (listed, listed[::-1]):
        attributed = attribute(order, node(1), facts(old=1, new=2))

        assert shares(attributed) == {"new": 1}
        assert attributed.conflicts == 1
        assert attributed.results[Result.ATTRIBUTED] == 1


def test_a_pod_of_which_nothing_is_known_yields_to_one_that_was_seen_to_begin() -> None:
    """It counts as older, and as running."""
    listed = [given("unknown", gpu_uuid(0)), given("a", gpu_uuid(0))]

    assert shares(attribute(listed, node(1), facts(a=0))) == {"a": 1}


def test_a_whole_gpu_and_a_part_of_it_are_the_same_hardware() -> None:
    """Whoever came last holds what it was given; both cannot be."""
    gpu = mig_gpu(0, 3, 3)
    listed = [given("whole", gpu_uuid(0)), given("part", mig_uuid(0, 7))]

    assert shares(attribute(listed, (gpu,), facts(whole=1, part=2))) == {
        "part": Fraction(3, 7)
    }
    assert shares(attribute(listed, (gpu,), facts(whole=2, part=1))) == {"whole": 1}


def test_a_replica_beside_an_owner_of_the_whole_is_a_conflict() -> None:
    """The plugin was reconfigured; the newer pod shows how."""
    listed = [given("owner", gpu_uuid(0)), given("guest", f"{gpu_uuid(0)}::0")]

    attributed = attribute(listed, node(1), facts(owner=1, guest=2))

    assert (shares(attributed), attributed.conflicts) == ({"guest": WHOLE}, 1)


def test_containers_of_one_pod_split_its_gpu() -> None:
    """An init container's GPU is handed on to the next one: still one GPU."""
    listed = [given("a", gpu_uuid(0), container=name) for name in ("warm-up", "train")]

    attributed = attribute(listed, node(1), {})

    assert shares(attributed) == {"a": 1}
    assert [one.container for one in attributed.holdings] == ["train", "warm-up"]


def test_the_same_line_twice_is_one_holding() -> None:
    """An echo gives nobody more."""
    attributed = attribute([given("a", gpu_uuid(0))] * 2, node(1), {})

    assert shares(attributed) == {"a": 1}
    assert attributed.conflicts == 0


def test_a_mixed_node_lists_every_gpu_once() -> None:
    """Two by device plugin, two by DRA, one of each given away."""
    listed = [given("a", gpu_uuid(0)), claimed("b", "node-7/gpu-1", "one")]

    attributed = attribute(listed, node(4), {})

    assert set(attributed.unallocated) == {gpu_uuid(index) for index in range(4)}
    assert shares(attributed) == {"a": 1, "b": 1}
    assert attributed.results == {
        Result.ATTRIBUTED: 2, Result.UNALLOCATED: 2, Result.UNMATCHED_ID: 0,
    }  # fmt: skip
    assert attributed.holdings[1].gpu_uuid == gpu_uuid(2)  # device node 1


def test_a_resource_slice_knows_better_than_a_device_name() -> None:
    """Names count device nodes or indices; a slice says the UUID."""
    dynamic = DynamicDevices({("gpu.nvidia.com", "node-7/gpu-1"): gpu_uuid(1)})

    attributed = attribute([claimed("b", "node-7/gpu-1", "one")], node(4), {}, dynamic)

    assert attributed.holdings[0].gpu_uuid == gpu_uuid(1)


def test_pods_that_share_a_claim_share_its_gpu() -> None:
    """One ResourceClaim may serve many pods; its GPU is one GPU."""
    listed = [claimed(pod, "node-7/gpu-0", "common") for pod in "abc"]

    attributed = attribute(listed, node(1), {})

    assert shares(attributed) == dict.fromkeys("abc", Fraction(1, 3))
    assert attributed.conflicts == 0


def test_claims_of_the_same_device_are_a_conflict() -> None:
    """Two claims of one device are two owners, and the newest is right."""
    listed = [claimed("a", "n/gpu-0", "one"), claimed("b", "n/gpu-0", "two")]

    attributed = attribute(listed, node(1), facts(a=1, b=2))

    assert (shares(attributed), attributed.conflicts) == ({"b": WHOLE}, 1)


def test_claims_of_a_device_that_may_be_shared_share_it() -> None:
    """DRA gives each of them a share of its own, with an id."""
    listed = [
        replace(claimed("a", "n/gpu-0", "one"), share_id="s1"),
        replace(claimed("b", "n/gpu-0", "two"), share_id="s2"),
    ]

    attributed = attribute(listed, node(1), {})

    assert shares(attributed) == {"a": Fraction(1, 2), "b": Fraction(1, 2)}
    assert attributed.conflicts == 0


def test_a_claim_with_admin_access_holds_nothing() -> None:
    """A monitor looks at GPUs that are somebody else's."""
    listed = [claimed("a", "n/gpu-0", "work"), claimed("monitor", "n/gpu-0", "look")]
    dynamic = DynamicDevices(observers=frozenset({"ml/look"}))

    attributed = attribute(listed, node(1), facts(a=1, monitor=2), dynamic)

    assert (shares(attributed), attributed.conflicts) == ({"a": WHOLE}, 0)


@pytest.mark.parametrize(
    "resource",
    ["rdma/hca", "nvidia.com/resibp24s0", "nvidia.com/hostdev", "amd.com/gpu"],
)
def test_what_is_no_gpu_is_passed_over(resource: str) -> None:
    """A network card's id may be a number too."""
    attributed = attribute([given("a", "0", resource=resource)], node(1), {})

    assert attributed.results[Result.UNMATCHED_ID] == 0
    assert attributed.results[Result.UNALLOCATED] == 1


def test_the_compute_domain_driver_gives_no_gpus() -> None:
    """It hands out channels between nodes."""
    channel = Allocation(
        PodName("ml", "a"), "train", "compute-domain.nvidia.com", "n/channel-0", "ml/c"
    )

    assert attribute([channel], node(1), {}).unmatched == ()


@pytest.mark.parametrize(
    "resource", ["nvidia.com/gpu.shared", "nvidia.com/mig-1g.10gb", "acme.io/a100"]
)
def test_a_renamed_resource_is_known_by_the_uuid_in_its_ids(resource: str) -> None:
    """The plugin's configuration may call it anything."""
    attributed = attribute([given("a", gpu_uuid(0), resource=resource)], node(1), {})

    assert shares(attributed) == {"a": 1}
