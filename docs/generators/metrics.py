"""Writes docs/reference/metrics.md from the catalogue."""

from __future__ import annotations

from itertools import groupby

from goodput_exporter.exposition.catalogue import CATALOGUE
from goodput_exporter.exposition.metric import Metric

INTRODUCTION = """\
# Metrics

Every metric that `/metrics` exports, in the text format 0.0.4. This page is
generated from the `*_metrics.py` modules in `src/goodput_exporter/exposition/`;
change those.

- A value that was not measured is absent. `0` is a measurement.
- Counters of GPU time hold sealed time only: they never go back. What is not
  sealed yet shows in gauges; `goodput_run_open_seconds` is its length.
- GPU time is in device-seconds, printed to the nanosecond.
- No metric carries a label that Prometheus sets on the target (`job`,
  `instance`, `pod`, `namespace`, `node`, `container`).
- A run has 19 series of GPU time by state, up to 36 ratios (9 per window), one
  per cause seen, and about 20 more.
- *stable* keeps its name, labels and meaning within a major version; *beta* may
  change with one release of overlap; *alpha* may change at once.
"""

TITLES = {
    "goodput_run": "Runs",
    "goodput_gpu": "GPUs of the node",
    "goodput_nvml": "GPUs of the node",
    "process": "The process",
}
OTHER_TITLE = "The exporter"


def render() -> str:
    """Return the whole page, as Markdown."""
    parts = [INTRODUCTION]
    titles = list(dict.fromkeys(map(_title, CATALOGUE)))
    by_title = sorted(CATALOGUE, key=lambda metric: titles.index(_title(metric)))
    for title, metrics in groupby(by_title, _title):
        parts.append(f"\n## {title}\n")
        parts.extend(_entry(metric) for metric in metrics)
    return "".join(parts)


def _title(metric: Metric) -> str:
    starts = (s for s in TITLES if metric.name.startswith(f"{s}_"))
    if metric.name.startswith("goodput_node_gpus"):
        return TITLES["goodput_gpu"]
    return TITLES.get(next(starts, ""), OTHER_TITLE)


def _entry(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    unit = f" in {metric.unit}" if metric.unit else ""
    return (
        f"\n### `{metric.name}`\n\n{metric.help}\n\n"
        f"- {metric.kind.value}{unit}, {metric.stability.value}, "
        f"since {metric.since}\n- labels: {labels}\n"
    )
