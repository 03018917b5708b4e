"""Laws of who holds what: a GPU is one GPU, and all of it is somebody's or nobody's."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.allocations import Allocation, PodFacts, PodName
from goodput_exporter.domain.gpu_charges import charge, divide
from goodput_exporter.domain.holdings import Attributed, Result, Sharing, attribute
from goodput_exporter.domain.inventory import Gpu
from tests.fakes.nodes import DRA_DRIVER, GPU_RESOURCE, gpu_uuid, mig_gpu, mig_uuid

PODS = [PodName("ml", name) for name in "abcdef"]


@st.composite
def nodes(draw: st.DrawFn) -> tuple[Gpu, ...]:
    """Draw up to four GPUs, some cut up, also in ways that fit no GPU."""
    cuts = draw(st.lists(st.lists(st.integers(1, 4), max_size=8), max_size=4))
    return tuple(mig_gpu(index, *cut) for index, cut in enumerate(cuts))


@st.composite
def allocations(draw: st.DrawFn) -> Allocation:
    """Draw a device of any form for any container, existing or not."""
    gpu, gi = draw(st.integers(0, 4)), draw(st.integers(6, 15))
    form = draw(
        st.sampled_from(
            [
                gpu_uuid(gpu),
                f"{gpu_uuid(gpu)}::{gi}",
                f"nvidia{gpu}/gi{gi}",
                f"nvidia{gpu}/gi{gi}/vgpu{gi}",
                mig_uuid(gpu, gi),
                f"{gpu}-{gi}",
                str(gpu),
                "unheard-of",
            ]
        )
    )
    pod, container = draw(st.sampled_from(PODS)), draw(st.sampled_from("xy"))
    if draw(st.booleans()):
        return Allocation(pod, container, GPU_RESOURCE, form)
    claim = draw(st.sampled_from(["ml/one", "ml/two"]))
    return Allocation(pod, container, DRA_DRIVER, f"node/gpu-{gpu}", claim)


@st.composite
def attributions(draw: st.DrawFn) -> tuple[tuple[Gpu, ...], Attributed, int]:
    """Draw a node, what is said of it, and how many of its allocations are live."""
    gpus = draw(nodes())
    said = draw(st.lists(allocations(), max_size=20))
    pods = {
        pod: PodFacts(None, draw(st.none() | st.integers(0, 3)), draw(st.booleans()))
        for pod in draw(st.lists(st.sampled_from(PODS), unique=True))
    }
    live = sum(one.pod not in pods or not pods[one.pod].is_finished for one in said)
    return gpus, attribute(said, gpus, pods), live


@given(attributions())
def test_a_gpu_is_held_and_unallocated_to_exactly_one(
    case: tuple[tuple[Gpu, ...], Attributed, int],
) -> None:
    """However ids overlap, repeat, contradict each other or name nothing."""
    gpus, attributed, _ = case

    assert list(attributed.unallocated) == [gpu.uuid for gpu in gpus]
    for gpu in gpus:
        held = [one.share for one in attributed.holdings if one.gpu_uuid == gpu.uuid]
        assert all(share > 0 for share in held)
        assert sum(held, Fraction(0)) <= 1
        assert sum(held, Fraction(0)) + attributed.unallocated[gpu.uuid] == 1


@given(attributions())
def test_every_live_allocation_has_exactly_one_result(
    case: tuple[tuple[Gpu, ...], Attributed, int],
) -> None:
    """Attributed, unmatched or a conflict: nothing is silently dropped."""
    _, attributed, live = case
    results = attributed.results

    counted = results[Result.ATTRIBUTED] + results[Result.UNMATCHED_ID]
    assert counted + attributed.conflicts == live


@given(attributions())
def test_hardware_of_two_pods_is_shared_by_word(
    case: tuple[tuple[Gpu, ...], Attributed, int],
) -> None:
    """Whoever has a device in common with others is told that it is shared."""
    _, attributed, _ = case

    for one in attributed.holdings:
        others = [
            other
            for other in attributed.holdings
            if other != one
            and other.gpu_uuid == one.gpu_uuid
            and other.parts == one.parts
        ]
        if others:
            assert one.sharing in {Sharing.TIME_SLICING, Sharing.MPS}
            assert {other.share for other in others} == {one.share}


@given(attributions(), st.integers(0, 10**15))
def test_charged_time_is_the_time_of_every_gpu(
    case: tuple[tuple[Gpu, ...], Attributed, int], length_ns: int
) -> None:
    """GPU-hours reconcile: per GPU, holders and nobody add up to the nanosecond."""
    gpus, attributed, _ = case
    charges = list(charge(attributed, length_ns))

    for gpu in gpus:
        charged = sum(one.gpu_ns for one in charges if one.gpu_uuid == gpu.uuid)
        assert charged == length_ns
    assert all(one.gpu_ns > 0 for one in charges)


@given(st.integers(0, 10**18), st.lists(st.integers(0, 50), min_size=1, max_size=12))
def test_a_divided_whole_is_whole_again(whole: int, weights: list[int]) -> None:
    """No part is a unit or more away from its exact share."""
    total = sum(weights) or 1
    shares = [Fraction(weight, total) for weight in weights]
    if not any(weights):
        shares[0] = Fraction(1)
    parts = divide(whole, shares)

    assert sum(parts) == whole
    for part, share in zip(parts, shares, strict=True):
        assert abs(part - share * whole) < 1
