"""What the page of one run says, in words and figures ready to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goodput_exporter.analysis.figures import (
    ABSENT,
    LAYER_NAME,
    STATE_NAME,
    lasting,
    percent,
    shown,
)
from goodput_exporter.domain.snapshot import Incident, RunView
from goodput_exporter.domain.states import LAYER_OF, Layer, RunState
from goodput_exporter.exposition.addresses import address
from goodput_exporter.exposition.web import words
from goodput_exporter.exposition.web.charts import (
    chart_data,
    merged,
    steps,
    waterfall,
)
from goodput_exporter.exposition.web.headline import headline, observed_wall_ns
from goodput_exporter.exposition.web.rows import state_mark
from goodput_exporter.exposition.web.summary import first_thing
from goodput_exporter.exposition.windows import Reading, book

MOST_ROWS = 500
"""Rows of the segment table; the API has all of them."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One line of the ranking: where GPU time went."""

    name: str
    css: str
    layer: str
    amount: str
    share: str
    per_mille: float


def run_page(view: RunView, reading: Reading) -> dict[str, Any]:
    """Return everything that the page of one run prints and draws."""
    unit = loss_unit(reading, gpus=view.devices_are_gpus)
    return {
        "name": shown(view.key.run),
        "place": f"{shown(view.key.cluster)} / {shown(view.key.namespace)}",
        "url": address(view.key),
        "view": view,
        "state": state_mark(view),
        "why": shown(view.why),
        "first": first_thing(view),
        "window": reading.window,
        "span": reading.span,
        "life": lasting(book(view).length_ns),
        "devices": words.devices(view.asked_devices, gpus=view.devices_are_gpus),
        "headline": headline(view, reading),
        "chart": chart_data(view, reading),
        "waterfall": waterfall(reading.layers),
        "losses": losses(reading, unit),
        "causes": causes(reading, unit),
        "unit": unit.name,
        "facts": facts(view, reading),
        "incidents": [_incident(view, incident) for incident in view.incidents],
        "sum": sum_sentence(view, reading),
        "adds_up": reading.adds_up,
        "rests_on": rests_on(view, reading),
        "segments": _segments(view, reading),
        "more_segments": max(0, len(merged(reading.segments)) - MOST_ROWS),
        "legend": _legend(reading),
    }


def loss_unit(reading: Reading, *, gpus: bool) -> words.Unit:
    """Return the unit that all lines of the ranking share."""
    return words.unit_for(max(_lost(reading).values(), default=0), gpus=gpus)


def losses(reading: Reading, unit: words.Unit) -> list[Loss]:
    """
    Rank where the window's GPU time went, the largest loss first.

    Shares are of the observed time, as in the ratios; what lies outside them
    (queued, unobserved) is listed last and has no share.
    """
    wall_ns = observed_wall_ns(reading)
    lost = _lost(reading)
    largest = max(lost.values(), default=1)
    return [
        Loss(
            name=STATE_NAME[state],
            css=words.STATE_CLASS[state],
            layer=LAYER_NAME[LAYER_OF[state]],
            amount=unit.number(gpu_ns),
            share=percent(gpu_ns / wall_ns) if _is_inside(state) else "",
            per_mille=1000 * gpu_ns / largest,
        )
        for state, gpu_ns in sorted(
            lost.items(), key=lambda item: (not _is_inside(item[0]), -item[1])
        )
    ]


def causes(reading: Reading, unit: words.Unit) -> list[dict[str, str]]:
    """Rank the window's badput by what caused it; one line alone says nothing."""
    known = {c: ns for c, ns in reading.account.bad_gpu_ns.items() if ns > 0}
    return [
        {"name": words.CAUSE_NAME[cause], "amount": unit.number(gpu_ns)}
        for cause, gpu_ns in sorted(known.items(), key=lambda item: -item[1])
    ]


def facts(view: RunView, reading: Reading) -> list[dict[str, Any]]:
    """Return the few figures that stand on their own, with what they mean."""
    exposure = ABSENT
    if view.exposure_gpu_ns is not None:
        exposure = words.gpu_time(view.exposure_gpu_ns, gpus=view.devices_are_gpus)
    # A figure and its unit are set apart: the figure is what the eye looks for.
    found = [
        ("Exposure", exposure, "what a crash now would cost"),
        ("Durable step", _number(view.durable_step), _saved(view)),
        ("Step", _number(view.step), f"highest so far {_number(view.high_water_step)}"),
        ("Restarts", _number(sum(view.restarts.values())), _restarts(view)),
    ]
    if view.reference_step_ns is not None:
        pace = lasting(view.reference_step_ns)
        found.append(("Step time", pace, "reference; above it is slow"))
    if view.model.mfu is not None:
        mfu = percent(reading.layers.model or view.model.mfu)
        convention = view.model.convention or "unknown"
        found.append(("MFU", mfu, f"model FLOPs, {convention} convention"))
    return [
        {"name": name, "value": words.split_unit(value), "note": note}
        for name, value, note in found
    ]


def sum_sentence(view: RunView, reading: Reading) -> str:
    """Return the sum that proves the account, or by how much it fails."""
    total = words.exact_seconds(reading.account.total_gpu_ns)
    word = "GPU" if view.devices_are_gpus else "device"
    product = " + ".join(
        f"{words.exact_seconds(term.wall_ns)} s × "
        f"{words.devices(term.devices, gpus=view.devices_are_gpus)}"
        for term in reading.terms
    )
    if not reading.terms:
        return "Nothing is booked in this window yet."
    if reading.adds_up:
        return f"The states add up to {product} = exactly {total} {word}-seconds."
    gap = words.exact_seconds(
        abs(reading.account.total_gpu_ns - reading.expected_gpu_ns)
    )
    return (
        f"The states sum to {total} {word}-seconds, {gap} off {product}. "
        "The run changed its size, or part of the window is no longer held here; "
        "the ledger has every segment."
    )


def rests_on(view: RunView, reading: Reading) -> list[dict[str, str]]:
    """Return what a reader must know to trust the figures."""
    found = [
        ("Source", words.SOURCE_SENTENCE.get(view.source, shown(view.source))),
        ("Coverage", f"{percent(reading.layers.coverage)} of the time was seen."),
        (
            "Open tail",
            f"The last {lasting(view.tail_ns)} may still change.",
        ),
        (
            "Ranks",
            f"{view.ranks_reporting} of {view.ranks_expected} report; "
            + (
                "the kernel vouches for each sender."
                if view.verified
                else "not every sender is verified."
            ),
        ),
    ]
    if view.upper_bound:
        bound = "Redone steps cannot be seen, so goodput is at most what is shown."
        found.append(("Upper bound", bound))
    if not view.devices_are_gpus:
        found.append(("Devices", "A rank without a GPU counts as one device."))
    if view.model.mfu is not None:
        peak = shown(view.model.peak_source)
        found.append(("Peak", f"{shown(view.model.gpu_model or 'unknown')}: {peak}."))
    if not reading.complete:
        found.append(("Timeline", "Its older part is in the ledger, not on this page."))
    found += [("Note", _sentence(shown(note))) for note in _other_notes(view)]
    return [{"name": name, "text": text} for name, text in found]


def _lost(reading: Reading) -> dict[RunState, int]:
    return {
        state: gpu_ns
        for state, gpu_ns in reading.account.gpu_ns.items()
        if state is not RunState.PRODUCTIVE and gpu_ns > 0
    }


def _other_notes(view: RunView) -> list[str]:
    return [n for n in view.notes if "rank without a GPU" not in n]


def _legend(reading: Reading) -> list[dict[str, str]]:
    order = [state for state in RunState if reading.account.gpu_ns.get(state)]
    order.sort(key=lambda state: -reading.account.gpu_ns[state])
    return [
        {"name": STATE_NAME[state], "css": words.STATE_CLASS[state]} for state in order
    ]


def _segments(view: RunView, reading: Reading) -> list[dict[str, Any]]:
    return [
        {
            "name": STATE_NAME[segment.state],
            "css": words.STATE_CLASS[segment.state],
            "from_ns": segment.span.start_ns,
            "to_ns": segment.span.end_ns,
            "length": lasting(segment.span.length_ns),
            "gpu_time": words.gpu_time(segment.gpu_ns, gpus=view.devices_are_gpus),
            "cause": words.CAUSE_NAME[segment.cause] if segment.incident else "",
            "steps": steps(segment),
        }
        for segment in reversed(merged(reading.segments)[-MOST_ROWS:])
    ]


def _incident(view: RunView, incident: Incident) -> dict[str, Any]:
    back_ns = incident.recovered_ns
    took = None if back_ns is None else lasting(back_ns - incident.began_ns)
    cost_ns = sum(incident.gpu_ns.values())
    return {
        "number": incident.number,
        "at_ns": incident.detected_ns,
        "cause": words.CAUSE_NAME[incident.cause],
        "rule": incident.rule,
        "evidence": [shown(line) for line in incident.evidence],
        "took": took or "not yet recovered",
        "how": "" if incident.how is None else words.HOW_PHRASE[incident.how],
        "lost_steps": _number(incident.lost_steps),
        "cost": words.gpu_time(cost_ns, gpus=view.devices_are_gpus),
        "parts": _parts(incident.gpu_ns),
    }


def _parts(gpu_ns: Mapping[RunState, int]) -> str:
    total = sum(gpu_ns.values())
    ranked = sorted(gpu_ns.items(), key=lambda item: -item[1])
    return ", ".join(
        f"{STATE_NAME[state]} {percent(ns / total, 0)}"
        for state, ns in ranked
        if ns > 0
    )


def _saved(view: RunView) -> str:
    if view.saved_step is None:
        return "no checkpoint reported yet"
    return f"last saved {_number(view.saved_step)}"


def _restarts(view: RunView) -> str:
    by_cause: dict[str, int] = {}
    for (_, cause), count in view.restarts.items():
        name = words.CAUSE_NAME[cause]
        by_cause[name] = by_cause.get(name, 0) + count
    ranked = sorted(by_cause.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} × {name}" for name, count in ranked) or "none so far"


def _number(value: int | None) -> str:
    return ABSENT if value is None else f"{value:,}"


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _is_inside(state: RunState) -> bool:
    return LAYER_OF[state] not in (Layer.OUTSIDE, Layer.NONE)
