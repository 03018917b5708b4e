"""An agent in a pod looks where the chart mounts its host's /sys."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from goodput_exporter.config import Settings
from goodput_exporter.config.places import gather, settings_from
from goodput_exporter.sources.cgroup_usage import CgroupUsage
from goodput_exporter.sources.inference.looks import Usage
from goodput_exporter.sources.links import Links

ID = "ab" * 32
UID = "0f3a1c52-9d1e-4a77-8c11-5b1e2d3c4f60"
SLICE_UID = UID.replace("-", "_")
PLACES = {
    "systemd": "kubepods.slice/kubepods-burstable.slice/"
    f"kubepods-burstable-pod{SLICE_UID}.slice/cri-containerd-{ID}.scope",
    "systemd, guaranteed": f"kubepods.slice/kubepods-pod{SLICE_UID}.slice/"
    f"crio-{ID}.scope",
    "cgroupfs": f"kubepods/burstable/pod{UID}/{ID}",
    "cgroupfs, guaranteed": f"kubepods/pod{UID}/{ID}",
    "kind": f"kubelet.slice/kubelet-kubepods.slice/"
    f"kubelet-kubepods-pod{SLICE_UID}.slice/cri-containerd-{ID}.scope",
}
"""Where the kubelet's two drivers put a container, by its pod's class."""
CARD = "devices/pci0000:00/0000:00:1f.0/net/eth0"
PORT = "devices/pci0000:00/0000:40:00.0/infiniband/mlx5_0"
GOLDEN = Path(__file__).parents[2] / "helm/golden/default.yaml"


def as_in_the_chart(root: Path) -> Settings:
    """Return what the chart's agent is given, with *root* in place of /host/sys."""
    objects = yaml.safe_load_all(GOLDEN.read_text(encoding="utf-8"))
    [agent] = [one for one in objects if one["kind"] == "DaemonSet"]
    [container] = agent["spec"]["template"]["spec"]["containers"]
    given = {
        row["name"]: row["value"].replace("/host/sys", str(root))
        for row in container["env"]
        if "/host/sys" in row.get("value", "")
    }
    assert len(given) == 2
    return settings_from(gather(environ=given, flags={}))


def write(path: Path, text: str) -> None:
    """Write a file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def sysfs(root: Path, *, downs: int) -> None:
    """Write a network card and an InfiniBand port, which classes only point to."""
    write(root / CARD / "carrier", "1\n")
    write(root / CARD / "carrier_down_count", f"{downs}\n")
    (root / CARD / "device").mkdir(exist_ok=True)
    write(root / PORT / "ports/1/state", "4: ACTIVE\n")
    write(root / PORT / "ports/1/rate", "400 Gb/sec (4X NDR)\n")
    write(root / PORT / "ports/1/counters/link_downed", f"{downs}\n")
    for name, target in (("net/eth0", CARD), ("infiniband/mlx5_0", PORT)):
        link = root / "class" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(Path("../..") / target)


def test_the_host_s_links_are_found(tmp_path: Path) -> None:
    """Relative links out of the classes end in the devices that lie beside them."""
    settings = as_in_the_chart(tmp_path)
    links = Links("node-1", settings.evidence.links_folder)
    sysfs(tmp_path, downs=0)
    links.drain(1)
    sysfs(tmp_path, downs=1)

    found = {(one.reason, one.detail.split()[0]) for one in links.drain(2)}

    assert found == {("nic-flapped", "eth0"), ("ib-flapped", "mlx5_0:1")}
    assert links.failures == 0


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_pod_s_cgroup_is_found_in_version_2(tmp_path: Path, place: str) -> None:
    """One hierarchy, whoever wrote it."""
    cgroups = tmp_path / "fs/cgroup"
    write(cgroups / "cgroup.controllers", "cpu io memory pids\n")
    write(cgroups / place / "cpu.stat", "usage_usec 2500000\n")
    write(cgroups / place / "io.stat", "8:0 rbytes=100 wbytes=200 rios=1 wios=2\n")
    settings = as_in_the_chart(tmp_path)

    found = usage_by(settings).read(f"containerd://{ID}", 5)

    assert found == Usage(5, 2_500_000_000, 100, 200, None, None, None)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_pod_s_cgroup_is_found_in_version_1(tmp_path: Path, place: str) -> None:
    """A hierarchy per controller."""
    cgroups = tmp_path / "fs/cgroup"
    write(cgroups / "cpu,cpuacct" / place / "cpuacct.usage", "2500000000\n")
    write(
        cgroups / "blkio" / place / "blkio.throttle.io_service_bytes",
        "8:0 Read 100\n8:0 Write 200\n8:0 Total 300\nTotal 300\n",
    )
    settings = as_in_the_chart(tmp_path)

    found = usage_by(settings).read(f"cri-o://{ID}", 5)

    assert found == Usage(5, 2_500_000_000, 100, 200, None, None, None)


def usage_by(settings: Settings) -> CgroupUsage:
    """Return what reads cgroups, as an agent makes it."""
    wanted = settings.inference
    return CgroupUsage(wanted.cgroup_folder, wanted.proc_folder)
