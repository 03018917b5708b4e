"""Incidents as plain fields: what the API answers, and what CSV and JSON hold."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from goodput_exporter.analysis.incident_record import IncidentRecord
from goodput_exporter.domain.spans import NS_PER_SECOND

COST_DECIMALS: Final = 6

Fields = dict[str, Any]

CSV_COLUMNS: Final = (
    "cluster",
    "namespace",
    "run",
    "number",
    "began",
    "detected",
    "returned",
    "recovered",
    "how",
    "cause",
    "rule",
    "evidence",
    "nodes",
    "first_node",
    "preempted_by",
    "waited_seconds",
    "restarted_seconds",
    "restored_seconds",
    "recomputed_seconds",
    "restored_step",
    "lost_steps",
    "lost_tokens",
    "gpu_seconds",
    "currency",
    "cost",
    "unpriced_gpu_seconds",
    "corrected_by",
    "note",
)
"""Lists are joined with a semicolon; GPU time by state is in the JSON only."""


def incident_fields(one: IncidentRecord) -> Fields:
    """
    Return one incident with values that JSON holds; None is not known.

    Seconds are text with nine digits, exact: a float would round them.
    """
    cost = one.cost
    return {
        "cluster": one.run.cluster,
        "namespace": one.run.namespace,
        "run": one.run.run,
        "number": one.number,
        "began": _instant(one.began_ns),
        "detected": _instant(one.detected_ns),
        "returned": _instant(one.returned_ns),
        "recovered": _instant(one.recovered_ns),
        "how": one.how,
        "cause": one.cause.value,
        "rule": one.rule,
        "evidence": list(one.evidence),
        "nodes": None if one.nodes is None else list(one.nodes),
        "first_node": one.first_node,
        "preempted_by": None if one.preempted_by is None else str(one.preempted_by),
        "waited_seconds": seconds(one.waited_ns),
        "restarted_seconds": seconds(one.restarted_ns),
        "restored_seconds": seconds(one.restored_ns),
        "recomputed_seconds": seconds(one.recomputed_ns),
        "restored_step": one.restored_step,
        "lost_steps": one.lost_steps,
        "lost_tokens": one.lost_tokens,
        "gpu_seconds": seconds(one.total_gpu_ns),
        "wall_seconds_by_state": {
            state.value: seconds(ns) for state, ns in one.wall_ns.items()
        },
        "gpu_seconds_by_state": {
            state.value: seconds(ns) for state, ns in one.gpu_ns.items()
        },
        "gpu_seconds_by_cause": {
            cause.value: seconds(ns) for cause, ns in one.by_cause.items()
        },
        "currency": None if cost is None else cost.currency,
        "cost": None if cost is None else _cost(one),
        "unpriced_gpu_seconds": None if cost is None else seconds(cost.unpriced_gpu_ns),
        "corrections": [
            {
                "at": _instant(fix.at_ns),
                "from_cause": fix.from_cause.value,
                "to_cause": fix.to_cause.value,
                "rule": fix.rule,
                "by": fix.by,
                "note": fix.note,
            }
            for fix in one.corrections
        ],
    }


def incidents_json(records: Iterable[IncidentRecord]) -> str:
    """Return incidents as JSON, one object a line."""
    lines = [
        json.dumps(incident_fields(one), ensure_ascii=False, separators=(",", ":"))
        for one in records
    ]
    return "".join(f"{line}\n" for line in lines)


def incidents_csv(records: Iterable[IncidentRecord]) -> str:
    """Return incidents as CSV with a header; what is not known is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for one in records:
        fields = incident_fields(one)
        by_person = [fix for fix in one.corrections if fix.by]
        fields["evidence"] = "; ".join(one.evidence)
        fields["nodes"] = None if one.nodes is None else "; ".join(one.nodes)
        fields["corrected_by"] = "; ".join(fix.by for fix in by_person)
        fields["note"] = "; ".join(fix.note for fix in by_person)
        writer.writerow({name: fields[name] for name in CSV_COLUMNS})
    return text.getvalue()


def seconds(ns: int) -> str:
    """Write nanoseconds as seconds with all nine digits."""
    whole, fraction = divmod(ns, NS_PER_SECOND)
    return f"{whole}.{fraction:09d}"


def _cost(one: IncidentRecord) -> str | None:
    amount = None if one.cost is None else one.cost.amount(COST_DECIMALS)
    return None if amount is None else f"{amount:f}"


def _instant(at_ns: int | None) -> str | None:
    if at_ns is None:
        return None
    whole, fraction = divmod(at_ns, NS_PER_SECOND)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:09d}Z"
