"""
The whole aggregator beside a real API server with 5,000 pods: ready when, at what cost.

Prints; asserts nothing. The API server, its controllers and etcd are real ones that
``make kube`` builds; kwok plays the kubelets. The pods are of Jobs, a fifth of them
with GPUs. The delay is from the API server's acknowledgement of a change to the first
scrape that shows it: a node that withholds a GPU, a pod whose containers begin to run.
"""

from __future__ import annotations

import argparse
import time
from typing import Final

import pytest

from tests.benchmarks.bench_reflector import say
from tests.benchmarks.bench_watch_scale import (
    PAUSE_S,
    Scrapes,
    aggregator,
    print_cost,
    print_delays,
    print_page,
    print_start,
    ticks,
)
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import control_plane
from tests.cluster.scenes import GPU, node, token_file
from tests.cluster.services import wait_for
from tests.fakes.kube_captured import date

PATIENCE_S: Final = 400.0
NAMESPACE: Final = "research"
CREW: Final = 100
"""Pods of a job, and of a node."""
GPU_SHARE: Final = 5
MARKS: Final = 40
FILM: Final = "played/image"
STILL: Final = "still"
"""The node whose pods wait for their image until this program lets them run."""


def job(name: str, place: str, pods: int, limits: dict[str, str], **film: str) -> Json:
    """Return a Job whose pods are on a node from the start, whatever becomes of it."""
    container = {"name": "main", "image": "train:1", "resources": {"limits": limits}}
    pod = {
        "nodeName": place,
        "restartPolicy": "Never",
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    return {
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "parallelism": pods,
            "completions": pods,
            "completionMode": "Indexed",
            "template": {"metadata": {"annotations": dict(film)}, "spec": pod},
        },
    }


def fill(api: Api, pods: int) -> dict[str, Json]:
    """Make the nodes and the pods; return the marked runs' pods by their jobs' uids."""
    began = time.monotonic()
    api.apply({"kind": "Namespace", "metadata": {"name": NAMESPACE}})
    api.wait("ServiceAccount", NAMESPACE, "default", bool)
    api.ask("POST", "api/v1/nodes", node(STILL, "pool"))
    for number in range(pods // CREW):
        place = f"n{number}"
        api.ask("POST", "api/v1/nodes", node(place, "pool"))
        limits = {"cpu": "1"} if number % GPU_SHARE else {GPU: "1"}
        api.apply(job(f"job-{number}", place, CREW, limits))
    for number in range(MARKS):
        api.apply(job(f"mark-{number}", STILL, 1, {GPU: "8"}, **{FILM: "fails"}))

    def made() -> list[Json] | None:
        time.sleep(1.0)  # a look at thousands of pods is not free
        found = api.list("Pod", NAMESPACE)
        begun = [pod for pod in found if pod["status"]["phase"] == "Running"]
        is_all = len(begun) == pods and len(found) == pods + MARKS
        return found if is_all else None

    found = wait_for(made, PATIENCE_S, f"{pods} pods that run")
    size = sum(len(str(pod)) for pod in found) / len(found)
    say(f"  made in {time.monotonic() - began:.0f} s, some {size:,.0f} bytes a pod")
    return {
        pod["metadata"]["ownerReferences"][0]["uid"]: pod
        for pod in found
        if pod["spec"]["nodeName"] == STILL
    }


def change(api: Api, path: str, status: Json) -> float:
    """Write a status as a kubelet does; return when that was acknowledged."""
    kind = "application/strategic-merge-patch+json"
    api.ask("PATCH", f"{path}/status", {"status": status}, kind)
    return time.monotonic()


def running() -> Json:
    """Return the status of a pod that begins to run now."""
    now = date(time.time())
    container = {
        "name": "main",
        "image": "train:1",
        "imageID": "",
        "ready": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": now}},
    }
    words = {"status": "True", "lastTransitionTime": now}
    conditions = [{"type": kind, **words} for kind in ("Initialized", "Ready")]
    return {
        "phase": "Running",
        "startTime": now,
        "conditions": conditions,
        "containerStatuses": [container],
    }


def print_marks(
    api: Api, scrapes: Scrapes, marked: dict[str, Json], nodes: int
) -> None:
    """Change pods and nodes, one after another, and print when each was seen."""
    of_runs: dict[str, float] = {}
    of_nodes: dict[str, float] = {}
    for number, (uid, pod) in enumerate(marked.items()):
        path = f"api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}"
        of_runs[uid] = change(api, path, running())
        place = f"n{number % nodes}"
        of_nodes[place] = change(
            api, f"api/v1/nodes/{place}", {"allocatable": {GPU: "7"}}
        )
        for _ in range(3):
            scrapes.scrape()
            time.sleep(PAUSE_S)
    for _ in range(40):
        scrapes.scrape()
        time.sleep(PAUSE_S)
    print_delays("a node's change to its series", of_nodes, scrapes.seen_s)
    print_delays("a pod's change to its run's series", of_runs, scrapes.seen_s)


def measured(pods: int, seconds: float) -> None:
    """Print everything about one cluster."""
    say(f"a real API server: {pods:,} pods")
    nodes = pods // CREW
    with control_plane() as plane:
        marked = fill(plane.api, pods)
        with aggregator(
            plane.url,
            KUBERNETES_TOKEN_FILE=str(token_file(plane.api, plane.folder)),
            KUBERNETES_CA_FILE=str(plane.ca_file),
        ) as one:
            runs = -(-nodes // GPU_SHARE) + MARKS
            gpu_pods = -(-nodes // GPU_SHARE) * CREW + MARKS
            scrapes = print_start(one, gpu_pods, nodes + 1, runs)
            print_cost("next to nothing changes", one, seconds, lambda: None)
            print_marks(plane.api, scrapes, marked, nodes)
            print_page(scrapes)
            ticks(scrapes)


def main() -> None:
    """Print everything, or what is missing for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    try:
        measured(given.pods, given.seconds)
    except pytest.skip.Exception as missing:
        say(f"not measured: {missing}")


if __name__ == "__main__":
    main()
