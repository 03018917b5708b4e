"""Only changes of links are evidence, and only of links that are hardware."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.observations import GpuHealth, GpuSample, Throttled
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.links import Links
from goodput_exporter.sources.throttling import Throttling


def port(
    root: Path, *, state: str = "4: ACTIVE", downs: int = 0, rate: str = ""
) -> None:
    """Write an InfiniBand port as sysfs shows it."""
    folder = root / "infiniband" / "mlx5_0" / "ports" / "1"
    (folder / "counters").mkdir(parents=True, exist_ok=True)
    (folder / "state").write_text(f"{state}\n")
    (folder / "rate").write_text(f"{rate or '400 Gb/sec (4X NDR)'}\n")
    (folder / "counters" / "link_downed").write_text(f"{downs}\n")


def card(root: Path, name: str, *, carrier: str, downs: int, real: bool = True) -> None:
    """Write a network card, or a bridge where it is not *real*."""
    folder = root / "net" / name
    folder.mkdir(parents=True, exist_ok=True)
    if real:
        (folder / "device").mkdir(exist_ok=True)
    (folder / "carrier").write_text(f"{carrier}\n")
    (folder / "carrier_down_count").write_text(f"{downs}\n")


def told(seen: list[Evidence]) -> list[tuple[str, str]]:
    """Return reasons and details."""
    assert all(one.kind is Kind.LINK and one.at_ns == 9 for one in seen)
    return [(one.reason, one.detail) for one in seen]


def with_nvlinks(active: int | None) -> GpuSample:
    """Return a GPU of which so many NVLinks are up."""
    health = GpuHealth(1, nvlinks=18, nvlinks_active=active)
    return GpuSample(0, "GPU-a", "NVIDIA H100 80GB HBM3", 1, health=health)


def test_a_port_that_goes_down_and_comes_back_is_told_at_both_ends(
    tmp_path: Path,
) -> None:
    """What it is from the start is no news."""
    links = Links("n", tmp_path)
    port(tmp_path, downs=3)
    assert links.drain(9) == []
    assert links.drain(9) == []

    port(tmp_path, state="1: DOWN", downs=4)
    assert told(links.drain(9)) == [("ib-down", "mlx5_0:1 went down")]
    port(tmp_path, downs=4)
    assert told(links.drain(9)) == [("ib-up", "mlx5_0:1 came back")]


def test_a_flap_between_two_looks_is_seen_by_the_count(tmp_path: Path) -> None:
    """It is up at both looks, and its own counter has grown."""
    links = Links("n", tmp_path)
    port(tmp_path, downs=3)
    links.drain(9)
    port(tmp_path, downs=5)

    (one,) = told(links.drain(9))
    assert one == ("ib-flapped", "mlx5_0:1 went down and came back (2 times)")


def test_a_counter_that_was_cleared_is_no_flap(tmp_path: Path) -> None:
    """Perfquery clears it; less than before says nothing."""
    links = Links("n", tmp_path)
    port(tmp_path, downs=3)
    links.drain(9)
    port(tmp_path, downs=0)

    assert links.drain(9) == []


def test_a_port_that_trains_at_a_lower_rate_is_told(tmp_path: Path) -> None:
    """A quarter of its lanes is still up."""
    links = Links("n", tmp_path)
    port(tmp_path)
    links.drain(9)
    port(tmp_path, rate="100 Gb/sec (1X NDR)")

    assert [one.reason for one in links.drain(9)] == ["ib-rate"]


def test_network_cards_are_told_and_bridges_are_not(tmp_path: Path) -> None:
    """The ends of pods' networks come and go with the pods."""
    links, found = Links("n", tmp_path), list[Evidence]()
    for downs, carrier in ((1, "1"), (2, "0")):
        card(tmp_path, "ens1", carrier=carrier, downs=downs)
        card(tmp_path, "cni0", carrier=carrier, downs=downs, real=False)
        found = links.drain(9)

    assert told(found) == [("nic-down", "ens1 went down")]


def test_a_device_that_is_removed_is_no_link_that_went_down(tmp_path: Path) -> None:
    """Its driver was reloaded, or a virtual function was given away."""
    links = Links("n", tmp_path)
    port(tmp_path)
    links.drain(9)

    assert Links("n", tmp_path / "elsewhere").drain(9) == []
    links.root = tmp_path / "elsewhere"
    assert links.drain(9) == []


def test_garbage_in_sysfs_is_not_told(tmp_path: Path) -> None:
    """A counter that is none is not measured."""
    links = Links("n", tmp_path)
    port(tmp_path)
    links.drain(9)
    folder = tmp_path / "infiniband" / "mlx5_0" / "ports" / "1"
    (folder / "counters" / "link_downed").write_bytes(b"\xff\xfe 12")

    assert links.drain(9) == []


def test_nvlinks_that_go_down_are_their_gpus_trouble(tmp_path: Path) -> None:
    """NVML counts them; None is not measured, and no change."""
    links = Links("n", tmp_path)
    for active in (18, None, 18):
        assert links.drain(9, [with_nvlinks(active)]) == []

    (down,) = links.drain(9, [with_nvlinks(16)])
    (back,) = links.drain(9, [with_nvlinks(18)])

    assert (down.reason, down.subject) == ("nvlink-down", "gpu/n/GPU-a")
    assert down.detail == "16 of 18 NVLinks active, 18 before"
    assert back.reason == "nvlink-up"


def held(at_s: float, **reasons: float) -> GpuSample:
    """Return a GPU whose clocks were held down for so many seconds so far."""
    throttled = tuple(
        Throttled(reason, int(s * NS_PER_SECOND), is_sampled=False)
        for reason, s in reasons.items()
    )
    at_ns = int(at_s * NS_PER_SECOND)
    return GpuSample(0, "GPU-a", "NVIDIA H100", at_ns, throttled=throttled)


def test_heat_that_lasts_is_told_once_and_its_end_too() -> None:
    """Dated when it began to last, not when that was known."""
    throttling = Throttling("n")
    found: list[Evidence] = []
    for second in range(0, 600, 10):
        hot_s = min(second, 300) * 0.9
        found += throttling.drain([held(second, hw_thermal=hot_s)])

    assert [one.reason for one in found] == ["hw_thermal", "hw_thermal/over"]
    assert found[0].at_ns == 0
    assert found[0].kind is Kind.THROTTLED


@pytest.mark.parametrize("reason", ["sw_power_cap", "gpu_idle", "applications_clocks"])
def test_settings_and_the_rated_power_are_no_trouble(reason: str) -> None:
    """A GPU under load is at its power limit as a matter of course."""
    throttling = Throttling("n")
    found = [
        throttling.drain([held(second, **{reason: second})])
        for second in range(0, 300, 10)
    ]

    assert not any(found)


def test_short_dips_and_a_driver_that_began_anew_are_not_told() -> None:
    """A tenth of the time is how limits are kept; a counter may start at 0 again."""
    throttling = Throttling("n")
    found = [
        throttling.drain([held(second, hw_slowdown=(second % 300) * 0.1)])
        for second in range(0, 900, 10)
    ]

    assert not any(found)
