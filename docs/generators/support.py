"""Renders docs/reference/support.md: what was tested, by the tests' own pins."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
TEMPLATE: Final = "docs/generators/support.template"
MODULES: Final = {
    "kubernetes": ("k8s.io/kubernetes", "tools/kube/go.mod"),
    "kwok": ("sigs.k8s.io/kwok", "tools/kube/go.mod"),
    "helm": ("helm.sh/helm/v3", "tools/kube/go.mod"),
    "jobset": ("sigs.k8s.io/jobset", "tools/kube/go.mod"),
    "kueue": ("sigs.k8s.io/kueue", "tools/kube/kueue/go.mod"),
    "operator": (
        "github.com/prometheus-operator/prometheus-operator",
        "tools/monitoring/go.mod",
    ),
    "training": ("github.com/kubeflow/training-operator", "tools/training/go.mod"),
    "trainer": ("github.com/kubeflow/trainer/v2", "tools/training/go.mod"),
    "ray": ("github.com/ray-project/kuberay/ray-operator", "tools/training/go.mod"),
}
"""Go modules that the tests build or read, and where each has its version."""


def render() -> str:
    """Return the page."""
    grafana = locked("grafana_foundation_sdk").partition("!")[2]
    return _read(TEMPLATE).format(
        **{name: built(*where) for name, where in MODULES.items()},
        oldest=_oldest_kubernetes(),
        newest=_minor(locked("kubernetes-validate")),
        nvml=locked("nvidia-ml-py"),
        grafana=_minor(grafana),
        python=_needs_python("pyproject.toml"),
        sdk=_needs_python("sdk/pyproject.toml"),
    )


def built(module: str, path: str) -> str:
    """
    Return the version of a Go module that a file names.

    Raises:
        LookupError: It names none.
    """
    line = rf"^(?:require)?\s*{re.escape(module)} v(\S+)"
    return _found(line, path, module)


def locked(package: str) -> str:
    """
    Return the version of a Python package that the tests have.

    Raises:
        LookupError: No lock names it.
    """
    line = rf"^{re.escape(package)}==(\S+)"
    try:
        return _found(line, "requirements/run.txt", package)
    except LookupError:
        return _found(line, "requirements/dev.txt", package)


def _oldest_kubernetes() -> str:
    chart = yaml.safe_load(_read("helm/goodput-exporter/Chart.yaml"))
    return _minor(str(chart["kubeVersion"]).removeprefix(">="))


def _needs_python(path: str) -> str:
    asked: str = tomllib.loads(_read(path))["project"]["requires-python"]
    return asked.removeprefix(">=")


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _found(line: str, path: str, name: str) -> str:
    found = re.search(line, _read(path), re.MULTILINE)
    if found is None:
        msg = f"{path}: it names no version of {name}"
        raise LookupError(msg)
    return found[1]


@cache
def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")
