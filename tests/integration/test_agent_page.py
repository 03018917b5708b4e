"""What a real agent shows of its GPUs while parts of the node fail, and anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.kubelet import kubelet
from tests.fakes.node_agent import AgentStation, node_agent
from tests.fakes.nvml.driver import FakeDriver, compile_library, install
from tests.fakes.station import Page, until
from tests.integration.test_agent import gpus_of

pytestmark = pytest.mark.real

ALL: Final = range(8)
OTHERS: Final = (0, 1, 2, 4, 5, 6, 7)
FAULTS: Final = {
    "hangs": ("gpu 3 fault nvmlDeviceGetPowerUsage hang",),
    "lost": ("gpu 3 fault * return 15",),
    "crashes": ("gpu 3 fault nvmlDeviceGetPowerUsage segfault",),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the fake driver once."""
    return compile_library(tmp_path_factory.mktemp("nvml"))


@contextmanager
def watching(
    folder: Path, library: Path, *, loaded: bool = True, **settings: str
) -> Iterator[tuple[AgentStation, FakeDriver]]:
    """Give an agent that reads a fake driver's GPUs, and that driver."""
    driver = install(folder, library, loaded=loaded)
    with node_agent(folder / "node", None, NVML_ENABLED="auto", **settings) as agent:
        agent.environment = gpus_of(driver)
        agent.start()
        yield agent, driver


def page_with(agent: AgentStation, *indices: int) -> Page | None:
    """Return the page if just these GPUs are up on it."""
    page = agent.page()
    up = page.by("goodput_gpu_up", "gpu_index")
    there = {int(index) for index, value in up.items() if value == 1}
    return page if there == set(indices) else None


def gpus_of_page(page: Page) -> set[tuple[str | None, ...]]:
    """Return every node, UUID, index and model by which the page calls a GPU."""
    called = ("gpu_node", "gpu_uuid", "gpu_index", "gpu_model")
    return {
        tuple(dict(labels).get(name) for name in called)
        for series in page.samples.values()
        for labels in series
        if "gpu_uuid" in dict(labels)
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_a_sick_gpu_is_down_by_itself_on_a_page_that_keeps_coming(
    tmp_path: Path, library: Path, fault: str
) -> None:
    """The seven others stay up, and it comes back when it answers again."""
    with watching(tmp_path, library) as (agent, driver):
        until(lambda: page_with(agent, *ALL), "eight GPUs")
        driver.play("count 8", *FAULTS[fault])
        page = until(lambda: page_with(agent, *OTHERS), "seven GPUs")
        driver.play("count 8")
        until(lambda: page_with(agent, *ALL), "eight GPUs again")

    assert page.by("goodput_gpu_error", "gpu_index") == {"3": 1.0}
    assert page.sum("goodput_node_gpus") == len(ALL)


def test_a_driver_that_is_loaded_later_is_found_without_a_restart(
    tmp_path: Path, library: Path
) -> None:
    """The agent is there first, ready and with no GPU."""
    with watching(tmp_path, library, loaded=False) as (agent, driver):
        before = agent.page()
        is_ready = agent.is_ready()
        driver.load()
        until(lambda: page_with(agent, *ALL), "eight GPUs")

    assert (before.sum("goodput_node_gpus"), is_ready) == (0, True)


def test_an_agent_without_a_kubelet_is_ready_and_says_what_it_does_not_know(
    tmp_path: Path, library: Path
) -> None:
    """Its GPUs are all there; whose they are is unknown until the kubelet is back."""
    root = tmp_path / "kubelet"
    asked = watching(
        tmp_path,
        library,
        KUBELET_ENABLED="auto",
        KUBELET_ROOT=str(root),
        KUBELET_INTERVAL_SECONDS="0.2",
    )
    with asked as (agent, _):
        until(lambda: page_with(agent, *ALL), "eight GPUs")
        until(
            lambda: agent.page().one("goodput_gpu_attribution_degraded") == 1,
            "a word that the kubelet is away",
        )
        is_ready, alone = agent.is_ready(), agent.page()
        with kubelet(root) as node:
            uuid = min(alone.by("goodput_gpu_up", "gpu_uuid"))
            node.gives("llama-0", uuid)
            held = until(
                lambda: agent.page().by("goodput_gpu_held_ratio", "holder_pod"),
                "the holder",
            )
            healed = agent.page().one("goodput_gpu_attribution_degraded")

    assert is_ready
    assert not alone.samples["goodput_gpu_held_ratio"]
    assert not alone.samples["goodput_gpu_unallocated_ratio"]
    assert alone.one("goodput_gpu_attribution_total", result="no_socket")
    assert (held, healed) == ({"llama-0": 1.0}, 0)


def test_an_agent_that_is_made_anew_shows_the_series_that_it_had(
    tmp_path: Path, library: Path
) -> None:
    """A new pod, with a new name and a new port: no GPU gets a second series."""
    with watching(tmp_path, library) as (agent, _):
        until(lambda: page_with(agent, *ALL), "eight GPUs")
        before = agent.page()
        agent.kill()
        agent.start()
        after = until(lambda: page_with(agent, *ALL), "eight GPUs again")

    assert len(after.samples["goodput_gpu_up"]) == len(ALL)
    assert gpus_of_page(after) == gpus_of_page(before)
