"""A sheet as one HTML file that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from goodput_exporter import __version__
from goodput_exporter.analysis.figures import (
    LAYER_NAME,
    STATE_NAME,
    duration,
    percent,
    shown,
)
from goodput_exporter.analysis.money import NS_PER_HOUR
from goodput_exporter.analysis.rounding import rounded
from goodput_exporter.domain.states import RunState
from goodput_exporter.report import energy_lines, pictures, telling
from goodput_exporter.report.account import Line, hours_decimals
from goodput_exporter.report.comparing import Comparison, Difference
from goodput_exporter.report.group_lines import HEADS, KIND_NAME, group_lines
from goodput_exporter.report.sheet import Sheet
from goodput_exporter.report.words import (
    CAUSE_NAME,
    RATIO_NAME,
    amount,
    gpu_hours,
    points,
    second,
)

GOOD_STATES: Final = frozenset({RunState.PRODUCTIVE.value, RunState.EVALUATING.value})

_templates: Final = Environment(
    loader=PackageLoader("goodput_exporter.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def html(made: Sheet) -> str:
    """Return a report as one self-contained page."""
    return _templates.get_template("report.html").render(**_told(made))


def _told(made: Sheet) -> dict[str, Any]:
    told, rest = telling.incidents(made)
    whole = made.whole
    return {
        "css": _css(),
        "version": __version__,
        "subject": shown(made.subject),
        "view": made.view.value,
        "view_words": telling.VIEW_WORDS[made.view],
        "begins": second(made.window.start_ns),
        "ends": second(made.window.end_ns),
        "headline": telling.headline(made),
        "facts": _facts(made),
        "currency": whole.currency,
        "pictures": {
            "timeline": pictures.timeline(made),
            "waterfall": pictures.waterfall(whole.ratios),
            "causes": pictures.badput_by_cause(made),
            "trend": pictures.goodput_trend(made),
        },
        "states": [_state(line, whole.states) for line in whole.states],
        "causes": [
            _cause(line, whole.causes, pictures.cause_kind(line.name, place))
            for place, line in enumerate(sorted(whole.causes, key=lambda c: -c.gpu_ns))
        ],
        "total": _line(whole.total),
        "lost": _line(whole.lost),
        "terms": telling.terms(made),
        "ledger_words": telling.ledger_words(made),
        "incidents": told,
        "incident_rest": rest,
        "incident_count": made.incidents,
        "reliability": telling.reliability_words(made.reliability, made),
        "advice": made.advice,
        "energy_heads": energy_lines.HEADS,
        "energy_tables": [
            (what, lines)
            for what, lines in (
                ("State", energy_lines.state_lines(made)),
                ("Cause", energy_lines.cause_lines(made)),
            )
            if lines
        ],
        "energy_words": energy_lines.energy_words(made),
        "comparison": None if made.comparison is None else _compared(made.comparison),
        "group_kind": "" if made.group_by is None else KIND_NAME[made.group_by],
        "group_heads": HEADS,
        "groups": [[shown(cell) for cell in row] for row in group_lines(made)],
        "runs": _runs(made) if len(made.parts) > 1 else [],
        "goodput": percent(whole.ratios.goodput),
        "doubts": made.doubts,
    }


def _css() -> Markup:
    source, _, _ = PackageLoader("goodput_exporter.report").get_source(
        _templates, "report.css"
    )
    return Markup(source)  # noqa: S704 - our own file, with nothing of a sender in it


def _facts(made: Sheet) -> list[dict[str, str]]:
    layers = made.whole.ratios
    shown_facts = [
        ("Goodput", layers.goodput, "of observed GPU time"),
        ("Available", layers.infrastructure, "infrastructure"),
        ("Doing new steps", layers.framework, "of available time"),
        ("ETTR", layers.ettr, "queueing counted"),
        ("Coverage", layers.coverage, "of the time was observed"),
    ]
    facts = [
        {"name": name, "value": percent(ratio), "note": note}
        for name, ratio, note in shown_facts
    ]
    hours = gpu_hours(made.bad_gpu_ns, 1)
    lost = {"name": "Lost", "value": hours, "note": "GPU-hours"}
    if made.whole.lost.cost is not None:
        lost["note"] = (
            f"GPU-hours, {amount(made.whole.lost.cost)} {made.whole.currency}"
        )
    return [*facts, lost]


def _line(line: Line) -> dict[str, str]:
    return {
        "hours": amount(line.gpu_hours),
        "percent": amount(line.percent),
        "cost": amount(line.cost),
    }


def _row(line: Line, lines: tuple[Line, ...]) -> dict[str, str]:
    largest = max((one.gpu_ns for one in lines), default=0)
    width = 100 * line.gpu_ns / largest if largest else 0
    return _line(line) | {"width": f"{width:.1f}"}


def _state(line: Line, lines: tuple[Line, ...]) -> dict[str, str]:
    return _row(line, lines) | {
        "name": STATE_NAME[line.name],
        "layer": LAYER_NAME[line.layer or "none"],
        "kind": _kind(line.name),
    }


def _cause(line: Line, lines: tuple[Line, ...], kind: str) -> dict[str, str]:
    return _row(line, lines) | {
        "name": CAUSE_NAME[line.name],
        "layer": "",
        "kind": kind,
    }


def _kind(state: str) -> str:
    return f"state-{state.replace('_', '-')}"


def _runs(made: Sheet) -> list[dict[str, str]]:
    return [
        {
            "name": shown(name),
            "goodput": goodput,
            "incidents": incidents,
            "lost": lost,
            "hours": hours,
            "cost": cost,
        }
        for name, goodput, incidents, lost, hours, cost in telling.run_lines(made)
    ]


def _compared(found: Comparison) -> dict[str, Any]:
    first, second = found.first, found.second
    hours = [_hours(found, place) for place in (0, 1)]
    facts = [
        ("interruptions", str(first.interruptions), str(second.interruptions)),
    ]
    if first.mtti is not None and second.mtti is not None:
        means = [duration(side.mtti.seconds) for side in (first, second) if side.mtti]
        few = any(side.mtti.too_few for side in (first, second) if side.mtti)
        name = "mean time to interruption" + (" (too few)" if few else "")
        facts.append((name, means[0], means[1]))
    return {
        "first": shown(first.label),
        "second": shown(second.label),
        "ratios": [_difference(line, more_is_better=True) for line in found.ratios],
        "facts": [{"name": n, "first": a, "second": b} for n, a, b in facts],
        "states": [
            _difference(line, more_is_better=line.name in GOOD_STATES)
            | {
                "kind": _kind(line.name),
                "first_hours": amount(hours[0][line.name]),
                "second_hours": amount(hours[1][line.name]),
            }
            for line in found.states
        ],
        "first_hours": _foot(first.account.total_gpu_ns),
        "second_hours": _foot(second.account.total_gpu_ns),
    }


def _foot(total_gpu_ns: int) -> str:
    return gpu_hours(total_gpu_ns, hours_decimals(total_gpu_ns))


def _hours(found: Comparison, place: int) -> dict[str, Decimal]:
    """Round one column of the states, so that it sums to its foot."""
    gpu_ns = {line.name: line.gpu_ns[place] for line in found.states if line.gpu_ns}
    digits = hours_decimals(sum(gpu_ns.values()))
    return rounded(gpu_ns, per_unit=NS_PER_HOUR, decimals=digits)


def _difference(line: Difference, *, more_is_better: bool) -> dict[str, str]:
    return {
        "name": RATIO_NAME.get(line.name, line.name.replace("_", " ")),
        "first": percent(line.first),
        "second": percent(line.second),
        "change": points(line.change),
        "sense": telling.sense(line.change, more_is_better=more_is_better),
    }
