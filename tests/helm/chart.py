"""The chart as Helm renders it: its objects, and what Helm says when it will not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster.programs import program

CHART: Final = Path(__file__).parents[2] / "helm/goodput-exporter"
EXAMPLES: Final = tuple(
    path.name.removesuffix("-values.yaml")
    for path in sorted((CHART / "ci").glob("*-values.yaml"))
)
OPERATOR: Final = "monitoring.coreos.com/v1"
OPENSHIFT: Final = "security.openshift.io/v1"
KUBERNETES: Final = "1.34"
NAME: Final = "goodput-exporter"

Manifest = dict[str, Any]


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Helm, and return what it says."""
    return subprocess.run(
        (program("helm"), *words),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@cache
def template(
    example: str = "default", *settings: str, apis: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """
    Render the chart, and return what Helm says.

    Args:
        example: Which of the chart's examples of values.
        settings: As ``--set`` has them.
        apis: API versions that the cluster serves beside its own.
    """
    words = ["template", NAME, str(CHART), "--namespace", "goodput"]
    words += ["--kube-version", KUBERNETES]
    words += ["--values", str(CHART / f"ci/{example}-values.yaml")]
    for one in settings:
        words += ["--set", one]
    for api in apis:
        words += ["--api-versions", api]
    return helm(*words)


def objects(
    example: str = "default", *settings: str, apis: tuple[str, ...] = ()
) -> list[Manifest]:
    """Return what would be installed."""
    said = template(example, *settings, apis=apis)
    assert said.returncode == 0, said.stderr
    return [one for one in yaml.load_all(said.stdout, yaml.CSafeLoader) if one]


def of_kind(found: Iterable[Manifest], kind: str) -> Manifest:
    """Return the one object of a kind."""
    [only] = [one for one in found if one["kind"] == kind]
    return only


def named(found: Iterable[Manifest], kind: str, name: str) -> Manifest:
    """Return the object of a kind and a name."""
    [only] = [
        one for one in found if (one["kind"], one["metadata"]["name"]) == (kind, name)
    ]
    return only


def pods(found: Iterable[Manifest]) -> Iterator[Manifest]:
    """Yield the pod templates' specs."""
    for one in found:
        if one["kind"] in {"DaemonSet", "Deployment", "StatefulSet"}:
            yield one["spec"]["template"]["spec"]


def kinds(found: Iterable[Manifest]) -> set[str]:
    """Return the kinds that there are."""
    return {one["kind"] for one in found}


def environment(pod: Manifest) -> dict[str, str]:
    """Return the literal variables of a pod's one container."""
    [container] = pod["containers"]
    return {row["name"]: row["value"] for row in container["env"] if "value" in row}


def golden(example: str) -> str:
    """
    Return an example's rendering without what has tests of its own.

    Dashboards and rules are copies; ``helm.generate --check`` compares them.
    """
    found = objects(example, apis=(OPERATOR,) if example == "operator" else ())
    for one in found:
        if one["kind"] == "ConfigMap":
            one["data"] = dict.fromkeys(one["data"], "...")
        if one["kind"] == "PrometheusRule":
            one["spec"] = "..."
    return yaml.safe_dump_all(found, sort_keys=True, width=100)


GOLDEN: Final = Path(__file__).with_name("golden")


def write() -> None:
    """Write every golden rendering again: ``python -m tests.helm.chart``."""
    GOLDEN.mkdir(exist_ok=True)
    for example in EXAMPLES:
        path = GOLDEN / f"{example}.yaml"
        path.write_text(golden(example), encoding="utf-8")


if __name__ == "__main__":
    write()
