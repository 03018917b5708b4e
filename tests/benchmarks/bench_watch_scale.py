"""
The whole aggregator on a large cluster: how soon it is ready, and what following costs.

Prints; asserts nothing. By default a process of its own plays the API server of 100,000
pods (20,000 with GPUs, of 5,000 jobs) and 15,000 nodes out of captured bytes; a quarter
of the changes are nodes' heartbeats. ``--real 5000`` makes so many pods on a real API
server instead, which ``make kube`` builds, and changes some of them.

The delay is from when the server sent a change to the first scrape that shows it: a
node that withholds a GPU, and a job whose last pod begins to run. Scrapes are
compressed ones, one after another with a pause, so they add half of their period.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from tests.benchmarks.bench_reflector import MB, replaying, say
from tests.benchmarks.bench_standalone import AS_SHIPPED, cpu_seconds
from tests.fakes.replicas import replicas
from tests.fakes.station import Station, until

PATIENCE_S: Final = 300.0
NODES: Final = '{gpu="true",agent="missing"}'
PAUSE_S: Final = 0.25
MOST_RUNS: Final = 1_000
"""The series budget of the page holds some more."""
LONGEST_S: Final = 20.0
"""Each of many runs is shown within ten ticks."""
WITHHELD: Final = ("goodput_node_withheld_gpus", rb'gpu_node="([^"]+)"\} [1-9]')
BEGUN: Final = ("goodput_run_state", rb'\{run="([^"]+)".*state="initializing"\} 1\n')


@dataclass(slots=True)
class Scrapes:
    """
    What scrapes took, and when what was first on one.

    Args:
        url: Of the page.
    """

    url: str
    seen_s: dict[str, float] = field(default_factory=dict)
    took_s: list[float] = field(default_factory=list)
    page: bytes = b""
    packed: int = 0

    def scrape(self) -> bytes:
        """Read the page as Prometheus does; return it."""
        request = urllib.request.Request(  # noqa: S310 - ours, on the loopback
            f"{self.url}metrics", headers={"Accept-Encoding": "gzip"}
        )
        began = time.monotonic()
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:  # noqa: S310 - see above
            body = reply.read()
        ended = time.monotonic()
        self.took_s.append(ended - began)
        self.page, self.packed = gzip.decompress(body), len(body)
        for name in (*self._named(*WITHHELD), *self._named(*BEGUN)):
            self.seen_s.setdefault(name, ended)
        return self.page

    def family(self, name: str) -> bytes:
        """Return one metric's part of the last page."""
        _, _, rest = self.page.partition(f"# HELP {name} ".encode())
        return rest.partition(b"# HELP ")[0]

    def value(self, name: str, labels: str = "") -> float:
        """Return a value of the last page by its labels; 0 if it is not there."""
        _, _, rest = self.family(name).partition(f"\n{name}{labels} ".encode())
        return float(rest.partition(b"\n")[0] or 0)

    def _named(self, name: str, pattern: bytes) -> Iterator[str]:
        for found in re.finditer(pattern, self.family(name)):
            yield found[1].decode()

    def series(self) -> int:
        """Return how many series the last page has."""
        return sum(not line.startswith(b"#") for line in self.page.splitlines())


@contextmanager
def aggregator(url: str, **settings: str) -> Iterator[Station]:
    """Give an aggregator that is not started yet."""
    given = {**AS_SHIPPED, **settings}
    with (
        tempfile.TemporaryDirectory() as folder,
        replicas(Path(folder), url, "a", **given) as [one],
    ):
        try:
            yield one
        finally:
            one.close()
            for line in one.lines():
                if "level=info" not in line:
                    say(f"  it said: {line}")


def resident_mb(pid: int, what: str) -> float:
    """Return a process's resident memory: ``VmRSS`` now, ``VmHWM`` at its peak."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    row = next(row for row in status.splitlines() if row.startswith(what))
    return int(row.split()[1]) * 1024 / MB


def print_start(one: Station, pods: int, nodes: int, runs: int) -> Scrapes:
    """Start it; print when it was ready, and when its page was whole."""
    began = time.monotonic()
    one.start(PATIENCE_S)
    print_at("ready", one, began)
    scrapes = Scrapes(one.url)

    def is_listed() -> bool:
        scrapes.scrape()
        time.sleep(PAUSE_S)
        return page_has(scrapes, pods, nodes)

    until(is_listed, "the page", within_s=PATIENCE_S)
    print_at("every node and pod on the page", one, began)

    def is_whole() -> bool:
        scrapes.scrape()
        time.sleep(PAUSE_S)
        return scrapes.family("goodput_run_info").count(b"\ngoodput") >= runs

    until(is_whole, f"{runs} runs on the page", within_s=PATIENCE_S)
    print_at(f"{runs:,} runs on the page", one, began)
    print_page(scrapes)
    return scrapes


def page_has(scrapes: Scrapes, pods: int, nodes: int) -> bool:
    """Tell whether the page counts so many pods with GPUs, and nodes."""
    seen = scrapes.value("goodput_watch_objects", '{kind="Pod"}')
    return (seen, scrapes.value("goodput_nodes", NODES)) == (pods, nodes)


def print_at(what: str, one: Station, began: float) -> None:
    """Print how long something took since the start."""
    say(
        f"  {what}: {time.monotonic() - began:.1f} s, {cpu_seconds(one.pid):.1f} s "
        f"CPU, peak {resident_mb(one.pid, 'VmHWM'):.0f} MB"
    )


def print_page(scrapes: Scrapes) -> None:
    """Print the page's size, and what scrapes took."""
    took = sorted(scrapes.took_s)
    say(
        f"  page: {scrapes.series():,} series, {len(scrapes.page) / MB:.1f} MB, "
        f"{scrapes.packed / MB:.2f} MB compressed; a scrape took "
        f"{1e3 * median(took):.0f} ms (median of {len(took)}, at most "
        f"{1e3 * took[-1]:.0f})"
    )
    scrapes.took_s.clear()


def print_cost(
    what: str, one: Station, seconds: float, turn: Callable[[], object]
) -> None:
    """Do something again and again; print the CPU and memory meanwhile."""
    began, used = time.monotonic(), cpu_seconds(one.pid)
    while time.monotonic() < began + seconds:
        turn()
        time.sleep(PAUSE_S)
    lasted = time.monotonic() - began
    share = (cpu_seconds(one.pid) - used) / lasted
    now, peak = (resident_mb(one.pid, row) for row in ("VmRSS", "VmHWM"))
    say(
        f"  {what}: {100 * share:.0f} % of a core over {lasted:.0f} s, RSS "
        f"{now:.0f} MB (peak {peak:.0f})"
    )


def print_delays(what: str, sent_s: dict[str, float], seen_s: dict[str, float]) -> None:
    """Print the delays of marks that were seen, and how many were not."""
    delays = sorted(seen_s[name] - sent_s[name] for name in sent_s if name in seen_s)
    if not delays:
        say(f"  {what}: none of {len(sent_s)} seen")
        return
    p99 = delays[min(len(delays) - 1, len(delays) * 99 // 100)]
    say(
        f"  {what}: median {median(delays):.2f} s, p99 {p99:.2f} s, "
        f"{len(delays)} of {len(sent_s)} seen"
    )


def told(url: str, what: str) -> dict[str, float]:
    """Ask the replaying server for something."""
    with urllib.request.urlopen(f"{url}/{what}", timeout=PATIENCE_S) as reply:  # noqa: S310 - see above
        found: dict[str, float] = json.loads(reply.read())
    return found


def replayed(sizes: tuple[int, int, int], rate: int, seconds: float) -> None:
    """Measure against the replaying server."""
    pods, nodes, jobs = sizes
    say(f"replayed: {pods:,} pods, {nodes:,} nodes, {jobs:,} jobs")
    events = int(rate * (1.5 * seconds + 30))
    with (
        replaying(*sizes, events, rate) as url,
        aggregator(url) as one,
    ):
        scrapes = print_start(one, pods // 5, nodes, min(jobs // 2, MOST_RUNS))
        print_cost("nothing changes, no scrape", one, seconds / 4, lambda: None)
        told(url, "go")
        print_cost(f"{rate:,} events/s", one, seconds / 2, lambda: None)
        sent_before = told(url, "marks")
        scrapes.scrape()
        print_cost(f"{rate:,} events/s, scraped", one, seconds, scrapes.scrape)
        print_page(scrapes)
        ticks(scrapes)
        sent = {
            name: at_s
            for name, at_s in told(url, "marks").items()
            if name not in sent_before
        }
        print_cost("and for the last to be seen", one, LONGEST_S, scrapes.scrape)
        of_nodes = {name: at_s for name, at_s in sent.items() if "node" in name}
        of_runs = {name: at_s for name, at_s in sent.items() if "node" not in name}
        print_delays("a node's change to its series", of_nodes, scrapes.seen_s)
        print_delays("a pod's change to its run's series", of_runs, scrapes.seen_s)


def ticks(scrapes: Scrapes) -> None:
    """Print how the last tick went."""
    took, late = (
        scrapes.value(f"goodput_tick_{name}_seconds") for name in ("duration", "lag")
    )
    say(f"  the last tick took {took:.2f} s and began {late:.2f} s late")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=15_000)
    parser.add_argument("--jobs", type=int, default=5_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    replayed((given.pods, given.nodes, given.jobs), given.rate, given.seconds)


if __name__ == "__main__":
    main()
