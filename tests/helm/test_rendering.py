"""What would be installed: valid Kubernetes, and as it was looked at."""

from __future__ import annotations

import re
import tomllib

import kubernetes_validate
import pytest
import yaml

from dashboards.rules.written import PROJECT, RUNBOOK
from goodput_exporter.config.places import gather, settings_from
from goodput_exporter.exposition.credentials import OPEN
from helm.generate import files, stale
from tests.helm.chart import (
    CHART,
    EXAMPLES,
    GOLDEN,
    NAME,
    OPENSHIFT,
    OPERATOR,
    environment,
    golden,
    kinds,
    named,
    objects,
    of_kind,
    pods,
    template,
)

pytestmark = pytest.mark.real

FOREIGN = frozenset(
    {"PodMonitor", "ServiceMonitor", "PrometheusRule", "SecurityContextConstraints"}
)
"""Kinds whose schemas are their projects' own."""
OLDEST, NEWEST = "1.26", "1.37"
RUNTIME_VALUES = {"POD_NAME": "pod", "POD_NAMESPACE": "goodput", "POD_IP": "10.0.0.9"}


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("version", [OLDEST, "1.34", NEWEST])
def test_every_object_is_what_kubernetes_takes(example: str, version: str) -> None:
    """No field that it does not know, none missing, none of another type."""
    for one in objects(example):
        if one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_rendering_is_as_it_was_looked_at(example: str) -> None:
    """Write it again with `python -m tests.helm.chart`, and look at the difference."""
    wanted = (GOLDEN / f"{example}.yaml").read_text(encoding="utf-8")

    assert golden(example) == wanted


def test_what_the_chart_takes_from_elsewhere_is_fresh() -> None:
    """Roles from the code's table, dashboards and rules from their own folder."""
    assert [path.name for path in stale(files())] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_programs_understand_every_variable_they_are_given(example: str) -> None:
    """A name that no setting has, or a value out of its bounds, would end them."""
    for pod in pods(objects(example)):
        given = {
            name: re.sub(r"\$\((\w+)\)", "known", value)
            for name, value in environment(pod).items()
        }

        settings = settings_from(gather(environ=given, flags={}))

        assert settings.http.host == "0.0.0.0"  # noqa: S104 - pods are read from outside


def test_no_operator_no_custom_resources() -> None:
    """Without its kinds an installation would fail; without monitors, annotations."""
    without = objects()
    with_operator = objects(apis=(OPERATOR,))

    assert not kinds(without) & FOREIGN
    assert kinds(with_operator) >= {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
    said = [_annotations(found) for found in (without, with_operator)]
    assert ["prometheus.io/scrape" in one for one in said] == [True, False]


def _annotations(found: list[dict[str, object]]) -> str:
    return str(of_kind(found, "DaemonSet")["spec"]["template"]["metadata"])


def test_monitors_carry_the_labels_that_prometheus_selects() -> None:
    """The one value that a kube-prometheus-stack asks for."""
    found = objects("operator", apis=(OPERATOR,))

    for kind in ("PodMonitor", "ServiceMonitor", "PrometheusRule"):
        labels = of_kind(found, kind)["metadata"]["labels"]
        assert labels["release"] == "kube-prometheus-stack"


def test_monitors_select_the_pods_and_services_that_there_are() -> None:
    """A selector that matches nothing is the most common way to have no metrics."""
    found = objects("operator", apis=(OPERATOR,))
    agents = of_kind(found, "DaemonSet")["spec"]["template"]
    replicas = named(found, "Service", f"{NAME}-replicas")

    wanted = of_kind(found, "PodMonitor")["spec"]
    assert (
        wanted["selector"]["matchLabels"].items()
        <= agents["metadata"]["labels"].items()
    )
    ports = {port["name"] for port in agents["spec"]["containers"][0]["ports"]}
    assert wanted["podMetricsEndpoints"][0]["port"] in ports
    wanted = of_kind(found, "ServiceMonitor")["spec"]
    labels = replicas["metadata"]["labels"]
    assert wanted["selector"]["matchLabels"].items() <= labels.items()


def test_a_mirror_serves_every_image_and_no_other_host_is_named() -> None:
    """An air-gapped cluster reaches nothing else."""
    said = template("air-gapped", apis=(OPERATOR, OPENSHIFT)).stdout
    images = re.findall(r"^\s*image: \"?([^\"\n]+)", said, re.MULTILINE)

    assert images
    assert all(image.startswith("mirror.example:5000/goodput/") for image in images)
    hosts = set(re.findall(r"https?://([^/\s\"'$:{}()]+)", said))
    # Alerts lead to a copy of the runbook there.
    assert {host for host in hosts if not host.endswith(".svc")} == {"mirror.example"}


def test_alerts_lead_to_a_runbook_without_any_value() -> None:
    """To the project's own, or to a copy of it; the anchor is the alert's name."""
    address = r"runbook_url: (\S+)#goodputdropped\n"
    copy = "https://wiki.example/a$1/runbook"

    default = template(apis=(OPERATOR,)).stdout
    other = template(
        "default", f"monitoring.runbookUrl={copy}", apis=(OPERATOR,)
    ).stdout

    assert re.findall(address, default) == [RUNBOOK]
    assert RUNBOOK.startswith("https://")
    assert re.findall(address, other) == [copy]
    assert RUNBOOK not in other


def test_the_chart_says_where_the_project_is() -> None:
    """Its home is the one that the package names."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]

    assert chart["home"] == project["urls"]["Homepage"]


def test_prometheus_shows_agents_what_they_ask_for() -> None:
    """The token that they know, over HTTPS, and a name that a certificate can hold."""
    found = objects("locked-down", apis=(OPERATOR,))
    daemonset = of_kind(found, "DaemonSet")["spec"]["template"]
    [container] = daemonset["spec"]["containers"]
    [endpoint] = of_kind(found, "PodMonitor")["spec"]["podMetricsEndpoints"]

    volumes = {one["name"]: one for one in daemonset["spec"]["volumes"]}
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    given = environment(daemonset["spec"])
    shown = endpoint["authorization"]["credentials"]
    secret = volumes["readers"]["secret"]
    assert secret["secretName"] == shown["name"]
    assert [row["key"] for row in secret["items"]] == [shown["key"]]
    readers = f"{mounts['readers']}/{shown['key']}"
    assert given["GOODPUT_EXPORTER_HTTP_READERS_FILE"] == readers
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"]["serverName"] == f"{NAME}-agent.goodput.svc"
    authority = endpoint["tlsConfig"]["ca"]["secret"]
    assert authority["name"] == volumes["certificate"]["secret"]["secretName"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["scheme"] == "HTTPS"
        assert container[probe]["httpGet"]["path"] in OPEN


def test_heartbeats_stay_on_their_node() -> None:
    """Another node's agent knows neither the pod nor its GPUs."""
    service = named(objects(), "Service", f"{NAME}-agent")["spec"]

    assert service["internalTrafficPolicy"] == "Local"
    [port] = service["ports"]
    assert (port["protocol"], port["port"]) == ("UDP", 9099)


def test_pushes_and_readers_find_the_replica_that_leads() -> None:
    """The Service selects the label that the leader puts on its own pod."""
    found = objects("postgres")

    selector = named(found, "Service", NAME)["spec"]["selector"]
    pod = of_kind(found, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert selector["goodput-exporter/leader"] == "0"
    assert "goodput-exporter/leader" not in pod
    assert of_kind(found, "PodDisruptionBudget")["spec"]["minAvailable"] == 1


def test_every_shard_has_its_own_leader_address_and_lease() -> None:
    """Agents reach the leader of each; no selector takes another shard's pods."""
    found = objects("sharded")
    shards = [one for one in found if one["kind"] == "Deployment"]
    agent = environment(of_kind(found, "DaemonSet")["spec"]["template"]["spec"])
    given = [environment(one["spec"]["template"]["spec"]) for one in shards]

    assert [one["GOODPUT_EXPORTER_AGGREGATOR_SHARD"] for one in given] == [
        "0/3",
        "1/3",
        "2/3",
    ]
    assert agent["GOODPUT_EXPORTER_PUSH_SHARDS"] == "3"
    for number, (one, settings) in enumerate(zip(shards, given, strict=True)):
        url = agent["GOODPUT_EXPORTER_PUSH_URL"].replace("{shard}", str(number))
        host = url.removeprefix("http://").removesuffix(":9909")
        service = named(found, "Service", host.partition(".")[0])["spec"]
        assert service["selector"]["goodput-exporter/leader"] == str(number)
        assert host in settings["GOODPUT_EXPORTER_HTTP_ALLOWED_HOSTS"].split(",")
        selector = one["spec"]["selector"]["matchLabels"]
        assert [
            selector.items() <= each["spec"]["template"]["metadata"]["labels"].items()
            for each in shards
        ] == [each is one for each in shards]
        budget = named(found, "PodDisruptionBudget", f"{NAME}-aggregator-{number}")
        assert budget["spec"]["selector"]["matchLabels"] == selector
    [leases] = [
        rule["resourceNames"]
        for rule in of_kind(found, "Role")["rules"]
        if "resourceNames" in rule
    ]
    assert leases == [f"{NAME}-{number}" for number in range(3)]


def test_shards_on_volumes_have_a_volume_each() -> None:
    """A ledger in a file is one shard's; another count begins with new ones."""
    found = objects("default", "aggregator.shards=2")

    sets = [one for one in found if one["kind"] == "StatefulSet"]
    assert [one["metadata"]["name"] for one in sets] == [
        f"{NAME}-aggregator-0-of-2",
        f"{NAME}-aggregator-1-of-2",
    ]
    assert all(one["spec"]["volumeClaimTemplates"] for one in sets)


def test_agents_push_to_the_service_with_a_token_made_for_it() -> None:
    """The audience that the aggregator asks for is the one that agents have."""
    agent, aggregator = pods(objects())

    url = environment(agent)["GOODPUT_EXPORTER_PUSH_URL"]
    audience = environment(aggregator)["GOODPUT_EXPORTER_INGEST_AUDIENCE"]
    [tokens] = [one for one in agent["volumes"] if one["name"] == "tokens"]
    token = tokens["projected"]["sources"][0]["serviceAccountToken"]
    assert url == f"http://{NAME}.goodput.svc:9909"
    assert token["audience"] == audience
    accounts = environment(aggregator)["GOODPUT_EXPORTER_INGEST_SERVICE_ACCOUNTS"]
    assert accounts == f"goodput/{agent['serviceAccountName']}"


def test_dashboards_are_small_enough_for_kubectl() -> None:
    """Its annotation of what was applied holds 256 KiB."""
    boards = [one for one in objects() if one["kind"] == "ConfigMap"]

    assert boards
    for board in boards:
        [text] = board["data"].values()
        assert len(text.encode()) < 200_000
        assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
