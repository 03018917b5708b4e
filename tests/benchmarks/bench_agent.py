"""
What a whole agent costs a node: 16 GPUs, 16 ranks, one tick a second.

The agent is the real program with its NVML child on a fake driver, with a kubelet
that names a holder per GPU, ranks that report once a second, and an aggregator that
takes its pushes. Prints, per process tree: CPU as a share of one core over the time
measured, resident and proportional memory, and how long a scrape takes. The fake
driver's own cost is in both. With ``--peer`` nvitop-exporter reads the same driver
beside it, once a second as well; it reads GPUs and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.fakes.kubelet import kubelet
from tests.fakes.node_agent import AGGREGATOR, AgentStation, node_agent
from tests.fakes.nvml.driver import FakeDriver, compile_library, install
from tests.fakes.station import station, until
from tests.fakes.vitals import tree

GPUS = RANKS = 16
MIB = 2**20
SCRAPES = 50
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process has taken so far, with its children but for *own*; in bytes."""

    cpu_seconds: float
    own_cpu_seconds: float
    resident: int
    proportional: int


def cost(pid: int) -> Cost:
    """Return what a tree of processes has taken so far."""
    cpu, own, resident, proportional = 0.0, 0.0, 0, 0
    for one in tree(pid):
        stat = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        took = (int(stat[11]) + int(stat[12])) * TICK_S
        cpu, own = cpu + took, took if one == pid else own
        sizes = dict(
            line.split(":")
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()[1:]
        )
        resident += int(sizes["Rss"].split()[0]) * 1024
        proportional += int(sizes["Pss"].split()[0]) * 1024
    return Cost(cpu, own, resident, proportional)


def talk(path: Path, stop: threading.Event) -> None:
    """Report for every rank once a second, spread over the second."""
    began = time.monotonic()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        seq = 0
        while not stop.wait(1 / RANKS):
            rank, at = seq % RANKS, time.monotonic()
            up = at - began
            said = {
                "v": 1, "t": "hb", "inc": f"{rank:016x}", "seq": seq, "run": "ml/llama",
                "rank": rank, "ws": RANKS, "up": up, "ph": "train_step", "pa": 0.01,
                "cum": {"train_step": up}, "st": int(up * 10), "sa": 0.01,
                "sn": int(up * 10), "mo": at, "tk": int(up * 1e6), "src": "sdk",
            }  # fmt: skip
            sock.sendto(json.dumps(said).encode(), str(path))
            seq += 1


@contextmanager
def ranks(agent: AgentStation) -> Iterator[None]:
    """Let ranks report meanwhile."""
    stop = threading.Event()
    thread = threading.Thread(target=talk, args=(agent.unix, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def scrape_ms(url: str) -> float:
    """Return how long one page takes, connection included."""
    began = time.perf_counter()
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - on loopback
        answer.read()
    return (time.perf_counter() - began) * 1e3


def measure(name: str, pid: int, url: str, seconds: float) -> None:
    """Print what a program takes in a while of service, scraped every five seconds."""
    before, began = cost(pid), time.monotonic()
    while (left := began + seconds - time.monotonic()) > 0:
        scrape_ms(url)
        time.sleep(min(5.0, left))
    spent = cost(pid)
    took = time.monotonic() - began
    share = (spent.cpu_seconds - before.cpu_seconds) / took
    own = (spent.own_cpu_seconds - before.own_cpu_seconds) / took
    scrapes = sorted(scrape_ms(url) for _ in range(SCRAPES))
    sys.stdout.write(
        f"{name:<24} {share:6.2%} of a core ({own:.2%} without children)   "
        f"rss {spent.resident / MIB:6.1f} MiB   "
        f"pss {spent.proportional / MIB:6.1f} MiB   scrape {median(scrapes):5.2f} ms "
        f"({scrapes[0]:.2f} to {scrapes[-1]:.2f})   processes {len(tree(pid))}\n"
    )


def all_gpus(agent: AgentStation) -> list[str] | None:
    """Return the GPUs that the agent sees, once it sees all of them."""
    seen = sorted(agent.page().by("goodput_gpu_up", "gpu_uuid"))
    return seen if len(seen) == GPUS else None


def our_agent(folder: Path, driver: FakeDriver, seconds: float) -> None:
    """Measure the agent in service."""
    root = folder / "kubelet"
    with ExitStack() as parts:
        books_folder = folder / "books"
        books_folder.mkdir()
        books = parts.enter_context(station(books_folder, **AGGREGATOR))
        books.start()
        node = parts.enter_context(kubelet(root))
        agent = parts.enter_context(
            node_agent(
                folder / "node",
                books.url,
                NVML_ENABLED="auto",
                KUBELET_ENABLED="auto",
                KUBELET_ROOT=str(root),
                BOOKS_TICK_SECONDS="1",
                PUSH_EVERY_SECONDS="5",
            )
        )
        names = ("LD_LIBRARY_PATH", "FAKE_NVML_SCENARIO", "FAKE_NVML_DEVICES")
        agent.environment = {name: driver.environment()[name] for name in names}
        agent.start()
        uuids = until(lambda: all_gpus(agent), "all GPUs")
        for number, uuid in enumerate(uuids):
            node.gives(f"llama-{number}", uuid)
        parts.enter_context(ranks(agent))
        time.sleep(10)  # starting up is not service
        measure("goodput-exporter agent", agent.pid, f"{agent.url}metrics", seconds)
        page = agent.page()
        sys.stdout.write(
            f"  series {page.one('goodput_series'):.0f}, heartbeats "
            f"{page.sum('goodput_datagrams_accepted_total'):.0f}, batches delivered "
            f"{page.one('goodput_push_batches_total', fate='applied'):.0f}\n"
        )


def peer(python: str, driver: FakeDriver, seconds: float) -> None:
    """Measure nvitop-exporter in service."""
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    where = ["--bind-address", "127.0.0.1", "--port", str(port), "--interval", "1"]
    command = [python, "-m", "nvitop_exporter", *where]
    with subprocess.Popen(
        command,
        env=driver.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}/metrics"
            until(lambda: answers(lambda: scrape_ms(url)), "nvitop-exporter")
            time.sleep(10)
            measure("nvitop-exporter", process.pid, url, seconds)
        finally:
            process.terminate()


def answers(ask: Callable[[], float]) -> bool:
    """Tell whether somebody answers."""
    try:
        return ask() > 0
    except OSError:
        return False


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of service each")
    parser.add_argument("--peer", help="a Python with nvitop-exporter installed")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        driver = install(folder, compile_library(folder))
        driver.play(f"count {GPUS}")
        our_agent(folder, driver, chosen.seconds)
        if chosen.peer:
            peer(chosen.peer, driver, chosen.seconds)


if __name__ == "__main__":
    main()
