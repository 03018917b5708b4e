"""The examples of training jobs are what Kubernetes takes, and they do report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from goodput_exporter.sources.workloads.entry import Use
from goodput_exporter.sources.workloads.table import entry_of
from goodput_sdk._addresses import parse_addresses

FOLDER: Final = Path(__file__).parents[3] / "examples/kubernetes"
EXAMPLES: Final = tuple(sorted(path.name for path in FOLDER.glob("*.yaml")))
VERSION: Final = "1.34"
OF_KUBERNETES: Final = frozenset({"Job", "Pod", "Service"})
GPUS: Final = {
    "job.yaml": 32,
    "jobset.yaml": 32,
    "kueue.yaml": 8,
    "pytorchjob.yaml": 32,
    "rayjob.yaml": 32,
    "torchrun.yaml": 8,
}
"""A TrainJob's pods come from its runtime, which is another object."""

Manifest = dict[str, Any]


def objects(name: str) -> list[Manifest]:
    """Return an example's objects."""
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def workload(name: str) -> Manifest:
    """Return the one that trains."""
    [only] = [one for one in objects(name) if one["kind"] != "Service"]
    return only


def templates(name: str) -> Iterator[tuple[int, Manifest]]:
    """Yield how many pods of each template there are, as the exporter reads them."""
    found = workload(name)
    if found["kind"] == "Pod":
        yield 1, {"spec": found["spec"]}
        return
    entry = entry_of(found["apiVersion"], found["kind"])
    assert entry is not None
    for part in entry.parts(found):
        yield part.count, dict(part.template)


def variables(value: object) -> Iterator[Manifest]:
    """Yield every row of an environment, wherever it stands."""
    if isinstance(value, dict):
        yield from (row for row in value.get("env", []) if isinstance(row, dict))
        for inner in value.values():
            yield from variables(inner)
    if isinstance(value, list):
        for inner in value:
            yield from variables(inner)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_kubernetes_takes(name: str) -> None:
    """Objects of other projects are held to it in their pods."""
    for one in objects(name):
        if one["kind"] in OF_KUBERNETES:
            kubernetes_validate.validate(one, VERSION, strict=True)
    for _, template in templates(name):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **template}
        kubernetes_validate.validate(pod, VERSION, strict=True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_kind_of_training_that_is_followed(name: str) -> None:
    """In a version that is looked for."""
    found = workload(name)
    entry = entry_of(found["apiVersion"], found["kind"])

    assert entry is not None
    assert entry.use is Use.TRAINS or found["kind"] == "Pod"
    assert found["apiVersion"].rpartition("/")[2] in entry.versions


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reports_to_the_chart_s_service_by_one_line(name: str) -> None:
    """One variable per kind of pod that trains, which the SDK can read."""
    said = {
        row["value"]
        for row in variables(workload(name))
        if row["name"] == "GOODPUT_ADDR"
    }

    [address] = [one for text in said for one in parse_addresses(text)]
    assert (address.host, address.port) == ("goodput-exporter-agent.goodput.svc", 9099)


@pytest.mark.parametrize("name", sorted(GPUS))
def test_an_example_asks_for_the_gpus_that_its_comment_says(name: str) -> None:
    """Counted as the exporter counts them."""
    asked = sum(
        count
        * int(container.get("resources", {}).get("limits", {}).get("nvidia.com/gpu", 0))
        for count, template in templates(name)
        for container in template["spec"]["containers"]
    )

    assert asked == GPUS[name]
