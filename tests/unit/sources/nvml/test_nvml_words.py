"""What the NVML source says to people: outages, log lines, GPUs on the bus."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodput_exporter.domain.observations import GpuLost, GpuSample
from goodput_exporter.sources.nvml.notices import Notices
from goodput_exporter.sources.nvml.outage import outage_of
from goodput_exporter.sources.nvml.pci import nvidia_gpus
from goodput_exporter.sources.nvml.processes import are_pids
from goodput_exporter.sources.nvml.wire import Answered, Unavailable, decode, encode

SAMPLE = GpuSample(0, "GPU-a", "H100", 1, unsupported=frozenset({"power_watts"}))
LOST = GpuLost(0, 1, "GPU-a", 15, "lost", "GPU is lost")


@pytest.mark.parametrize("code", [9, 12])
@pytest.mark.parametrize("on_bus", [0, None])
def test_no_driver_and_no_gpu_is_no_fault(code: int, on_bus: int | None) -> None:
    """A laptop without a GPU is not unhealthy; it has 0 GPUs."""
    outage = outage_of(Unavailable(code, "not there"), on_bus)

    assert outage.up is None
    assert f"NVML code {code}" in outage.detail
    assert "0 GPUs" in outage.detail


def test_no_driver_with_gpus_on_the_bus_asks_where_it_is() -> None:
    """Hardware without a driver in reach is the commonest mistake in containers."""
    outage = outage_of(Unavailable(12, "not there"), 8)

    assert outage.up is None
    assert "8 NVIDIA GPUs are on the PCI bus" in outage.detail


@pytest.mark.parametrize(
    ("code", "hint"),
    [(18, "upgraded"), (999, "cgroup"), (4, "/dev/nvidia"), (20, "nvidia-smi")],
)
def test_a_driver_that_refuses_is_a_fault_with_a_hint(code: int, hint: str) -> None:
    """Each refusal says what to check."""
    outage = outage_of(Unavailable(code, "refused"), 8)

    assert outage.up is False
    assert hint in outage.detail


def test_gpus_are_counted_on_the_bus_without_a_driver(tmp_path: Path) -> None:
    """Display controllers of NVIDIA count; its audio devices and others do not."""
    for slot, vendor, kind in (
        ("0", "0x10de", "0x030200"),
        ("1", "0x10de", "0x030000"),
        ("2", "0x10de", "0x040300"),
        ("3", "0x8086", "0x030000"),
    ):
        device = tmp_path / slot
        device.mkdir()
        (device / "vendor").write_text(f"{vendor}\n")
        (device / "class").write_text(f"{kind}\n")
    (tmp_path / "unplugged").mkdir()

    assert nvidia_gpus(tmp_path) == 2
    assert nvidia_gpus(tmp_path / "absent") is None


def test_a_lost_gpu_is_logged_once_and_its_return_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A tick every second says the same thing once."""
    caplog.set_level("INFO")
    notices = Notices()

    for seen in (LOST, LOST, SAMPLE, SAMPLE, LOST):
        notices.note([seen])

    lost, back, lacking, lost_again = caplog.messages
    assert lost == lost_again
    assert "GPU 0 (GPU-a) is lost: GPU is lost (NVML code 15)" in lost
    assert "answers again" in back
    assert "has no power_watts" in lacking


def test_a_gpu_that_is_gone_is_logged_once_though_another_has_its_index(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Replaced, or moved up: two GPUs at one index are two stories."""
    caplog.set_level("INFO")
    notices = Notices()
    gone = GpuLost(0, 1, "GPU-old", None, "replaced", "GPU-a is at its index now")

    for _ in range(3):
        notices.note([SAMPLE, gone])

    assert len([text for text in caplog.messages if "GPU-old" in text]) == 1
    assert not any("answers again" in text for text in caplog.messages)


def test_a_gpu_that_never_told_its_uuid_is_announced_when_it_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Lost under its index, back under its name."""
    caplog.set_level("INFO")
    notices = Notices()

    notices.note([GpuLost(0, 1, None, 15, "lost", "GPU is lost")])
    notices.note([SAMPLE])

    assert any("GPU 0 (GPU-a) answers again" in text for text in caplog.messages)


def test_more_processes_than_fit_on_a_line_are_refused() -> None:
    """A longer line would be torn by whoever else writes; half a list is no list."""
    full = tuple(range(4_000_000, 4_000_256))
    message = Answered(7, 1, "GPU-" + "a" * 90, "N" * 96, processes=full)

    assert are_pids((full,))
    assert len(encode(message)) < 4096
    assert not are_pids(((1, *full),))
    assert not are_pids(((2**22 + 1,),))


def test_a_message_survives_the_pipe_on_one_short_line() -> None:
    """A line under 4 KiB is written whole, whoever else writes."""
    message = Answered(7, 1, "GPU-" + "a" * 90, "N" * 96, 0.5, unsupported=("x",) * 10)

    line = encode(message)

    assert decode(line) == message
    assert line.count(b"\n") == 1
    assert len(line) < 4096
