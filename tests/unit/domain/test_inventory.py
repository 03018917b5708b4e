"""A node's GPUs stay its GPUs, whatever becomes of them."""

from __future__ import annotations

from fractions import Fraction

from goodput_exporter.domain.device_ids import find
from goodput_exporter.domain.inventory import Gpu, MigDevice, gpus_of, part, whole
from goodput_exporter.domain.observations import (
    GpuLost,
    GpuSample,
    MigInstance,
    MigLayout,
)

LAYOUT = MigLayout(
    0,
    7,
    tuple(
        MigInstance(
            f"MIG-{at}",
            "GPU-b",
            gpu_instance=at + 1,
            compute_instance=0,
            profile="3g.40gb",
            gpu_slices=3,
            compute_slices=3,
            memory_bytes=40 << 30,
        )
        for at in range(2)
    ),
)
SEEN = (
    GpuSample(0, "GPU-a", "H100", 0),
    GpuSample(1, "GPU-b", "H100", 0, mig=LAYOUT),
)


def lost(index: int, uuid: str | None) -> GpuLost:
    """Return the observation of a GPU that does not answer."""
    return GpuLost(index, 0, uuid, 15, "lost")


def test_what_nvml_sees_is_what_is_there() -> None:
    """Indices and layouts from NVML; device nodes and compute modes from elsewhere."""
    gpus = gpus_of(
        SEEN, minors={"GPU-a": 1, "GPU-b": 0}, exclusive=frozenset({"GPU-a"})
    )

    assert gpus == (
        Gpu("GPU-a", 0, minor=1, is_exclusive_process=True),
        Gpu(
            "GPU-b",
            1,
            minor=0,
            mig=(MigDevice("MIG-0", 1, 0, 3), MigDevice("MIG-1", 2, 0, 3)),
        ),
    )


def test_a_lost_gpu_stays_its_holders_with_its_mig_devices() -> None:
    """It does not answer, and nobody else can have it."""
    before = gpus_of(SEEN)

    assert gpus_of((SEEN[0], lost(1, "GPU-b")), before) == before


def test_a_gpu_that_is_lost_from_the_start_has_a_name_at_least() -> None:
    """Its UUID is remembered from an earlier life; its parts are not."""
    assert gpus_of([lost(4, "GPU-e"), lost(5, None)]) == (Gpu("GPU-e", 4),)


def test_an_index_taken_by_another_gpu_is_that_ones() -> None:
    """A replaced board: what is gone is not listed, what came is."""
    swapped = [GpuSample(0, "GPU-z", "H100", 0)]

    assert [gpu.uuid for gpu in gpus_of(swapped, gpus_of(SEEN))] == ["GPU-z"]


def test_a_gpu_seen_twice_is_one() -> None:
    """Every GPU of a node is listed exactly once."""
    assert len(gpus_of((*SEEN, lost(0, "GPU-a")))) == 2


def test_a_board_that_leaves_its_device_node_unsaid_is_found_by_the_rest() -> None:
    """Without a minor number ``nvidia0`` names nothing; the index still does."""
    gpus = gpus_of(SEEN)

    assert find("nvidia0", gpus) is None
    assert find("0", gpus) is not None


def test_hardware_overlaps_with_its_parts_and_not_with_its_neighbours() -> None:
    """The two halves of a GPU are apart, and both are in the whole."""
    one, other = (gpu for gpu in gpus_of(SEEN))
    left, right = (part(other, mig) for mig in other.mig)

    assert left is not None
    assert right is not None
    assert left.share == Fraction(3, 7)
    assert not left.overlaps(right)
    assert left.overlaps(left)
    assert whole(other).overlaps(left)
    assert left.overlaps(whole(other))
    assert not whole(one).overlaps(whole(other))
