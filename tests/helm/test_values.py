"""What may be set: what is there, by its name, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from goodput_exporter.config.fields import FIELDS
from helm.chart_values import values
from tests.helm.chart import CHART, Manifest, helm, template

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("agnt.enabled=false", "agnt"),
        ("agent.runtimeClass=nvidia", "runtimeClass"),
        ("aggregator.persistence.sizes=1Gi", "sizes"),
        ("monitoring.additionalLabel.release=x", "additionalLabel"),
        ("image.tags=v1", "tags"),
        (r"settings.stall\.step_second=60", "stall.step_second"),
        (r"agent.settings.nvml\.gmp=yes", "nvml.gmp"),
    ],
)
def test_a_misspelt_value_is_refused_by_its_name(setting: str, name: str) -> None:
    """Nobody finds out weeks later that a value never did anything."""
    said = template("default", setting)

    assert said.returncode != 0
    assert f"'{name}'" in said.stderr


def test_every_level_of_the_values_is_closed_but_what_others_define() -> None:
    """Kubernetes judges its own objects; `global` is shared with other charts."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))

    opened = {path for path, one in levels(schema) if one["additionalProperties"]}
    assert opened == {"global", "agent.updateStrategy", "aggregator.affinity"}


def levels(schema: Manifest, path: str = "") -> Iterator[tuple[str, Manifest]]:
    """Yield every object of values by its path; maps of strings have a name."""
    if schema.get("type") == "object":
        yield path, schema
    for name, one in schema.get("properties", {}).items():
        yield from levels(one, f"{path}.{name}".lstrip("."))


@pytest.mark.parametrize("port", ["9400", ":9400"])
def test_a_port_is_a_number_or_what_flags_call_an_address(port: str) -> None:
    """Both spellings are in use; they mean the same."""
    said = template("default", f"agent.port={port}")

    assert said.returncode == 0, said.stderr
    assert "containerPort: 9400" in said.stdout
    assert 'prometheus.io/port: "9400"' in said.stdout


@pytest.mark.parametrize("port", ["0", "65536", "http", ":", "-1"])
def test_what_is_no_port_is_refused(port: str) -> None:
    """Kubernetes would refuse it too, without saying whose it is."""
    said = template("default", f"agent.port={port}")

    assert said.returncode != 0
    assert "/agent/port" in said.stderr


def test_a_scrape_may_not_outlast_its_interval() -> None:
    """Prometheus refuses its whole configuration for it, later and elsewhere."""
    refused = template(
        "operator", "monitoring.interval=15s", "monitoring.scrapeTimeout=20s"
    )
    taken = template(
        "operator", "monitoring.interval=1m", "monitoring.scrapeTimeout=45s"
    )

    assert refused.returncode != 0
    assert "/monitoring/scrapeTimeout" in refused.stderr
    assert taken.returncode == 0, taken.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["aggregator.replicas=2"], "aggregator.postgresql.enabled"),
        (["aggregator.postgresql.enabled=true"], "aggregator.postgresql.url is empty"),
        (["aggregator.tls.enabled=true"], "aggregator.tls.secretName is empty"),
        (["agent.tls.enabled=true"], "agent.tls.secretName is empty"),
        (["rbac.scope=namespaces"], "rbac.namespaces is empty"),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_the_way_out(
    settings: list[str], words: str
) -> None:
    """Two writers of one file, a database without an address: said before it runs."""
    said = template("default", *settings)

    assert said.returncode != 0
    assert words in said.stderr


@pytest.mark.parametrize("address", ["docs/runbook.md", "https://wiki.example/x#y"])
def test_a_runbook_that_no_browser_opens_is_refused(address: str) -> None:
    """Alerts add the anchor, and a path leads nowhere from a phone."""
    said = template("default", f"monitoring.runbookUrl={address}")

    assert said.returncode != 0
    assert "/monitoring/runbookUrl" in said.stderr


def test_a_password_does_not_belong_into_the_values() -> None:
    """Values are stored in a Secret that many may read, and in people's shells."""
    said = template(
        "postgres", "aggregator.postgresql.url=postgresql://goodput:secret@db/goodput"
    )

    assert said.returncode != 0
    assert "/aggregator/postgresql/url" in said.stderr


def test_every_setting_of_the_programs_can_be_set() -> None:
    """The chart hides none of them, and each keeps its name."""
    for key, field in FIELDS.items():
        if key != "stall.factor":
            continue
        said = template("default", f"settings.{key.replace('.', chr(92) + '.')}=7")

        assert said.returncode == 0, said.stderr
        assert (
            said.stdout.count(f'- name: {field.variable}\n              value: "7"')
            == 2
        )


def test_the_settings_of_one_program_override_those_of_both() -> None:
    """The narrower one is what was meant."""
    said = template(
        "default", r"settings.log\.level=debug", r"agent.settings.log\.level=error"
    )

    assert said.stdout.count('value: "debug"') == 1
    assert said.stdout.count('value: "error"') == 1


def test_every_value_says_what_it_is_for() -> None:
    """A value without a comment stops the generator."""
    found = values((CHART / "values.yaml").read_text(encoding="utf-8"))

    assert len(found) > 100
    assert all(value.meaning for value in found)
    with pytest.raises(ValueError, match=r"a\.b has no comment"):
        values("a:\n  b: 1\n")


def test_helm_finds_nothing_wrong_with_the_chart() -> None:
    """Its own linter, strict."""
    said = helm("lint", "--strict", str(CHART))

    assert said.returncode == 0, said.stdout
