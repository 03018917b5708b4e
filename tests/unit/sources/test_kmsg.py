"""The kernel writes record by record; none can stop or mislead the reader."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.evidence_lines import evidence_of_kernel_line
from goodput_exporter.sources.kmsg import MOST_BYTES, MOST_RECORDS, KernelLog
from tests.fakes.heartbeats import BOOT_NS, NOON_NS, StillClock

XID = "NVRM: Xid (PCI:0000:44:00): 79, pid=0, GPU has fallen off the bus."
UID = "968a06fb-9ab9-4819-8caf-0392ddff3d9b"
OOM_V2 = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),"
    "cpuset=cri-containerd-0f32894de86edf3d3832702af794874ef8d400b4969acdea4976b12040756e0d"
    ".scope,mems_allowed=0-1,oom_memcg=/kubepods.slice/kubepods-burstable.slice/"
    "kubepods-burstable-pod968a06fb_9ab9_4819_8caf_0392ddff3d9b.slice,task_memcg="
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-"
    "pod968a06fb_9ab9_4819_8caf_0392ddff3d9b.slice/cri-containerd-"
    "0f32894de86edf3d3832702af794874ef8d400b4969acdea4976b12040756e0d.scope,"
    "task=qemu-system-x86,pid=39079,uid=107"
)
"""As in a public report of a KubeVirt pod; Linux 5.0 and later."""
OOM_OLD = (
    "Task in /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-"
    "pod0330b2c1_a15b_4cdd_b5e5_72d4a90bee82.slice/docker-b27201334a41cd0749d053b18378d7"
    "ea65617b8e26277197ea25c974da1a5a8a.scope killed as a result of limit of /kubepods"
)
"""istio/istio issue 42734."""


def record(number: int, text: str, *, prefix: int = 6, at_s: float = 1.0) -> bytes:
    """Return a record as the kernel writes it."""
    return f"{prefix},{number},{int(at_s * 1e6)},-;{text}\n".encode()


class Device:
    """What reads of the device return, one after the other; then nothing is there."""

    def __init__(self, *answers: bytes | int) -> None:
        self.answers = list(answers)

    def __call__(self, _: int, most: int) -> bytes:
        """Return a record, or fail with the number of an error."""
        if not self.answers:
            raise BlockingIOError(errno.EAGAIN, "nothing new")
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            raise OSError(answer, os.strerror(answer))
        assert len(answer) <= most
        return answer


def log_of(path: Path, *answers: bytes | int, since_ns: int = 0) -> KernelLog:
    """Return a log whose device gives these answers."""
    path.touch()
    read: Callable[[int, int], bytes] = Device(*answers)
    return KernelLog(StillClock(), "n", since_ns, path=path, read=read)


def test_a_record_is_dated_by_the_boot_and_kept_on_the_ledgers_clock(
    tmp_path: Path,
) -> None:
    """Its microseconds count from the boot of the machine."""
    log = log_of(tmp_path / "kmsg", record(7, XID, at_s=12.5))
    (seen,) = log.drain()

    assert (seen.kind, seen.reason, seen.subject) == (
        Kind.XID,
        "79",
        "gpu/n/0000:44:00",
    )
    assert seen.at_ns == BOOT_NS + int(12.5 * NS_PER_SECOND)
    assert log.drain() == []
    log.close()


def test_a_record_from_the_future_is_dated_now(tmp_path: Path) -> None:
    """The kernel's counter drifts against the wall clock."""
    log = log_of(tmp_path / "kmsg", record(7, XID, at_s=1e9))
    (seen,) = log.drain()

    assert seen.at_ns == NOON_NS
    log.close()


def test_lost_records_are_counted_by_the_gaps_in_their_numbers(tmp_path: Path) -> None:
    """The ring goes on over a reader that is too slow."""
    answers = (record(5, "a"), errno.EPIPE, record(105, XID), record(106, "b"))
    log = log_of(tmp_path / "kmsg", *answers)

    assert len(log.drain()) == 1
    assert log.counts.lost == 99
    assert log.counts.records == 3
    log.close()


def test_what_a_program_writes_into_the_log_is_no_evidence(tmp_path: Path) -> None:
    """Root of any privileged container may write there; the facility tells."""
    log = log_of(tmp_path / "kmsg", record(1, XID, prefix=14))

    assert log.drain() == []
    assert log.counts.foreign == 1
    log.close()


def test_what_an_earlier_life_has_told_is_not_told_again(tmp_path: Path) -> None:
    """The whole ring is read at each start."""
    since_ns = BOOT_NS + 10 * NS_PER_SECOND
    answers = (record(1, XID, at_s=9), record(2, XID, at_s=11))
    log = log_of(tmp_path / "kmsg", *answers, since_ns=since_ns)

    assert len(log.drain()) == 1
    assert log.counts.old == 1
    log.close()


def test_lines_about_a_records_device_are_no_records(tmp_path: Path) -> None:
    """They begin with a blank and belong to the record before."""
    whole = record(1, XID) + b" SUBSYSTEM=pci\n DEVICE=+pci:0000:44:00.0\n"
    log = log_of(tmp_path / "kmsg", whole)

    assert len(log.drain()) == 1
    assert log.counts.malformed == 0
    log.close()


@pytest.mark.parametrize(
    ("number", "why"), [(errno.EPERM, "CAP_SYSLOG"), (errno.EIO, "cannot be read")]
)
def test_a_log_that_is_refused_is_off_and_says_why(
    tmp_path: Path, number: int, why: str
) -> None:
    """Training and the other sources go on."""
    log = log_of(tmp_path / "kmsg", number)

    assert log.drain() == []
    assert log.why_off is not None
    assert why in log.why_off


def test_a_log_that_is_not_there_is_off_until_it_is(tmp_path: Path) -> None:
    """The device may be mounted by the next roll-out."""
    path = tmp_path / "kmsg"
    log = KernelLog(StillClock(), "n", path=path)

    assert log.drain() == []
    assert "not in this container" in (log.why_off or "")
    path.write_bytes(record(1, XID))
    assert len(log.drain()) == 1
    assert log.why_off is None
    log.close()


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    """Reading never blocks the tick."""
    path = tmp_path / "kmsg"
    os.mkfifo(path)
    log = KernelLog(StillClock(), "n", path=path)

    assert log.drain() == []
    with path.open("wb", buffering=0) as writer:
        writer.write(record(1, XID)[:20])
        assert log.drain() == []
        writer.write(record(1, XID)[20:])
        assert len(log.drain()) == 1
    log.close()


def test_a_flood_is_taken_in_pieces(tmp_path: Path) -> None:
    """A kernel that repeats itself must not stop the node's sampling."""
    flood = [record(n, XID) for n in range(MOST_RECORDS + 10)]
    log = log_of(tmp_path / "kmsg", *flood)

    assert len(log.drain()) == MOST_RECORDS
    assert len(log.drain()) == 10
    log.close()


@given(st.lists(st.binary(max_size=300) | st.just(record(3, XID)), max_size=20))
def test_no_bytes_can_make_the_reader_fail(answers: list[bytes]) -> None:
    """Whatever is in the log, each line is a record, its rest, or counted."""
    device = Device(*(answer for answer in answers if answer))
    log = KernelLog(StillClock(), "n", path=Path(os.devnull), read=device)

    found = log.drain()

    assert all(isinstance(seen, Evidence) for seen in found)
    assert log.counts.records >= len(found)
    log.close()


def test_a_line_that_never_ends_is_given_up(tmp_path: Path) -> None:
    """Memory is bounded by one record."""
    log = log_of(tmp_path / "kmsg", *[b"x" * 4096] * 8, b"\n" + record(1, XID))

    assert len(log.drain()) == 1
    assert log.counts.malformed >= 1
    assert MOST_BYTES < 8 * 4096
    log.close()


@pytest.mark.parametrize(
    ("line", "kind", "reason", "subject"),
    [
        (OOM_V2, Kind.OOM_KILL, "pod", "pod/ml/llama-0"),
        (
            OOM_OLD,
            Kind.OOM_KILL,
            "pod",
            "pod/uid/0330b2c1-a15b-4cdd-b5e5-72d4a90bee82",
        ),
        (
            # LTP's commit on memcg_process
            (
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,"
                "mems_allowed=0,oom_memcg=/ltp_19257,task_memcg=/ltp_19257,"
                "task=memcg_process,pid=19289,uid=0"
            ),
            Kind.OOM_KILL,
            "outside-pods",
            "host/n",
        ),
        (
            # rwth-i6/returnn issue 1500
            (
                "pcieport 0000:00:03.0: PCIe Bus Error: severity=Uncorrected (Fatal), "
                "type=Transaction Layer, (Requester ID)"
            ),
            Kind.PCIE,
            "fatal/other",
            "gpu/n/0000:00:03.0",
        ),
        (
            (
                "nvidia 0000:03:00.0: AER: PCIe Bus Error: severity=Uncorrectable "
                "(Fatal), type=Transaction Layer, (Requester ID)"
            ),
            Kind.PCIE,
            "fatal/nvidia",
            "gpu/n/0000:03:00.0",
        ),
        (
            "NVRM: GPU 0000:01:00.0: RmInitAdapter failed! (0x24:0x72:1568)",
            Kind.GPU_LOST,
            "error",
            "gpu/n/0000:01:00.0",
        ),
        (
            # NVIDIA's Fabric Manager guide
            (
                "nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 20034, Fatal, Link 30 "
                "LTSSM Fault Up"
            ),
            Kind.LINK,
            "nvswitch-fatal",
            "node/n",
        ),
        (
            # coolsnowwolf/lede issue 11302
            "igc 0000:05:00.0 eth5: NIC Link is Down",
            Kind.LINK,
            "nic-down",
            "node/n",
        ),
        (
            # dentproject/dentOS issue 11
            "mlxsw_spectrum 0000:01:00.0 swp1: link down",
            Kind.LINK,
            "nic-down",
            "node/n",
        ),
    ],
)
def test_a_line_of_trouble_says_what_it_is_and_where(
    line: str, kind: Kind, reason: str, subject: str
) -> None:
    """As kernels and drivers wrote them in public reports."""
    (seen,) = evidence_of_kernel_line(line, 1, "n", {UID: "ml/llama-0"}.get)

    assert (seen.kind, seen.reason, seen.subject) == (kind, reason, subject)
    assert seen.source == "kernel"


@pytest.mark.parametrize(
    "line",
    [
        # corrected errors are the link's everyday life (balena-os issue 304)
        "pcieport 0000:00:1c.0: AER: PCIe Bus Error: severity=Corrected, type=Data",
        # minisforum-docs/MS-02-Ultra issue 10
        "pcieport 0000:80:1b.4: PCIe Bus Error: severity=Uncorrectable (Non-Fatal)",
        # names no cgroup: whose it was is told by the line before
        "Memory cgroup out of memory: Killed process 140339 (python3)",
        "cni0: port 2(veth98016daf) entered disabled state",
        "br-switch: port 6(eth5) entered disabled state",
        "NVRM: GPU at PCI:0000:02:00: GPU-660d987e-5b28-3bf6-2a2d-1d5ecae7f6df",
    ],
)
def test_everyday_lines_are_no_evidence(line: str) -> None:
    """They are true, and explain no end of a run."""
    assert evidence_of_kernel_line(line, 1, "n") == []


@given(st.text(max_size=400))
def test_no_line_can_make_the_parser_fail(line: str) -> None:
    """At most one thing is said of a line."""
    for text in (line, f"oom-kill:{line}task_memcg={line}", f"NVRM: {line}"):
        assert len(evidence_of_kernel_line(text, 1, "n")) <= 1
