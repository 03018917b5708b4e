"""Whatever a plugin calls its devices, the GPU that is meant is found."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.device_ids import find, find_dynamic
from goodput_exporter.domain.inventory import Gpu, MigDevice
from tests.fakes.nodes import gpu_uuid, mig_gpu, mig_uuid, node

# NVML indices 0 to 3 are /dev/nvidia3 to 0; GPUs 4 and 5 are cut up.
GPUS = (
    *(Gpu(gpu_uuid(index), index, minor=3 - index) for index in range(4)),
    mig_gpu(4, 1, 1, 1, 1, 1, 1, 1),
    mig_gpu(5, 3, 3, first_gi=1),
)


@pytest.mark.parametrize(
    ("device_id", "index"),
    [
        (gpu_uuid(1), 1),
        ("nvidia1", 2),
        ("nvidia0", 3),
        ("1", 1),
    ],
)
def test_an_id_of_a_whole_gpu_names_it(device_id: str, index: int) -> None:
    """A UUID; a device node, as on GKE; or a plugin's own count, which is NVML's."""
    found = find(device_id, GPUS)

    assert found is not None
    assert (found.device.gpu.uuid, found.device.parts) == (gpu_uuid(index), frozenset())
    assert not found.is_replica


@pytest.mark.parametrize(
    ("device_id", "index"),
    [
        (f"{gpu_uuid(2)}::0", 2),
        (f"{gpu_uuid(2)}::17", 2),
        (f"{gpu_uuid(2)}-3", 2),
        (f"{gpu_uuid(2)}-replica-3", 2),
        ("nvidia1/vgpu0", 2),
        ("nvidia0/vgpu12", 3),
        ("2::1", 2),
    ],
)
def test_an_id_of_a_replica_names_the_gpu_and_says_that_it_is_shared(
    device_id: str, index: int
) -> None:
    """NVIDIA's plugin appends a number, GKE's a path."""
    found = find(device_id, GPUS)

    assert found is not None
    assert (found.device.gpu.uuid, found.is_replica) == (gpu_uuid(index), True)
    assert found.device.share == 1


@pytest.mark.parametrize(
    ("device_id", "uuid", "is_replica"),
    [
        (mig_uuid(4, 9), mig_uuid(4, 9), False),
        (f"MIG-{gpu_uuid(4)}/9/0", mig_uuid(4, 9), False),
        ("nvidia4/gi9", mig_uuid(4, 9), False),
        ("4:2", mig_uuid(4, 9), False),
        ("4-9", mig_uuid(4, 9), False),
        ("5-1", mig_uuid(5, 1), False),
        (f"{mig_uuid(4, 9)}::1", mig_uuid(4, 9), True),
        ("nvidia4/gi9/vgpu3", mig_uuid(4, 9), True),
    ],
)
def test_an_id_of_a_mig_device_names_it_within_its_gpu(
    device_id: str, uuid: str, *, is_replica: bool
) -> None:
    """By its own UUID, by its parent's, by device node, by index or by instance."""
    found = find(device_id, GPUS)

    assert found is not None
    assert found.device.parts == frozenset({uuid})
    assert found.is_replica is is_replica


@pytest.mark.parametrize(
    ("name", "uuid", "parts"),
    [
        ("gpu-0", gpu_uuid(3), set()),
        ("gpu-4-mig-1g10gb-19-2", gpu_uuid(4), {mig_uuid(4, 9)}),
        ("gpu-4-mig-1g10gb-me-20-2", gpu_uuid(4), {mig_uuid(4, 9)}),
        ("gpu-5-mig-9-4-4", gpu_uuid(5), {mig_uuid(5, 2)}),
    ],
)
def test_a_dra_device_is_known_by_its_name_alone(
    name: str, uuid: str, parts: set[str]
) -> None:
    """The driver names device nodes, and MIG devices by where they are placed."""
    found = find_dynamic(name, GPUS)

    assert found is not None
    assert found.device.gpu.uuid == uuid
    assert found.device.parts == frozenset(parts)


def test_a_dra_device_is_an_index_where_device_nodes_have_no_such_number() -> None:
    """Drivers before 25.8 counted as NVML does."""
    found = find_dynamic("gpu-1", (Gpu(gpu_uuid(1), 1, minor=None),))

    assert found is not None
    assert found.device.gpu.index == 1


def test_an_instance_with_two_compute_instances_is_both_of_them() -> None:
    """``gi1`` is the whole GPU instance, and its share is the sum of its parts."""
    halves = tuple(MigDevice(mig_uuid(0, ci), 1, ci, compute_slices=2) for ci in (0, 1))
    gpus = (Gpu(gpu_uuid(0), 0, minor=0, mig=halves),)

    found = find("nvidia0/gi1", gpus)

    assert found is not None
    assert found.device.share == Fraction(4, 7)
    assert len(found.device.parts) == 2


@pytest.mark.parametrize(
    "device_id",
    [
        "",
        "gpu",
        "GPU-",
        gpu_uuid(9),
        f"{gpu_uuid(9)}::0",
        mig_uuid(4, 99),
        "nvidia9",
        "nvidia-1",
        "nvidia4/gi99",
        "nvidia0/gi9",
        "9",
        "-1",
        "4:99",
        "4-99",
        "0-0-0",
        "nvidia0/",
        "/dev/nvidia0",
        "٣",  # a digit, and no number of ours
        "1" * 5_000,
        f"{gpu_uuid(0)}::",
        f"{gpu_uuid(0)}\n",
    ],
)
def test_an_id_that_names_nothing_here_is_not_taken_for_a_neighbour(
    device_id: str,
) -> None:
    """An unknown form, and a known form of a device that is not there."""
    assert find(device_id, GPUS) is None


@pytest.mark.parametrize(
    "name", ["", "gpu", "channel-0", "gpu-9", "gpu-0-mig", "gpu-x"]
)
def test_a_dra_name_that_names_nothing_here_is_nothing(name: str) -> None:
    """Among them what other drivers of NVIDIA hand out."""
    assert find_dynamic(name, GPUS) is None


def test_two_gpus_of_one_number_are_neither() -> None:
    """An inventory read while it changes is no reason to charge the wrong pod."""
    twins = (Gpu("GPU-a", 0, minor=0), Gpu("GPU-b", 0, minor=0))

    assert find("0", twins) is None
    assert find("nvidia0", twins) is None


@given(st.text(max_size=80) | st.from_regex(r"(nvidia|GPU-|MIG-)?[0-9:/gi-]{0,30}"))
def test_no_id_at_all_is_an_error(device_id: str) -> None:
    """The kubelet hands on what a plugin wrote, whatever it is."""
    for found in (find(device_id, GPUS), find_dynamic(device_id, GPUS)):
        assert found is None or found.device.gpu in GPUS


def test_a_node_without_gpus_has_none_to_name() -> None:
    """A driver that is being replaced lists nothing for a while."""
    assert find("0", ()) is None
    assert find("nvidia0", node(0)) is None
