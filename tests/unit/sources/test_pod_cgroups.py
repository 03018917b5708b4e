"""The kernel says which cgroup a process is in, and the path says which pod's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.sources.pod_cgroups import Membership, membership, membership_of

UID = "0f3a1c52-9d1e-4a77-8c11-5b1e2d3c4f60"
SLICE = UID.replace("-", "_")
STATIC = "d41d8cd98f00b204e9800998ecf8427e"
CONTAINER = "ab" * 32
V1 = """12:memory:{path}
11:cpu,cpuacct:{path}
2:rdma:/
1:name=systemd:{path}
0::/system.slice/containerd.service
"""


@pytest.mark.parametrize(
    "path",
    [
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICE}.slice/"
            f"cri-containerd-{CONTAINER}.scope"
        ),
        f"/kubepods.slice/kubepods-pod{SLICE}.slice/crio-{CONTAINER}.scope",
        (
            f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{SLICE}.slice/"
            f"docker-{CONTAINER}.scope/nested/deeper"
        ),
        f"/kubepods/burstable/pod{UID}/{CONTAINER}",
        f"/kubepods/pod{UID}/{CONTAINER}",
        f"/../../kubepods-burstable-pod{SLICE}.slice/cri-containerd-{CONTAINER}.scope",
        f"/../../../besteffort/pod{UID}/{CONTAINER}",
        (
            f"/kubelet.slice/kubelet-kubepods.slice/"
            f"kubelet-kubepods-burstable.slice/"
            f"kubelet-kubepods-burstable-pod{SLICE}.slice/cri-containerd-{CONTAINER}.scope"
        ),
        f"/kubelet/kubepods/pod{UID}/{CONTAINER}",
    ],
)
@pytest.mark.parametrize("hierarchy", ["0::{path}\n", V1], ids=["v2", "v1"])
def test_a_process_is_known_by_its_cgroup(path: str, hierarchy: str) -> None:
    """Cgroup v1 and v2, systemd and cgroupfs, three runtimes, each service class."""
    text = hierarchy.format(path=path)

    assert membership(text) == Membership(UID, CONTAINER)


def test_a_static_pod_has_a_uid_too() -> None:
    """The sum of its manifest."""
    assert membership(f"0::/kubepods/pod{STATIC}") == Membership(STATIC, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0::/",
        "0::/system.slice/sshd.service",
        f"0::/user.slice/user-1000.slice/pod{UID}",
        f"0::/user.slice/user-1000.slice/kubepods.slice/kubepods-pod{SLICE}.slice",
        f"0::/system.slice/docker-{CONTAINER}.scope/kubepods/pod{UID}/{CONTAINER}",
        "0::/kubepods/podnonsense",
        f"1:cpu:/kubepods/pod{UID}\n2:memory:/kubepods/pod{STATIC}\n",
        f"kubepods/pod{UID}",
    ],
)
def test_a_process_of_no_pod_or_of_two_has_none(text: str) -> None:
    """A cgroup that a user made below a session is no pod, whatever it is called."""
    assert membership(text) is None


def test_a_container_that_names_a_cgroup_after_a_neighbour_stays_itself() -> None:
    """It may make cgroups within its own; the outermost pod counts."""
    other = "ffffffff-ffff-4fff-8fff-ffffffffffff"
    path = f"/kubepods/pod{UID}/{CONTAINER}/kubepods/pod{other}/{'cd' * 32}"

    assert membership(f"0::{path}") == Membership(UID, CONTAINER)


@given(st.text())
def test_no_content_is_an_error(text: str) -> None:
    """Whatever a kernel writes one day."""
    assert membership(text) is None


def test_a_process_is_looked_up_in_proc(tmp_path: Path) -> None:
    """Its file may vanish between two looks; a pid of 0 is nobody."""
    (tmp_path / "4711").mkdir()
    (tmp_path / "4711" / "cgroup").write_text(f"0::/kubepods/pod{UID}/{CONTAINER}\n")

    assert membership_of(4711, tmp_path) == Membership(UID, CONTAINER)
    assert membership_of(4712, tmp_path) is None
    assert membership_of(0, tmp_path) is None


def test_this_process_can_be_looked_up() -> None:
    """Its real file is read; whether that names a pod is the machine's affair."""
    text = Path(f"/proc/{os.getpid()}/cgroup").read_text(encoding="utf-8")

    assert membership_of(os.getpid()) == membership(text)
