"""A sheet as Markdown: the same figures and sentences as the page, without pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from goodput_exporter.analysis.figures import STATE_NAME, percent, shown
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.report import energy_lines, telling
from goodput_exporter.report.account import Line, hours_decimals
from goodput_exporter.report.comparing import Comparison, Difference
from goodput_exporter.report.group_lines import HEADS, KIND_NAME, group_lines
from goodput_exporter.report.sheet import Sheet
from goodput_exporter.report.trends import name_of
from goodput_exporter.report.words import (
    CAUSE_NAME,
    RATIO_NAME,
    amount,
    gpu_hours,
    points,
    second,
)


def markdown(made: Sheet) -> str:
    """Return a report as a page of Markdown."""
    return "\n".join(_page(made)) + "\n"


def _page(made: Sheet) -> Iterator[str]:
    whole = made.whole
    yield f"# {_cell(made.subject)}"
    yield ""
    begins, ends = second(made.window.start_ns), second(made.window.end_ns)
    yield f"From {begins} to {ends}, {made.view.value} view."
    yield telling.VIEW_WORDS[made.view]
    yield ""
    yield "".join(f"**{w}**" if strong else w for w, strong in telling.headline(made))
    yield from _section("Ratios")
    yield from _table(("Ratio", "Value"), _ratios(whole.ratios))
    yield ""
    yield "Infrastructure × framework × pace = goodput."
    yield from _section("Where the time went")
    yield from _lines("State", whole.states, whole.total, whole.currency, STATE_NAME)
    yield ""
    sum_words = " + ".join(telling.terms(made))
    yield f"{sum_words} = {amount(whole.total.gpu_hours)} GPU-hours."
    yield telling.ledger_words(made)
    yield from _section("What the lost time was lost to")
    causes = tuple(sorted(whole.causes, key=lambda cause: -cause.gpu_ns))
    yield from _lines("Cause", causes, whole.lost, whole.currency, CAUSE_NAME)
    yield from _incidents(made)
    yield from _list("Reliability", telling.reliability_words(made.reliability, made))
    yield from _list("Checkpoints", made.advice)
    yield from _energy(made)
    if made.comparison is not None:
        yield from _compared(made.comparison)
    if made.group_by is not None:
        yield from _groups(made, made.group_by)
    if len(made.parts) > 1:
        yield from _runs(made)
    yield from _section(f"By the {made.grain.value}")
    yield from _table(("From (UTC)", "Goodput", "Lost GPU-hours"), _periods(made))
    yield from _list("How far to trust this", made.doubts)


def _section(name: str) -> Iterator[str]:
    yield ""
    yield f"## {name}"
    yield ""


def _list(name: str, sentences: Iterable[str]) -> Iterator[str]:
    lines = [f"- {_cell(sentence)}" for sentence in sentences]
    if lines:
        yield from _section(name)
        yield from lines


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * (len(heads) - 1)}"
    for row in rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _ratios(layers: LayerRatios) -> Iterator[tuple[str, ...]]:
    for field, name in RATIO_NAME.items():
        ratio = getattr(layers, field)
        if ratio is not None or field == "goodput":
            yield name, percent(ratio, 2)


def _lines(
    what: str,
    lines: tuple[Line, ...],
    total: Line,
    currency: str | None,
    names: Mapping[str, str],
) -> Iterator[str]:
    heads = what, "GPU-hours", "%", *([f"Cost, {currency}"] if currency else [])
    rows = []
    for line in (*lines, total):
        name = names.get(line.name, line.name)
        row = name, amount(line.gpu_hours), amount(line.percent)
        rows.append((*row, amount(line.cost)) if currency else row)
    yield from _table(heads, rows)


def _energy(made: Sheet) -> Iterator[str]:
    if made.energy is None:
        return
    yield from _section("Energy of the GPUs")
    yield from _table(("State", *energy_lines.HEADS), energy_lines.state_lines(made))
    causes = energy_lines.cause_lines(made)
    if causes:
        yield ""
        yield from _table(("Cause", *energy_lines.HEADS), causes)
    yield ""
    yield from (_cell(sentence) for sentence in energy_lines.energy_words(made))


def _incidents(made: Sheet) -> Iterator[str]:
    told, rest = telling.incidents(made)
    yield from _section("The costliest incidents")
    if not told:
        yield "No run was interrupted."
        return
    money = made.whole.currency
    heads = (
        "Incident",
        "Detected (UTC)",
        "Cause",
        "Waited",
        "Restarted",
        "Restored",
        "Recomputed",
        "Lost work",
        "GPU-hours",
        *([f"Cost, {money}"] if money else []),
    )
    rows: list[tuple[str, ...]] = [
        (
            one.name,
            one.when,
            one.cause,
            one.waited,
            one.restarted,
            one.restored,
            one.recomputed,
            one.lost,
            one.hours,
            one.cost,
        )
        for one in told
    ]
    rows += [(line.name, *[""] * 7, line.hours, line.cost) for line in rest]
    lost = made.whole.lost
    rows.append(("all lost time", *[""] * 7, amount(lost.gpu_hours), amount(lost.cost)))
    yield from _table(heads, [row[: len(heads)] for row in rows])
    yield ""
    for one in told:
        if one.why:
            yield f"- {_cell(one.name)}: {_cell(one.why)}"


def _periods(made: Sheet) -> Iterator[tuple[str, ...]]:
    for period in made.periods:
        lost = gpu_hours(period.bad_gpu_ns, hours_decimals(made.whole.total.gpu_ns))
        yield name_of(period, made.grain), percent(period.ratios.goodput), lost


def _runs(made: Sheet) -> Iterator[str]:
    yield from _section("The runs")
    money = made.whole.currency
    heads = (
        "Run",
        "Goodput",
        "Incidents",
        "Lost GPU-hours",
        "GPU-hours",
        *([f"Cost, {money}"] if money else []),
    )
    rows = telling.run_lines(made)
    yield from _table(heads, [row[: len(heads)] for row in rows])


def _groups(made: Sheet, by: GroupKind) -> Iterator[str]:
    name, money = KIND_NAME[by], made.whole.currency
    yield from _section(f"By {name if by is GroupKind.GPU_MODEL else name.lower()}")
    heads = name, *HEADS, *([f"Cost, {money}"] if money else [])
    yield from _table(heads, [row[: len(heads)] for row in group_lines(made)])
    yield ""
    yield "Ratios are of sums; every run is in one group, so that they add up."


def _compared(found: Comparison) -> Iterator[str]:
    first, second = found.first, found.second
    yield from _section("Side by side")
    heads = "", first.label, second.label, "Change, points"
    lines = [*found.ratios, *found.states]
    rows: list[tuple[str, ...]] = [_difference(line) for line in lines]
    rows.append(
        ("interruptions", str(first.interruptions), str(second.interruptions), "")
    )
    yield from _table(tuple(_cell(head) for head in heads), rows)
    yield ""
    yield "States are shares of all GPU time; each column of them sums to 100 %."


def _difference(line: Difference) -> tuple[str, ...]:
    name = RATIO_NAME.get(line.name, line.name.replace("_", " "))
    return name, percent(line.first), percent(line.second), points(line.change)


def _cell(text: str) -> str:
    # A run's name is its owner's; it must not draw tables or begin lines.
    return " ".join(shown(" ".join(text.split())).split()).replace("|", "\\|")
