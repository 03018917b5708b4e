"""The image runs as the chart starts it: its users, its rights, its memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helm.chart import objects, pods
from tests.image.containers import Image, running

pytestmark = [pytest.mark.real, pytest.mark.timeout(960)]

NO_CAPABILITIES = "0000000000000000"


def test_an_agent_starts_is_scraped_and_stops(
    image: Image, port: int, tmp_path: Path
) -> None:
    """
    As root without any capability, on a read-only root, in 96 MiB.

    Nothing that it looks for is there: no driver, no kubelet, no aggregator.
    """
    agent, _ = pods(
        objects("default", f"agent.port={port}", f"agent.heartbeats.port={port}")
    )

    with running(image, agent, port, tmp_path) as container:
        assert container.get("/healthz").strip() == "ok"
        page = container.get("/metrics")
        status = container.status()
        held = container.held()
        exit_status = container.stop()

    assert "goodput_build_info" in page
    assert status["Uid"].split()[0] == "0"
    assert status["CapEff"] == NO_CAPABILITIES
    assert status["CapBnd"] == NO_CAPABILITIES
    assert status["NoNewPrivs"] == "1"
    assert held.most_bytes < 96 * 2**20
    assert exit_status == 0, container.log.read_text(encoding="utf-8")


def test_an_aggregator_starts_without_its_cluster_and_says_so(
    image: Image, port: int, tmp_path: Path
) -> None:
    """Its API server is away: it lives, answers, and is no leader."""
    _, aggregator = pods(
        objects(
            "default",
            f"aggregator.port={port}",
            r"aggregator.settings.kubernetes\.server=https://127.0.0.1:1",
        )
    )

    with running(image, aggregator, port, tmp_path) as container:
        assert "ok" in container.get("/healthz")
        page = container.get("/metrics")
        status = container.status()
        exit_status = container.stop()

    assert "goodput_leader 0" in page
    assert status["Uid"].split()[0] == "65532"
    assert status["CapEff"] == NO_CAPABILITIES
    assert exit_status == 0, container.log.read_text(encoding="utf-8")


def test_a_whole_machine_s_exporter_is_the_same_image(
    image: Image, port: int, tmp_path: Path
) -> None:
    """`standalone` keeps its ledger on the one folder that it may write."""
    _, pod = pods(objects("default", f"aggregator.port={port}"))
    pod["containers"][0]["args"] = ["standalone"]
    ours = f"GOODPUT_EXPORTER_HEARTBEATS_UDP_PORT=0 GOODPUT_EXPORTER_HTTP_PORT={port}"
    pod["containers"][0]["env"] = [
        dict(zip(("name", "value"), one.split("="), strict=True))
        for one in (
            *ours.split(),
            "GOODPUT_EXPORTER_LEDGER_PATH=/var/lib/goodput-exporter/ledger.sqlite",
            "GOODPUT_EXPORTER_HEARTBEATS_UNIX_PATH=/tmp/agent.sock",
        )
    ]

    with running(image, pod, port, tmp_path) as container:
        page = container.get("/metrics")
        html = container.get("/")
        exit_status = container.stop()

    assert "goodput_build_info" in page
    assert "<html" in html
    assert exit_status == 0, container.log.read_text(encoding="utf-8")
