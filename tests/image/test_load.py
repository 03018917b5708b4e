"""Agent and aggregator of the image at work together, in the chart's bounds."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.station import Page, until
from tests.image.cluster_load import NODES_PER_RUN, pushing
from tests.image.containers import Held, Image, bytes_of
from tests.image.site import GPUS, Site, site

SECONDS: Final = float(os.environ.get("GOODPUT_SOAK_SECONDS", "600"))
MIB: Final = 2**20
pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("nodes", "seconds"),
    [
        pytest.param(8, 15.0, marks=pytest.mark.timeout(960)),
        pytest.param(
            100,
            SECONDS,
            marks=[pytest.mark.soak, pytest.mark.timeout(SECONDS + 960)],
        ),
    ],
)
def test_under_load_nothing_is_refused_and_no_bound_is_reached(
    image: Image, tmp_path: Path, nodes: int, seconds: float
) -> None:
    """
    On read-only roots, as the chart's users without capabilities, in its memory.

    16 GPUs are read, and 64 ranks in four pods report every two seconds, on the
    agent's node; agents of other nodes push every five; both pages are scraped once
    a second. GOODPUT_SOAK_SECONDS makes the soak shorter or longer.
    """
    with site(image, tmp_path, nodes) as both:
        until(lambda: is_heard(both), "a batch of the agent is taken", within_s=60)
        with pushing(both.nodes, f"http://127.0.0.1:{both.aggregator.port}") as pushes:
            until(lambda: is_at_work(both, nodes), "all runs and GPUs", within_s=240)
            began = time.monotonic()
            before = [one.held() for one in both.containers]
            scrapes = scraped(both, seconds)
            after = [one.held() for one in both.containers]
            took = time.monotonic() - began
            agent, aggregator = both.pages()
        status = [one.status() for one in both.containers]
        exits = [one.stop() for one in both.containers]
    write(both, before, after, took)
    sys.stderr.write(
        f"{scrapes} scrapes of each; pushes by status: {pushes.by_status}; "
        f"datagrams: {agent.sum('goodput_datagrams_accepted_total'):.0f} taken, "
        f"{agent.sum('goodput_datagrams_lost_total'):.0f} lost\n"
    )

    assert set(pushes.by_status) == {200}
    assert set(refused(aggregator)) <= {"follower"}
    assert aggregator.sum("goodput_pushed_batches_total", fate="applied") > 0
    assert agent.sum("goodput_datagrams_accepted_total", transport="udp") > 0
    assert agent.sum("goodput_datagrams_rejected_total") == 0
    assert agent.sum("goodput_push_batches_total", fate="refused") == 0
    assert agent.sum("goodput_push_lost_observations_total") == 0
    for held, limit in zip(after, both.limits, strict=True):
        assert held.most_bytes < bytes_of(limit)
    assert [one["Uid"].split()[0] for one in status] == ["0", "65532"]
    assert {one["CapEff"] for one in status} == {"0" * 16}
    assert exits == [0, 0]


def is_heard(both: Site) -> bool:
    """Tell whether the aggregator leads, and has booked a batch of the agent."""
    agent, _ = both.pages()
    return agent.sum("goodput_push_batches_total", fate="applied") > 0


def refused(aggregator: Page) -> dict[str, float]:
    """Return how many pushes were refused, by reason; a follower refuses all."""
    counts = aggregator.by("goodput_pushes_refused_total", "reason")
    return {reason: count for reason, count in counts.items() if count}


def is_at_work(both: Site, nodes: int) -> bool:
    """Tell whether every GPU is read and every run of the other nodes is productive."""
    agent, aggregator = both.pages()
    steps = aggregator.by("goodput_run_state", "run", state="productive")
    runs = sum(steps.get(f"train-{one}") == 1 for one in range(nodes // NODES_PER_RUN))
    gpus = agent.by("goodput_gpu_up", "gpu_uuid")
    return runs == nodes // NODES_PER_RUN and len(gpus) == GPUS


def scraped(both: Site, seconds: float) -> int:
    """Scrape both pages once a second for a while; return how often."""
    pace, began, done = threading.Event(), time.monotonic(), 0
    while time.monotonic() < began + seconds:
        both.pages()
        done += 1
        pace.wait(max(0.0, began + done - time.monotonic()))
    return done


def write(both: Site, before: list[Held], after: list[Held], took: float) -> None:
    """Print what each took, and of what."""
    rows = zip(("agent", "aggregator"), both.limits, before, after, strict=True)
    for name, limit, then, now in rows:
        share = (now.cpu_seconds - then.cpu_seconds) / took
        sys.stderr.write(
            f"\n{name}: at most {now.most_bytes / MIB:.1f} MiB of {limit}, anonymous "
            f"{then.anonymous_bytes / MIB:.1f} and, {took:.0f} s later, "
            f"{now.anonymous_bytes / MIB:.1f} MiB; {share:.1%} of a core"
        )
    sys.stderr.write("\n")
