"""The page of alerts and recording rules, from the rules themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dashboards.rules.inhibitions import INHIBITIONS
from dashboards.rules.recording import LEVELS, PARTS, WINDOWS
from dashboards.rules.rule import Alert
from dashboards.rules.written import GROUPS

HEAD: Final = """\
# Alerts and recording rules

<!-- Generated from the code; run `make docs`, do not edit. -->

The files are in `dashboards/generated`: `rules.yaml` for Prometheus and vmalert,
`prometheusrule.yaml` for Prometheus' operator, and `alertmanager-inhibitions.yaml` to
put into Alertmanager's configuration. What each alert means and what to do is in the
[runbook](../runbook.md). Every alert has been seen to fire, and a healthy day to be
silent, in promtool's unit tests.
"""
TITLES: Final = {
    "goodput-outcome": "Outcome",
    "goodput-runs": "Runs",
    "goodput-gpus": "GPUs and nodes",
    "goodput-exporter": "The exporter itself",
}


def render() -> str:
    """Return the page."""
    return "\n".join([HEAD, *_alerts(), *_inhibitions(), *_recordings()])


def _alerts() -> Iterator[str]:
    for group in GROUPS:
        if group.name not in TITLES:
            continue
        yield f"## {TITLES[group.name]}\n"
        yield "| alert | severity | lasting | it says |"
        yield "| --- | --- | --- | --- |"
        alerts = [rule for rule in group.rules if isinstance(rule, Alert)]
        for alert in alerts:
            link = f"[`{alert.name}`](../runbook.md#{alert.name.lower()})"
            said = alert.told.replace("|", "\\|")
            yield f"| {link} | {alert.severity} | {alert.lasting} | {said} |"
        yield ""
        for alert in alerts:
            yield f"`{alert.name}`:\n"
            yield f"```promql\n{alert.expr}\n```\n"


def _inhibitions() -> Iterator[str]:
    yield "## Inhibitions\n"
    yield "| while this fires | these are silent | of the same | because |"
    yield "| --- | --- | --- | --- |"
    for one in INHIBITIONS:
        silent = ", ".join(f"`{name}`" for name in one.targets)
        equal = ", ".join(f"`{name}`" for name in one.equal)
        yield f"| `{one.source}` | {silent} | {equal} | {one.why} |"
    yield ""


def _recordings() -> Iterator[str]:
    yield "## Recording rules\n"
    yield (
        "Ratios are ratios of sums of sealed counters. The label `layer` says which: "
        + ", ".join(f"`{name}`" for name in PARTS)
        + ". Model and overall ratios need peak FLOP/s, which no counter has; "
        "`goodput_run_ratio` has them.\n"
    )
    yield "| windows | ratios | GPU time by state | badput by cause |"
    yield "| --- | --- | --- | --- |"
    windows = ", ".join(WINDOWS)
    for level in LEVELS:
        names = (level.ratio("…"), level.increase("…"), level.causes("…"))
        yield f"| {windows} | " + " | ".join(f"`{name}`" for name in names) + " |"
    yield ""
