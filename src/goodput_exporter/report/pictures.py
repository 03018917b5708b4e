"""
A report's pictures as shapes: where each bar lies, how wide it is, what it is called.

The page draws them as inline SVG, without a script, so that a report prints, lies in
an archive for years and opens where no script may run. All positions are in the
units of the picture's own view box.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from goodput_exporter.analysis.figures import STATE_NAME, percent
from goodput_exporter.analysis.stretches import Stretch
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.report.shapes import WIDTH, Box, Key, Picture, Text
from goodput_exporter.report.sheet import Part, Sheet
from goodput_exporter.report.trends import name_of
from goodput_exporter.report.words import CAUSE_NAME, gpu_hours, minute

LEFT: Final = 190
"""Room for the names at the left of horizontal bars."""
AXIS: Final = 64
"""Room for the figures at the left of columns."""
ROW: Final = 38
STRIP: Final = 34
BARS: Final = 480
"""A timeline of more bars than that is drawn in bins: nobody sees half a pixel."""
PLOT: Final = 200
"""Height of a picture of columns."""
CAUSES: Final = 7
THE_REST: Final = "cause-rest"
"""Causes with a colour of their own; the eighth is all others."""
STRIPS: Final = 12
LABELS: Final = 8
EDGE: Final = 45
"""So near to the right edge a label would not fit around its middle."""


def waterfall(layers: LayerRatios) -> Picture | None:
    """Break 100 % down to goodput, layer by layer; None where nothing was observed."""
    infrastructure, framework = layers.infrastructure, layers.framework
    if infrastructure is None or layers.goodput is None:
        return None
    stepping = infrastructure * (framework or 0.0)
    bars = [
        ("Asked for", 0.0, 1.0, "whole"),
        ("Infrastructure", infrastructure, 1.0, "loss-infrastructure"),
        ("Framework", stepping, infrastructure, "loss-framework"),
        ("Slow steps", layers.goodput, stepping, "loss-model"),
        ("Goodput", 0.0, layers.goodput, "goodput"),
    ]
    if layers.overall is not None:
        low, high = sorted((layers.overall, layers.goodput))
        bars += [
            ("Unused peak", low, high, "loss-peak"),
            ("Overall (MFU)", 0.0, layers.overall, "goodput"),
        ]
    boxes: list[Box] = []
    texts: list[Text] = []
    scale = WIDTH - LEFT - 90
    for row, (name, low, high, kind) in enumerate(bars):
        y = row * ROW
        share = percent(high - low)
        is_loss = kind.startswith("loss")
        told = f"−{share}" if is_loss and high > low else share
        width = max((high - low) * scale, 1.5)
        boxes.append(
            Box(LEFT + low * scale, y + 5, width, ROW - 10, kind, f"{name}: {told}")
        )
        texts.append(Text(LEFT - 12, y + ROW / 2 + 5, name, "end"))
        texts.append(
            Text(LEFT + high * scale + 8, y + ROW / 2 + 5, told, kind="figure")
        )
    return Picture(
        "From all asked GPU time to goodput, layer by layer",
        ROW * len(bars),
        tuple(boxes),
        tuple(texts),
    )


def timeline(made: Sheet) -> Picture | None:
    """Draw what each run did over the window, one strip a run, the largest first."""
    parts = [part for part in made.parts if part.stretches]
    parts.sort(key=lambda part: -part.account.total.gpu_ns)
    shown = parts[:STRIPS]
    if not shown:
        return None
    drawn = Span(
        max(
            made.window.start_ns,
            min(s.span.start_ns for part in shown for s in part.stretches),
        ),
        min(
            made.window.end_ns,
            max(s.span.end_ns for part in shown for s in part.stretches),
        ),
    )
    has_names = len(made.parts) > 1
    left = LEFT if has_names else 0
    boxes: list[Box] = []
    texts: list[Text] = []
    seen: dict[RunState, None] = {}
    for row, part in enumerate(shown):
        for box, state in _strip(_drawn(part), drawn, left, row * STRIP):
            boxes.append(box)
            seen[state] = None
        if has_names:
            name = _short(part.run.key.run)
            texts.append(Text(left - 12, row * STRIP + STRIP / 2 + 3, name, "end"))
    height = len(shown) * STRIP
    texts += [
        Text(left, height + 16, minute(drawn.start_ns)),
        Text(WIDTH, height + 16, f"{minute(drawn.end_ns)} UTC", "end"),
    ]
    keys = tuple(
        Key(STATE_NAME[state.value], _state_class(state))
        for state in RunState
        if state in seen
    )
    return Picture(
        "What the runs did over time", height + 24, tuple(boxes), tuple(texts), keys
    )


def cause_kind(cause: str, place: int) -> str:
    """Return a cause's class: the same in every report, but few in one picture."""
    return f"cause-{cause.replace('_', '-')}" if place < CAUSES else THE_REST


def badput_by_cause(made: Sheet) -> Picture | None:
    """Stack the bad GPU time of each period by cause, the costliest at the bottom."""
    total: dict[Cause, int] = {}
    for period in made.periods:
        for cause, gpu_ns in period.account.bad_gpu_ns.items():
            total[cause] = total.get(cause, 0) + gpu_ns
    order = sorted((cause for cause in total if total[cause]), key=lambda c: -total[c])
    highest = max((period.bad_gpu_ns for period in made.periods), default=0)
    if not order or not highest:
        return None
    kinds = {cause: cause_kind(cause, place) for place, cause in enumerate(order)}
    boxes: list[Box] = []
    step = (WIDTH - AXIS) / len(made.periods)
    for index, period in enumerate(made.periods):
        y = float(PLOT)
        for cause in order:
            gpu_ns = period.account.bad_gpu_ns.get(cause, 0)
            if not gpu_ns:
                continue
            height = gpu_ns / highest * (PLOT - 12)
            y -= height
            told = (
                f"{name_of(period, made.grain)}: {CAUSE_NAME[cause.value]}, "
                f"{gpu_hours(gpu_ns)} GPU-hours"
            )
            box = Box(0, y, 0, height, kinds[cause], told)
            boxes.append(_placed(box, index, step))
    keys = [Key(CAUSE_NAME[cause.value], kinds[cause]) for cause in order[:CAUSES]]
    if len(order) > CAUSES:
        keys.append(Key("other causes", THE_REST))
    return Picture(
        f"Lost GPU-hours per {made.grain}, by cause",
        PLOT + 24,
        tuple(boxes),
        (
            *_period_labels(made, step),
            Text(AXIS - 8, 16, gpu_hours(highest, 1), "end", "small"),
            Text(AXIS - 8, PLOT, "0", "end", "small"),
        ),
        tuple(keys),
        rules=(12.0, float(PLOT)),
    )


def goodput_trend(made: Sheet) -> Picture | None:
    """Draw goodput over time; a period in which nothing was observed is a gap."""
    step = (WIDTH - AXIS) / max(len(made.periods), 1)
    lines: list[list[tuple[float, float]]] = [[]]
    boxes: list[Box] = []
    for index, period in enumerate(made.periods):
        goodput = period.ratios.goodput
        if goodput is None:
            lines.append([])
            continue
        x = AXIS + (index + 0.5) * step
        y = PLOT - goodput * (PLOT - 12)
        lines[-1].append((round(x, 1), round(y, 1)))
        told = f"{name_of(period, made.grain)}: {percent(goodput)}"
        boxes.append(Box(x - 4, y - 4, 8, 8, "dot", told))
    if not boxes:
        return None
    heights = [
        (share, PLOT - share * (PLOT - 12)) for share in (0.0, 0.25, 0.5, 0.75, 1)
    ]
    return Picture(
        f"Goodput per {made.grain}",
        PLOT + 24,
        tuple(boxes),
        (
            *_period_labels(made, step),
            *(
                Text(AXIS - 8, y + 4, f"{share:.0%}", "end", "small")
                for share, y in heights
            ),
        ),
        lines=tuple(tuple(line) for line in lines if len(line) > 1),
        rules=tuple(y for _, y in heights),
    )


def _drawn(part: Part) -> Sequence[Stretch]:
    """Return what a run's strip shows: day by day where only days are known."""
    quiet = part.run.quiet
    if quiet is None:
        return part.stretches
    return [
        Stretch(span, 1, state, Cause.NONE, None, 0, span.length_ns)
        for span, state in quiet.days
    ]


def _strip(
    stretches: Sequence[Stretch], drawn: Span, left: int, y: int
) -> Iterable[tuple[Box, RunState]]:
    """Yield one run's bars; each bin is in the state that fills most of it."""
    if drawn.length_ns <= 0:
        return
    bins: list[dict[RunState, int]] = [{} for _ in range(BARS)]
    edges = [drawn.start_ns + drawn.length_ns * n // BARS for n in range(BARS + 1)]
    for stretch in stretches:
        inside = stretch.span.clip(drawn)
        if inside is None:
            continue
        first = (inside.start_ns - drawn.start_ns) * BARS // drawn.length_ns
        last = (inside.end_ns - 1 - drawn.start_ns) * BARS // drawn.length_ns
        for number in range(max(first - 1, 0), min(last + 2, BARS)):
            gpu_ns = stretch.gpu_ns_in(Span(edges[number], edges[number + 1]))
            if gpu_ns:
                filled = bins[number]
                filled[stretch.state] = filled.get(stretch.state, 0) + gpu_ns
    scale = (WIDTH - left) / BARS
    begins = 0
    for number in range(1, BARS + 1):
        now = _most(bins[number]) if number < BARS else None
        if number < BARS and now is _most(bins[begins]):
            continue
        state = _most(bins[begins])
        if state is not None:
            told = f"{STATE_NAME[state.value]}, from {minute(edges[begins])}"
            width = (number - begins) * scale
            kind = _state_class(state)
            yield Box(left + begins * scale, y + 2, width, STRIP - 8, kind, told), state
        begins = number


def _most(filled: dict[RunState, int]) -> RunState | None:
    return max(filled, key=lambda state: filled[state], default=None)


def _placed(box: Box, index: int, step: float) -> Box:
    """Put a box into its column."""
    gap = min(step * 0.2, 6)
    return replace(box, x=AXIS + index * step + gap / 2, width=step - gap)


def _period_labels(made: Sheet, step: float) -> Iterable[Text]:
    every = -(-len(made.periods) // LABELS)
    for index in range(0, len(made.periods), every):
        name, x = name_of(made.periods[index], made.grain), AXIS + (index + 0.5) * step
        if x > WIDTH - EDGE:
            yield Text(WIDTH, PLOT + 18, name, "end", "small")
        else:
            yield Text(x, PLOT + 18, name, "middle", "small")


def _state_class(state: RunState) -> str:
    return f"state-{state.value.replace('_', '-')}"


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
