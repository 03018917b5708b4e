"""Where NVML is found in a pod that requests no GPU, and which place wins."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from goodput_exporter.sources.nvml.search import (
    LOADER,
    NAME,
    Library,
    Nodes,
    device_nodes,
    libraries,
    link_nodes,
    resolve,
)
from tests.fakes.nvml.driver import FakeDriver
from tests.fakes.nvml.story import all_fresh, source_on, until

OPERATOR = "run/nvidia/driver/usr/lib/x86_64-linux-gnu"
GKE = "home/kubernetes/bin/nvidia/lib64"
BOTTLEROCKET = "x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/nvidia/tesla"


def put(folder: Path, name: str = NAME) -> Path:
    """Put a file where a driver's installer would."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.touch()
    return path


@pytest.mark.parametrize(
    ("folder", "place"),
    [
        (OPERATOR, "gpu-operator"),
        ("run/nvidia/driver/usr/lib64", "gpu-operator"),
        (GKE, "gke"),
        (BOTTLEROCKET, "bottlerocket"),
        ("usr/lib/x86_64-linux-gnu", "host"),
        ("usr/lib/aarch64-linux-gnu", "host"),
        ("usr/lib64", "host"),
    ],
)
def test_each_kind_of_node_has_its_place(
    tmp_path: Path, folder: str, place: str
) -> None:
    """Below the container's root or below the host's, whichever has it."""
    path = put(tmp_path / "host" / folder)

    found = libraries([tmp_path, tmp_path / "host"])

    assert found == [LOADER, Library(place, str(path))]


def test_the_loaders_own_search_comes_first_and_a_driver_container_next(
    tmp_path: Path,
) -> None:
    """What a runtime injected wins; an operator's driver is newer than the host's."""
    put(tmp_path / "usr/lib64")
    put(tmp_path / OPERATOR)

    assert [one.place for one in libraries([tmp_path])] == [
        "loader",
        "gpu-operator",
        "host",
    ]


def test_an_absolute_link_in_a_drivers_root_means_that_root(tmp_path: Path) -> None:
    """Debian's alternatives link to /etc/alternatives, which is not ours."""
    root = tmp_path / "driver"
    real = put(root / "usr/lib/nvidia", "libnvidia-ml.so.570")
    (root / "etc/alternatives").mkdir(parents=True)
    (root / "etc/alternatives/ml").symlink_to("/usr/lib/nvidia/libnvidia-ml.so.570")
    (root / "usr/lib64").mkdir()
    (root / "usr/lib64" / NAME).symlink_to("/etc/alternatives/ml")

    assert resolve(root, f"usr/lib64/{NAME}") == real


def test_a_link_cannot_lead_out_of_the_root_or_round_in_circles(tmp_path: Path) -> None:
    """A root is somebody else's files; it decides about itself only."""
    root = tmp_path / "driver"
    root.mkdir()
    put(tmp_path, "secret")
    (root / "out").symlink_to("../../../../secret")
    (root / "round").symlink_to("round")
    (root / "dangling").symlink_to("nowhere")
    (root / "folder").mkdir()

    for name in ("out", "round", "dangling", "folder", "absent"):
        assert resolve(root, name) is None


def test_device_nodes_are_those_of_gpus(tmp_path: Path) -> None:
    """Not the tools' nodes beside them; folders without any are not named."""
    dev = tmp_path / "dev"
    for name in ("nvidia0", "nvidia10", "nvidiactl", "nvidia-uvm", "null"):
        put(dev, name)
    put(tmp_path / "host/run/nvidia/driver/dev", "nvidiactl")

    assert device_nodes([tmp_path, tmp_path / "host"]) == (
        Nodes(str(dev), ("nvidia0", "nvidia10", "nvidiactl")),
        Nodes(str(tmp_path / "host/run/nvidia/driver/dev"), ("nvidiactl",)),
    )


def test_nodes_of_a_drivers_root_are_linked_to_where_nvml_looks(tmp_path: Path) -> None:
    """Once; a node that is there stays, a link whose node has gone is renewed."""
    dev, there = tmp_path / "dev", tmp_path / "driver/dev"
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        put(there, name)
    put(dev, "nvidia0")
    (dev / "nvidia1").symlink_to(tmp_path / "gone")
    nodes = [Nodes(str(there), ("nvidia0", "nvidia1", "nvidiactl"))]

    assert link_nodes(nodes, dev) == ("nvidia1", "nvidiactl")
    assert (dev / "nvidiactl").readlink() == there / "nvidiactl"
    assert not (dev / "nvidia0").is_symlink()
    assert link_nodes(nodes, dev) == ()
    assert link_nodes([], tmp_path / "nowhere") == ()


@pytest.mark.real
def test_the_library_that_was_found_is_the_one_that_answers(driver: FakeDriver) -> None:
    """Loaded by its path, though the loader's own search knows of none."""
    place = Library("gke", str(driver.built))
    environment = driver.environment() | {"LD_LIBRARY_PATH": ""}
    host = replace(
        driver.host(), environment=environment, libraries=lambda: [LOADER, place]
    )
    with closing(source_on(driver, host=host)) as source:
        until(lambda: all_fresh(source), source)

        assert source.capabilities().library == place
        assert source.capabilities().searched == (LOADER, place)
        assert source.children_started == 2


@pytest.mark.real
def test_a_file_that_is_no_library_is_passed_over(
    driver: FakeDriver, tmp_path: Path
) -> None:
    """Another architecture's, or half a file: the next place is tried at once."""
    broken = Library("host", str(put(tmp_path / "broken")))
    good = Library("gpu-operator", str(driver.built))
    environment = driver.environment() | {"LD_LIBRARY_PATH": ""}
    host = replace(
        driver.host(), environment=environment, libraries=lambda: [broken, good]
    )
    with closing(source_on(driver, host=host)) as source:
        until(lambda: all_fresh(source), source)

        assert source.capabilities().library == good
