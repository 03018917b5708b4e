"""What a container uses is in its cgroup's files, in both versions of the hierarchy."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goodput_exporter.sources.cgroup_usage import CgroupUsage
from goodput_exporter.sources.inference.looks import Rates, Usage, rates

ID = "ab" * 32
UID = "0f3a1c52_9d1e_4a77_8c11_5b1e2d3c4f60"
SLICE = (
    f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID}.slice/"
    f"cri-containerd-{ID}.scope"
)
PLAIN = f"kubepods/burstable/pod{UID.replace('_', '-')}/{ID}"
NET = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes packets
    lo:  999999 1 0 0 0 0 0 0  999999 1 0 0 0 0 0 0
  eth0: 1000 10 0 0 0 0 0 0  2000 20 0 0 0 0 0 0
  net1:50 1 0 0 0 0 0 0 70 1 0 0 0 0 0 0
"""


def write(path: Path, text: str) -> None:
    """Write a file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def v2(root: Path, place: str = SLICE) -> None:
    """Write a unified hierarchy with one container."""
    write(root / "cgroup.controllers", "cpu io memory pids\n")
    write(root / place / "cpu.stat", "usage_usec 2500000\nuser_usec 1\n")
    write(
        root / place / "io.stat",
        "8:0 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=0 dios=0\n"
        "259:1 rbytes=11 wbytes=22 rios=1 wios=2 dbytes=0 dios=0\n",
    )
    write(root / place / "pids.current", "17\n")
    write(root / place / "cgroup.procs", "4711\n4712\n")


def test_the_unified_hierarchy_is_read(tmp_path: Path) -> None:
    """CPU in microseconds, I/O per device, network by a process of it."""
    v2(tmp_path)
    write(tmp_path / "proc" / "4711" / "net" / "dev", NET)
    usage = CgroupUsage(tmp_path, tmp_path / "proc")

    found = usage.read(f"containerd://{ID}", 5)

    assert found == Usage(5, 2_500_000_000, 111, 222, 1050, 2070, 17)
    assert usage.failures == 0


def test_the_older_hierarchies_are_read(tmp_path: Path) -> None:
    """Each controller has a tree of its own, and CPU is in nanoseconds."""
    write(tmp_path / "cpu,cpuacct" / PLAIN / "cpuacct.usage", "2500000000\n")
    write(tmp_path / "cpu,cpuacct" / PLAIN / "cgroup.procs", "0\n")
    write(
        tmp_path / "blkio" / PLAIN / "blkio.throttle.io_service_bytes",
        "8:0 Read 100\n8:0 Write 200\n8:0 Sync 3\n8:0 Total 300\nTotal 300\n",
    )
    write(tmp_path / "pids" / PLAIN / "pids.current", "3\n")

    found = CgroupUsage(tmp_path, tmp_path / "proc").read(ID, 5)

    assert found == Usage(5, 2_500_000_000, 100, 200, None, None, 3)


def test_what_is_not_there_is_not_zero(tmp_path: Path) -> None:
    """A controller that is off has no file; a foreign pid has no counters."""
    v2(tmp_path)
    (tmp_path / SLICE / "io.stat").unlink()
    found = CgroupUsage(tmp_path, tmp_path / "proc").read(ID, 5)

    assert found == Usage(5, 2_500_000_000, None, None, None, None, 17)


def test_a_container_without_a_cgroup_has_no_usage(tmp_path: Path) -> None:
    """It is gone, or the host's hierarchy is not mounted here."""
    usage = CgroupUsage(tmp_path, tmp_path / "proc")
    assert usage.read(ID, 5) is None
    assert usage.read("no id at all", 5) is None

    v2(tmp_path)
    assert usage.read(ID, 5) is not None
    assert usage.read("cd" * 32, 5) is None


def test_a_monitor_beside_the_container_is_not_the_container(tmp_path: Path) -> None:
    """CRI-O keeps one in a cgroup that has the same id in its name."""
    pod = SLICE.rpartition("/")[0]
    v2(tmp_path, f"{pod}/crio-conmon-{ID}.scope")
    usage = CgroupUsage(tmp_path, tmp_path / "proc")
    assert usage.read(ID, 5) is None

    v2(tmp_path, f"{pod}/crio-{ID}.scope")
    assert usage.read(ID, 5) is not None


def test_rates_are_per_second_and_a_counter_that_went_back_says_nothing() -> None:
    """A container's first look has nothing to be held against."""
    before = Usage(0, 0, 100, None, 5, 500)
    now = Usage(2_000_000_000, 1_000_000_000, 300, 5, 25, 400)

    assert rates(before, now) == Rates(0.5, 100.0, None, 10.0, None)
    assert rates(None, now) == Rates()
    assert rates(now, now) == Rates()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200))
def test_no_content_of_a_file_can_make_the_reader_fail(
    tmp_path: Path, text: str
) -> None:
    """The kernel's formats grow; a container may have mounted over them."""
    v2(tmp_path)
    content = text.encode(errors="surrogatepass")
    for name in ("cpu.stat", "io.stat", "pids.current", "cgroup.procs"):
        (tmp_path / SLICE / name).write_bytes(content)

    found = CgroupUsage(tmp_path, tmp_path / "proc").read(ID, 5)

    assert found is not None
