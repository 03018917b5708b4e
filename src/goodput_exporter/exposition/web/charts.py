"""What the charts draw, as plain data; the same figures stand in the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from goodput_exporter.analysis.figures import STATE_NAME, lasting, percent, shown
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.snapshot import Incident, RunView
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.exposition.web.words import (
    CAUSE_NAME,
    STATE_CLASS,
    gpu_time,
)
from goodput_exporter.exposition.windows import Reading

MOST_BARS: Final = 600
"""More than a wide screen can tell apart; a finer timeline is drawn in bins."""

MOST_IN_STRIP: Final = 150
"""The list's bars are small, and there are many of them on one page."""

NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Bar:
    """
    One floating bar of the waterfall, in shares of all asked GPU time.

    Args:
        label: What it is.
        low, high: Where it floats, from 0.0 to 1.0.
        kind: ``"whole"``, ``"loss"`` or ``"rest"``.
        layer: Whose loss it is, for the colour.
    """

    label: str
    low: float
    high: float
    kind: str
    layer: str = ""

    @property
    def text(self) -> str:
        """Return its length, with a minus where it is a loss."""
        share = percent(self.high - self.low)
        return f"−{share}" if self.kind == "loss" else share


def waterfall(layers: LayerRatios) -> list[Bar]:
    """
    Break 100 % down to the fraction that is left, layer by layer.

    Without FLOPs the model layer is its pace alone (time goodput); with them
    a last bar takes off the part of the hardware's peak that was not used.
    """
    infrastructure, framework = layers.infrastructure, layers.framework
    if infrastructure is None or layers.goodput is None:
        return []
    stepping = infrastructure * (framework or 0.0)
    bars = [
        Bar("Asked for", 0.0, 1.0, "whole"),
        Bar("Infrastructure", infrastructure, 1.0, "loss", "infrastructure"),
        Bar("Framework", stepping, infrastructure, "loss", "framework"),
        Bar("Model: slow steps", layers.goodput, stepping, "loss", "model"),
        Bar("Goodput", 0.0, layers.goodput, "rest"),
    ]
    if layers.overall is None:
        return bars
    low, high = sorted((layers.overall, layers.goodput))
    unused = Bar("Model: unused peak", low, high, "loss", "peak")
    return [*bars, unused, Bar("Overall", 0.0, layers.overall, "rest")]


def merged(segments: Iterable[Segment]) -> list[Segment]:
    """
    Join neighbours that differ in nothing a reader of the bar can see.

    What is ``degraded`` lies beside another state, so it comes after the rest.
    """
    joined: list[Segment] = []
    for segment in sorted(segments, key=_track):
        last = joined[-1] if joined else None
        if last is not None and _same(last, segment):
            span = Span(last.span.start_ns, segment.span.end_ns)
            numbers = (
                last.first_step,
                last.last_step,
                segment.first_step,
                segment.last_step,
            )
            known = [number for number in numbers if number is not None]
            joined[-1] = replace(
                last,
                span=span,
                first_step=min(known, default=None),
                last_step=max(known, default=None),
            )
        else:
            joined.append(segment)
    return joined


def drawable(
    segments: Sequence[Segment], span: Span, most: int = MOST_BARS
) -> tuple[list[Segment], int]:
    """
    Return at most *most* segments for each row of the bar, and the bin in ns.

    A finer timeline is drawn in bins, each in the state that fills most of
    it; 0 means that nothing had to be left out. Only the picture is coarser.
    """
    joined = merged(segments)
    if len(joined) <= most:
        return joined, 0
    bin_ns = -(-span.length_ns // most)
    filled: dict[tuple[int, bool], dict[int, int]] = {}
    for index, segment in enumerate(joined):
        first = (segment.span.start_ns - span.start_ns) // bin_ns
        last = (segment.span.end_ns - 1 - span.start_ns) // bin_ns
        for number in range(first, last + 1):
            edge = _bin(span, number, bin_ns)
            inside = segment.span.clip(edge)
            apart = segment.state is RunState.DEGRADED
            longest = filled.setdefault((number, apart), {})
            longest[index] = 0 if inside is None else inside.length_ns
    bars = [
        replace(joined[max(found, key=found.__getitem__)], span=_bin(span, n, bin_ns))
        for (n, _), found in sorted(filled.items())
    ]
    return merged(bars), bin_ns


def strip(segments: Sequence[Segment], span: Span) -> list[dict[str, str]]:
    """Return the bar of one run for the list: positions per mille, and a class."""
    if span.length_ns == 0:
        return []
    bars, _ = drawable(segments, span, MOST_IN_STRIP)
    whole = [segment for segment in bars if segment.state is not RunState.DEGRADED]
    scale = 1000 / span.length_ns
    return [
        {
            "x": f"{(segment.span.start_ns - span.start_ns) * scale:.2f}",
            "width": f"{segment.span.length_ns * scale:.2f}",
            "class": STATE_CLASS[segment.state],
        }
        for segment in whole
    ]


def chart_data(view: RunView, reading: Reading) -> dict[str, Any]:
    """Return everything that the page's script draws, ready for JSON."""
    segments, bin_ns = drawable(reading.segments, reading.span)
    incidents = {incident.number: incident for incident in view.incidents}
    return {
        "from": reading.span.start_ns / NS_PER_MS,
        "to": reading.span.end_ns / NS_PER_MS,
        "bin": lasting(bin_ns) if bin_ns else None,
        "segments": [
            _segment(segment, view, incidents.get(segment.incident or 0))
            for segment in segments
        ],
        "waterfall": [
            {
                "label": bar.label,
                "low": bar.low * 100,
                "high": bar.high * 100,
                "kind": bar.kind,
                "layer": bar.layer,
                "text": bar.text,
            }
            for bar in waterfall(reading.layers)
        ],
    }


def _segment(
    segment: Segment, view: RunView, incident: Incident | None
) -> dict[str, Any]:
    evidence = [] if incident is None else [shown(e) for e in incident.evidence]
    return {
        "state": STATE_CLASS[segment.state],
        "name": STATE_NAME[segment.state],
        "cause": CAUSE_NAME[segment.cause] if segment.cause.value != "none" else "",
        "from": segment.span.start_ns / NS_PER_MS,
        "to": segment.span.end_ns / NS_PER_MS,
        "length": lasting(segment.span.length_ns),
        "gpu_time": gpu_time(segment.gpu_ns, gpus=view.devices_are_gpus),
        "steps": steps(segment),
        "evidence": "; ".join(evidence),
        "missing": segment.state is RunState.DEGRADED,
    }


def steps(segment: Segment) -> str:
    """Return which steps a segment holds, or nothing."""
    first, last = segment.first_step, segment.last_step
    if first is None or last is None:
        return ""
    return f"step {first}" if first == last else f"steps {first}–{last}"


def _bin(span: Span, number: int, bin_ns: int) -> Span:
    start_ns = span.start_ns + number * bin_ns
    return Span(start_ns, min(start_ns + bin_ns, span.end_ns))


def _track(segment: Segment) -> tuple[bool, Span]:
    return segment.state is RunState.DEGRADED, segment.span


def _same(one: Segment, other: Segment) -> bool:
    return (
        one.span.end_ns == other.span.start_ns
        and one.state is other.state
        and one.cause is other.cause
        and one.incident == other.incident
        and one.devices == other.devices
        and one.bridged == other.bridged
    )
