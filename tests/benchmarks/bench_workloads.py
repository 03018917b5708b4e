"""
What following objects costs: per change beside decoding it, and per look at a run.

No peer derives a run's stage from objects; so the ratios are against json.loads of the
same bytes and against a run of a tenth of the size.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable

from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.cluster import Pod, Raw, job, ns

PODS = 2_000


def say(line: str) -> None:
    """Print one line of the result."""
    print(line)  # noqa: T201 - a benchmark prints


def crew(count: int) -> tuple[Raw, list[list[Raw]]]:
    """Return a Job and its pods' versions: made, bound, running, and told to go."""
    train = job(pods=count)
    pods = [Pod(f"p{number}", train) for number in range(count)]
    made = [pod.raw for pod in pods]
    bound = [pod.bound(5, f"n{number}") for number, pod in enumerate(pods)]
    running = [pod.running(30 + number // 20) for number, pod in enumerate(pods)]
    return train, [made, bound, running, [pod.told(500) for pod in pods]]


def decoding(raws: Iterable[Raw]) -> float:
    """Return the seconds that json.loads takes for some objects."""
    lines = [json.dumps(raw) for raw in raws]
    began = time.process_time()
    for line in lines:
        json.loads(line)
    return time.process_time() - began


def following(count: int) -> tuple[float, float, int]:
    """Return the seconds of all changes of a run, of all looks, and how many looks."""
    train, versions = crew(count)
    tracker = Tracker("c1")
    tracker.change("added", train, ns(0))
    changing = looking = 0.0
    looks = 0
    for at, raws in zip((1, 6, 200, 501), versions, strict=True):
        for start in range(0, count, 100):
            began = time.process_time()
            for raw in raws[start : start + 100]:
                tracker.change("modified", raw, ns(at))
            changed = time.process_time()
            tracker.drain(ns(at))
            looking += time.process_time() - changed
            changing += changed - began
            looks += 1
    return changing, looking, looks


def main() -> None:
    """Print the costs of a run of 2,000 pods, and of one of a tenth."""
    _, versions = crew(PODS)
    raws = [raw for version in versions for raw in version]
    json_s = decoding(raws)
    changing, looking, looks = following(PODS)
    small = following(PODS // 10)
    say(
        f"a change: {changing / len(raws) * 1e6:.0f} us, {changing / json_s:.1f} x json"
    )
    say(f"a look at {PODS} pods: {looking / looks * 1e3:.1f} ms")
    per_pod = (looking / looks) / (small[1] / small[2])
    say(f"a look at ten times the pods costs {per_pod:.1f} times as much")


if __name__ == "__main__":
    main()
