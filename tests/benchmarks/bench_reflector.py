"""
What following a cluster costs, beside the official client on the same bytes.

Prints medians and ranges of interleaved rounds; asserts nothing. A process of its
own replays what a real API server wrote, 7 KB a pod, over loopback, so that its time
is not counted as ours.

- decode: one line of a watch to an object and into the store, from memory; the
  client's ``Watch.unmarshal_event`` to its model from the same line; and the
  standard library's ``json.loads``.
- follow: the same from the socket, as it runs: the reflector with its thread and its
  queue, and the client's ``Watch().stream(list_pod_for_all_namespaces)``.
- list: time and peak resident memory of a process that lists the whole cluster, a
  fifth of its pods with GPUs. The client gets fewer pods, because it keeps them all,
  and its figures are scaled by the pods: the ratio of the times is exact, that of the
  memory leaves out what an interpreter needs by itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

from goodput_exporter.sources.kubernetes.access import explicit
from goodput_exporter.sources.kubernetes.changes import ChangeQueue
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.decoding import Reader
from goodput_exporter.sources.kubernetes.kinds import JOBS, NODES, PODS, Kind
from goodput_exporter.sources.kubernetes.pod_objects import Pod
from goodput_exporter.sources.kubernetes.reflector import Reflector
from goodput_exporter.sources.kubernetes.standing import State
from goodput_exporter.sources.kubernetes.store import Store
from goodput_exporter.sources.kubernetes.waits import Waits
from tests.fakes.kube_replay import Replay

US: Final = 1e6
MB: Final = 1_000_000
PATIENCE_S: Final = 100
TICK_S: Final = 0.05
"""Of a service that is in a hurry; the usual one is a second."""
NODE_COUNT: Final = 15_000
JOB_COUNT: Final = 5_000


@contextmanager
def replaying(
    pods: int, nodes: int, jobs: int, events: int, rate: int = 0
) -> Iterator[str]:
    """Run the replaying process; give its address."""
    sizes = [str(count) for count in (pods, nodes, jobs, events, rate)]
    command = [sys.executable, "-m", "tests.fakes.kube_replay", *sizes]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


def reflector(url: str, kind: Kind[Any], queue: ChangeQueue) -> Reflector[Any]:
    """Return a reflector as the service makes one."""
    waits = Waits()
    api = ApiServer(explicit(url), waits)
    return Reflector(
        api, kind, queue, now_ns=time.monotonic_ns, chance=Random(1), waits=waits  # noqa: S311 - jitter
    )  # fmt: skip


def drained(queue: ChangeQueue, is_done: Callable[[], bool]) -> None:
    """Take changes once per tick, as the service does, until it is done."""
    ends_at = time.monotonic() + PATIENCE_S
    while not is_done():
        if time.monotonic() > ends_at:
            raise TimeoutError
        time.sleep(TICK_S)
        queue.drain()


def follow_ours(url: str, events: int) -> float:
    """Return microseconds of CPU per event, from the socket to the queue's end."""
    queue = ChangeQueue()
    ours = reflector(url, PODS, queue)
    began = time.process_time()
    ours.start()
    drained(queue, lambda: ours.standing().read == 1 + events)  # one is listed
    spent = time.process_time() - began
    queue.close()
    ours.close()
    return spent / events * US


def follow_client(url: str, events: int) -> float:
    """Return the same for the official client's Watch and models."""
    api, stream = client_of(url)
    state: dict[str, Any] = {}
    began = time.process_time()
    for count, event in enumerate(
        stream(api.list_pod_for_all_namespaces, resource_version="1"), 1
    ):
        state[event["object"].metadata.uid] = event["object"]
        if count == events:
            break
    return (time.process_time() - began) / events * US


def client_of(url: str) -> tuple[Any, Any]:
    """Return the official client and its watch."""
    from kubernetes import client, watch  # noqa: PLC0415 - only the peer's process

    configuration = client.Configuration()
    configuration.host = url
    api = client.CoreV1Api(client.ApiClient(configuration))
    return api, watch.Watch().stream


def decoders() -> dict[str, Callable[[bytes], object]]:
    """Return who turns a line into an object that can be kept."""
    from kubernetes.watch import Watch  # noqa: PLC0415 - only here

    reader, store, peer = Reader(Pod), Store(PODS), Watch()
    return {
        "ours": lambda line: store.see(reader.line(line, "")[1], 1),
        "client models": lambda line: peer.unmarshal_event(line.decode(), "V1Pod"),
        "json.loads": json.loads,
    }


def per_line(decode: Callable[[bytes], object], lines: list[bytes]) -> float:
    """Return microseconds of CPU per line."""
    began = time.process_time()
    for line in lines:
        decode(line)
    return (time.process_time() - began) / len(lines) * US


def list_ours(url: str) -> int:
    """List pods, nodes and jobs; return how many objects are kept."""
    queue = ChangeQueue()
    followed = [reflector(url, kind, queue) for kind in (PODS, NODES, JOBS)]
    for each in followed:
        each.start()
    drained(
        queue, lambda: all(each.standing().state is State.SYNCED for each in followed)
    )
    return sum(each.standing().objects for each in followed)


def list_client(url: str) -> int:
    """List pods in pages with the official client, and keep their models."""
    api, _ = client_of(url)
    kept: list[Any] = []
    token: str | None = None
    while True:
        page = api.list_pod_for_all_namespaces(limit=500, _continue=token)
        kept += page.items
        token = page.metadata._continue  # noqa: SLF001 - its name for ``continue``
        if not token:
            return len(kept)


def measured(role: str, url: str, events: int) -> None:
    """Do one thing in this process, and print what it cost."""
    began = time.monotonic()
    followers = {"follow_ours": follow_ours, "follow_client": follow_client}
    if role in followers:
        found = {"us": followers[role](url, events)}
    else:
        kept = {"list_ours": list_ours, "list_client": list_client}[role](url)
        found = {"kept": kept, "s": time.monotonic() - began}
        found |= {"cpu": time.process_time(), "mb": peak_mb()}
    say(json.dumps(found))


def peak_mb() -> float:
    """Return this process's peak of resident memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kib = next(row for row in status.splitlines() if row.startswith("VmHWM")).split()[1]
    return int(kib) * 1024 / MB


def asked(role: str, url: str, events: int = 0) -> dict[str, float]:
    """Have it done in a process of its own."""
    command = [sys.executable, __file__, "--role", role, "--url", url]
    done = subprocess.run(
        [*command, "--events", str(events)], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def show(title: str, unit: str, rounds: dict[str, list[float]]) -> None:
    """Print medians, ranges, and ratios to ours."""
    say(title)
    ours = median(rounds["ours"])
    for name, values in rounds.items():
        middle = median(values)
        say(
            f"  {name:14} {middle:10.1f} {unit} ({min(values):.1f} to "
            f"{max(values):.1f}), {middle / ours:6.1f} x ours"
        )


def decode_rounds(rounds: int) -> None:
    """Measure and print ``decode``."""
    lines = list(Replay({"pods": 1, "nodes": 1, "jobs": 1}, 2_000).lines())
    spent: dict[str, list[float]] = {name: [] for name in decoders()}
    for _ in range(rounds):
        for name, decode in decoders().items():
            few = lines[:200] if name == "client models" else lines
            spent[name].append(per_line(decode, few))
    show(
        f"decode and apply, {len(lines[0])} bytes per event (target 20 x)", "us", spent
    )


def follow_rounds(rounds: int, events: int) -> None:
    """Measure and print ``follow``."""
    spent: dict[str, list[float]] = {"ours": [], "client Watch": []}
    with replaying(1, 1, 1, events) as url:
        for _ in range(rounds):
            spent["ours"].append(asked("follow_ours", url, events)["us"])
            few = max(events // 20, 1)
            spent["client Watch"].append(asked("follow_client", url, few)["us"])
    show("follow over loopback, CPU per event (target 20 x)", "us", spent)
    rate = US / median(spent["ours"])
    say(f"  ours: {rate:,.0f} events/s per core (target 40,000)")


def list_rounds(rounds: int, pods: int, client_pods: int) -> None:
    """Measure and print ``list``."""
    ours, peers = [], []
    with (
        replaying(pods, NODE_COUNT, JOB_COUNT, 0) as url,
        replaying(client_pods, 1, 1, 0) as fewer,
    ):
        for _ in range(rounds):
            ours.append(asked("list_ours", url))
            peers.append(asked("list_client", fewer))
    for row in ours:
        say(
            f"  ours: {pods:,} pods, {NODE_COUNT:,} nodes, {JOB_COUNT:,} jobs, "
            f"{row['kept']:,} kept: {row['s']:.1f} s, {row['cpu']:.1f} s CPU, peak "
            f"{row['mb']:.0f} MB (target 250)"
        )
    scale = pods / client_pods
    for row in peers:
        say(
            f"  client models: {client_pods:,} pods in {row['s']:.1f} s, peak "
            f"{row['mb']:.0f} MB; scaled to {pods:,}: {row['cpu'] * scale:.0f} s CPU"
        )
    objects = (pods + NODE_COUNT + JOB_COUNT) / pods
    cpu = [median(row["cpu"] for row in rows) for rows in (peers, ours)]
    ratio = cpu[0] * scale / cpu[1]
    say(f"  CPU of the client for the pods alone: {ratio:.0f} x ours for everything,")
    say(f"  {ratio * objects:.0f} x per object (target 30 x)")


def say(line: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{line}\n")


def main() -> None:
    """Print everything, or do one thing for whoever started us."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--pods", type=int, default=100_000)
    parser.add_argument("--client-pods", type=int, default=2_000)
    parser.add_argument("--role")
    parser.add_argument("--url", default="")
    given = parser.parse_args()
    if given.role:
        measured(given.role, given.url, given.events)
        return
    decode_rounds(given.rounds)
    follow_rounds(given.rounds, given.events)
    say("list in a process of its own")
    list_rounds(max(given.rounds // 2, 1), given.pods, given.client_pods)


if __name__ == "__main__":
    main()
