"""What the environment of a launcher makes of a process."""

from __future__ import annotations

import logging

import pytest

from goodput_sdk._addresses import parse_addresses
from goodput_sdk._environment import (
    find_interval_s,
    find_peak_tflops,
    find_place,
    find_role,
    find_run_id,
)


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({}, (-1, -1, -1, -1)),
        (
            {
                "RANK": "5",
                "WORLD_SIZE": "16",
                "LOCAL_RANK": "1",
                "LOCAL_WORLD_SIZE": "4",
            },
            (5, 16, 1, 4),
        ),
        ({"SLURM_PROCID": "7", "SLURM_NTASKS": "8", "WORLD_SIZE": "3"}, (7, 8, -1, -1)),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}, (2, 4, -1, -1)),
        ({"JOB_COMPLETION_INDEX": "3"}, (3, -1, -1, -1)),
        ({"RANK": "0", "SLURM_PROCID": "9"}, (0, -1, -1, -1)),
        ({"RANK": "zero", "WORLD_SIZE": "-7"}, (-1, -1, -1, -1)),
    ],
)
def test_the_first_launcher_with_a_rank_decides(
    environ: dict[str, str], place: tuple[int, ...]
) -> None:
    """Rank and sizes of two launchers do not fit together."""
    found = find_place(environ)

    assert (
        found.rank, found.world_size, found.local_rank, found.local_world_size,
    ) == place  # fmt: skip


def test_a_run_id_comes_from_the_nearest_place_that_has_one() -> None:
    """The program before the operator, the operator before the launcher."""
    environ = {"SLURM_JOB_ID": "77"}
    assert find_run_id(None, environ) == "77"
    environ["NEMO_LENS_RUN_ID"] = "nemo"
    assert find_run_id(None, environ) == "nemo"
    environ["GOODPUT_RUN_ID"] = "llama-3/8b"
    assert find_run_id(None, environ) == "llama-3/8b"
    assert find_run_id("mine", environ) == "mine"
    assert find_run_id(None, {"GOODPUT_RUN_ID": ""}) is None


@pytest.mark.parametrize("run_id", ["my run", "r" * 129, "läuft", "a\nb"])
def test_a_run_id_that_is_none_is_refused_and_not_replaced(
    run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two spellings of one run would be two runs."""
    with caplog.at_level(logging.WARNING, "goodput_sdk"):
        found = find_run_id(run_id, {"SLURM_JOB_ID": "77"})

    assert found is None
    assert "is left out" in caplog.text


@pytest.mark.parametrize("text", ["often", "0", "-1", "nan", "inf", "1e999"])
def test_an_interval_that_is_none_is_told_and_not_used(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Heartbeats go on every 2 s."""
    with caplog.at_level(logging.WARNING, "goodput_sdk"):
        assert find_interval_s({"GOODPUT_INTERVAL_S": text}) == 2.0

    assert text in caplog.text


def test_numbers_are_read_from_the_environment() -> None:
    """Seconds and TFLOP/s are plain decimals; absent is not zero."""
    assert find_interval_s({"GOODPUT_INTERVAL_S": "0.5"}) == 0.5
    assert find_peak_tflops({"GOODPUT_PEAK_TFLOPS": "989.4"}) == 989.4
    assert find_peak_tflops({"GOODPUT_PEAK_TFLOPS": "a lot"}) is None
    assert find_peak_tflops({}) is None


def test_a_rank_is_a_trainer_unless_it_says_otherwise() -> None:
    """This test is no torchrun."""
    assert find_role(None, {}) == "trainer"
    assert find_role("rollout", {}) == "rollout"


def test_addresses_are_tried_in_the_order_they_are_written() -> None:
    """A socket on the node first, the network as a fallback."""
    unix, name, six = parse_addresses(
        "unix:///run/goodput/agent.sock, udp://agent.svc:9099,udp://[::1]:9099"
    )

    assert unix.path == "/run/goodput/agent.sock"
    assert (name.host, name.port) == ("agent.svc", 9099)
    assert (six.host, six.port) == ("::1", 9099)


@pytest.mark.parametrize(
    "text",
    [
        "agent:9099", "http://agent:9099", "unix://run/x.sock", "unix:///" + "x" * 120,
        "udp://agent", "udp://:9099", "udp://agent:0", "udp://agent:70000",
        "udp://agent:x", "udp://$(HOST_IP):9099", "udp://agent:9099,ftp://x",
    ],
)  # fmt: skip
def test_an_address_that_cannot_work_is_named(text: str) -> None:
    """The message holds the value, and what to write instead."""
    with pytest.raises(ValueError, match="GOODPUT_ADDR: '"):
        parse_addresses(text)
