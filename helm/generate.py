"""
Writes the chart's files that follow from elsewhere; ``--check`` names stale ones.

Roles come from the code's own table of kinds, the schema and the tables of values
from ``values.yaml`` and its comments, dashboards and rules from ``dashboards/``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import yaml

from goodput_exporter.config.places import load
from goodput_exporter.services.following import CLUSTER_WIDE
from goodput_exporter.services.rbac import cluster_rules, own_rules
from goodput_exporter.sources.workloads.table import TABLE, rbac
from helm.chart_values import Value, schema, values

HERE: Final = Path(__file__).resolve().parent
CHART: Final = HERE / "goodput-exporter"
DASHBOARDS: Final = HERE.parent / "dashboards/generated"

LONGEST_DEFAULT: Final = 60
"""A longer one would make the table unreadable."""

LEASE: Final = "NAME"
"""Stands for the release's own name, which the template puts in its place."""

AS_INSTALLED: Final = {
    "GOODPUT_EXPORTER_AGGREGATOR_LEASE": LEASE,
    "GOODPUT_EXPORTER_INGEST_AUDIENCE": "any",
}
"""What the chart always sets, as far as it takes rights."""
READERS: Final = {"GOODPUT_EXPORTER_EXPOSITION_READERS": "kubernetes"}

README: Final = """\
# The chart goodput-exporter

<!-- The table is generated from values.yaml; run `make docs`, do not edit. -->

    helm install goodput-exporter helm/goodput-exporter -n goodput --create-namespace

That is all: no value has to be set. It installs an agent on each GPU node and one
aggregator with its ledger on a volume. Its notes say what to check next.

The namespace needs the Pod Security level `privileged` if it enforces one, because
agents mount folders of their hosts; the aggregator is content with `restricted`. What
each right is for stands in [SECURITY.md](../../SECURITY.md).

| what for | values |
| --- | --- |
"""

AFTER_EXAMPLES: Final = """
## Values

A key that is not listed is refused by its name,
but for those below `global`, which charts share.

| value | default | meaning |
| --- | --- | --- |
"""


def roles() -> str:
    """
    Return the rules of the chart's roles, as the code that needs them says.

    Agents are in the release's own namespace, so what is asked of their pods is not
    granted elsewhere.
    """
    table = rbac()
    installed = load(environ=AS_INSTALLED)
    asking = cluster_rules(installed)[len(table) :]
    readers = cluster_rules(load(environ={**AS_INSTALLED, **READERS}))[len(table) :]
    rules = {
        "cluster": rbac(one for one in TABLE if one.plural in CLUSTER_WIDE),
        "namespaced": rbac(one for one in TABLE if one.plural not in CLUSTER_WIDE),
        "own": [*own_rules(installed), *(one for one in asking if _is_of_pods(one))],
        "tokens": [one for one in asking if not _is_of_pods(one)],
        "readers": [one for one in readers if one not in asking],
    }
    head = "# Generated from the code's table of kinds; run `make docs`, do not edit.\n"
    return head + yaml.safe_dump(rules, sort_keys=True, default_flow_style=None)


def _is_of_pods(rule: Mapping[str, list[str]]) -> bool:
    return rule["resources"] == ["pods"]


def images(found: list[Value]) -> str:
    """Return every image that the chart can pull, one a line, for mirrors."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    [name] = [one.default for one in found if one.path == ("image", "repository")]
    return f"{name}:{chart['appVersion']}\n"


def rows(found: list[Value]) -> Iterator[str]:
    """Yield a table's row for each value."""
    for value in found:
        default = json.dumps(value.default)
        shown = f"`{default}`" if len(default) <= LONGEST_DEFAULT else "see values.yaml"
        meaning = value.meaning.replace("|", "\\|")
        yield f"| `{'.'.join(value.path)}` | {shown} | {meaning} |"


def examples() -> Iterator[str]:
    """Yield a row for each example of values, by the comment at its head."""
    for path in sorted((CHART / "ci").glob("*-values.yaml")):
        head = path.read_text(encoding="utf-8").splitlines()
        said = [line.removeprefix("#").strip() for line in head if line[:1] == "#"]
        yield f"| {' '.join(said)} | [{path.name}](ci/{path.name}) |"


def files() -> dict[Path, str]:
    """Return what every generated file should hold, by its path."""
    found = values((CHART / "values.yaml").read_text(encoding="utf-8"))
    lines = [*examples(), AFTER_EXAMPLES.rstrip("\n"), *rows(found)]
    wanted = {
        CHART / "README.md": README + "\n".join(lines) + "\n",
        CHART / "values.schema.json": json.dumps(schema(found), indent=1) + "\n",
        CHART / "files/roles.yaml": roles(),
        CHART / "images.txt": images(found),
    }
    for path in sorted(DASHBOARDS.glob("*.json")):
        copy = CHART / "files/dashboards" / path.name
        wanted[copy] = path.read_text(encoding="utf-8")
    rules = DASHBOARDS / "rules.yaml"
    if rules.exists():
        wanted[CHART / "files/rules.yaml"] = rules.read_text(encoding="utf-8")
    return wanted


def stale(wanted: Mapping[Path, str]) -> list[Path]:
    """Return the files that are missing, say something else, or should not be."""
    known = {*(CHART / "files").rglob("*.json"), *(CHART / "files").rglob("*.yaml")}
    differing = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    return [*differing, *sorted(known - set(wanted))]


def main(argv: list[str]) -> int:
    """Write what is stale, or return 1 if ``--check`` found any."""
    wanted = files()
    found = stale(wanted)
    if argv == ["--check"]:
        for path in found:
            print(f"{path.relative_to(HERE.parent)} is stale; run `make docs`")
        return 1 if found else 0
    for path in found:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
        print(f"wrote {path.relative_to(HERE.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
