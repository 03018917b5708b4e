"""The chart where Prometheus' operator is: on the operator's own definitions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.api import Json, RefusedError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.monitoring import PLURALS, monitoring_kinds, path_of
from tests.cluster.test_chart_install import helm, installed, ours
from tests.helm.chart import CHART, EXAMPLES, OPERATOR, objects

STRICT = "dryRun=All&fieldValidation=Strict"
WANTED = {
    "PodMonitor": ["goodput-exporter-agent"],
    "ServiceMonitor": ["goodput-exporter-aggregator"],
    "PrometheusRule": ["goodput-exporter"],
}
NONE: dict[str, list[str]] = {kind: [] for kind in WANTED}


@pytest.fixture
def served(plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give a cluster that serves the operator's kinds."""
    with monitoring_kinds(plane.api):
        yield plane


def made(plane: ControlPlane, namespace: str) -> dict[str, list[str]]:
    """Return the names of what the chart made of each of the operator's kinds."""
    return {kind: ours(plane.api, path_of(kind, namespace)) for kind in PLURALS}


def is_annotated(plane: ControlPlane, namespace: str) -> bool:
    """Tell whether agents ask to be scraped by annotations."""
    path = f"apis/apps/v1/namespaces/{namespace}/daemonsets"
    [daemonset] = plane.api.ask("GET", path)["items"]
    said: Json = daemonset["spec"]["template"]["metadata"]["annotations"]
    return "prometheus.io/scrape" in said


def check(plane: ControlPlane, one: Json) -> None:
    """
    Let the API server judge an object, and keep nothing.

    Raises:
        RefusedError: A field is of a wrong type, out of bounds, or not known.
    """
    path = path_of(one["kind"], "default")
    meta = {**one["metadata"], "namespace": "default"}
    plane.api.ask("POST", f"{path}?{STRICT}", {**one, "metadata": meta})


def test_where_the_operator_is_it_gets_monitors_and_rules_without_any_value(
    served: ControlPlane,
) -> None:
    """Pods are then not annotated, or they would be scraped twice; all of it goes."""
    namespace = "chart-operator"

    with installed(served, namespace) as warned:
        during = made(served, namespace)
        annotated = is_annotated(served, namespace)

    assert (during, annotated, warned) == (WANTED, False, "")
    assert made(served, namespace) == NONE


def test_the_operator_s_definitions_know_every_field(served: ControlPlane) -> None:
    """What they do not know the API server would drop without a word."""
    found = [
        one
        for example in EXAMPLES
        for one in objects(example, apis=(OPERATOR,))
        if one["kind"] in PLURALS
    ]

    for one in found:
        check(served, one)
    assert {one["kind"] for one in found} == PLURALS.keys()


def test_a_field_that_they_do_not_know_would_be_noticed(served: ControlPlane) -> None:
    """A monitor has no file for its token, though a service's once had."""
    [monitor] = [
        one
        for one in objects("operator", apis=(OPERATOR,))
        if one["kind"] == "PodMonitor"
    ]
    monitor["spec"]["podMetricsEndpoints"][0]["bearerTokenFile"] = "/token"

    with pytest.raises(RefusedError, match="unknown field"):
        check(served, monitor)


def test_an_operator_that_comes_later_is_found_by_the_next_upgrade(
    plane: ControlPlane,
) -> None:
    """Annotations give way to monitors; uninstalling leaves nothing of either."""
    namespace = "chart-later"

    with installed(plane, namespace):
        before = is_annotated(plane, namespace)
        with monitoring_kinds(plane.api):
            helm(plane, "upgrade", "goodput-exporter", str(CHART), "-n", namespace)
            during = made(plane, namespace), is_annotated(plane, namespace)
            helm(
                plane, "upgrade", "goodput-exporter", str(CHART), "-n", namespace,
                "--set", "monitoring.monitors=never,monitoring.rules=never",
            )  # fmt: skip
            after = made(plane, namespace), is_annotated(plane, namespace)

    assert before
    assert during == (WANTED, False)
    assert after == (NONE, True)
