"""What a person reads in a report: names, not fields; the answer before the tables."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from typing import Final

from goodput_exporter.analysis.histories import View
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.report.comparing import compare, side
from goodput_exporter.report.drawing_up import sheet
from goodput_exporter.report.markdown import markdown
from goodput_exporter.report.page import html
from goodput_exporter.report.sheet import Sheet
from goodput_exporter.report.words import RATIO_NAME
from goodput_exporter.services.asked_windows import window_of
from tests.fakes.epics import BEGINS_NS, three_days

RAW: Final = re.compile(r"goodput_with_evaluation|\| (ettr|coverage|pace|model) \|")
CAUSES: Final = re.compile(r"^\| Cause \|.*?\n\n", re.MULTILINE | re.DOTALL)
FRACTION: Final = re.compile(r"\d{2}:\d{2}\.\d+Z")


@cache
def made(start_ns: int = BEGINS_NS) -> Sheet:
    """Report on one run beside itself."""
    epic = three_days()
    window = Span(start_ns, epic.at_ns)
    run = epic.told()
    return sheet(
        [(run, epic.account(window))],
        subject="llama",
        window=window,
        view=View.SETTLED,
        comparison=compare(
            side("first", run, window, View.SETTLED),
            side("second", run, window, View.SETTLED),
        ),
    )


def test_every_ratio_has_a_name() -> None:
    """Whoever adds a ratio is asked what a reader shall call it."""
    assert RATIO_NAME.keys() == {field.name for field in fields(LayerRatios)}


def test_ratios_are_named_as_people_name_them() -> None:
    """In the table and side by side; a ratio that is not known is left out."""
    text = markdown(made())

    assert not RAW.search(text)
    first_row = text.index("| --- | ---: |") + len("| --- | ---: |\n")
    assert text[first_row:].startswith("| Goodput | 7")
    assert "MFU" not in text.split("## Where")[0]
    assert not RAW.search(html(made()).replace("</td><td", " | "))


def test_the_largest_cause_is_told_first() -> None:
    """A reader of Markdown has no bars to find it by."""
    [table] = CAUSES.findall(markdown(made()))

    hours = [float(row) for row in re.findall(r"\| ([\d.]+) \| [\d.]+ \|\n", table)]
    assert len(hours) > 3
    assert hours[:-1] == sorted(hours[:-1], reverse=True)


def test_what_to_do_stands_before_the_long_table() -> None:
    """Three days by the hour are 64 rows; the advice on checkpoints is above them."""
    text = markdown(made())

    assert text.index("## Checkpoints") < text.index("## By the hour")


def test_nobody_reads_nanoseconds() -> None:
    """The window is told to the second, and ``--last`` asks for whole ones."""
    odd = made(BEGINS_NS + 123_456_789)
    now_ns = 8 * 86_400 * NS_PER_SECOND + 987_654_321

    window = window_of(None, None, "1h", whole=Span(0, 1), now_ns=now_ns)

    assert not FRACTION.search(markdown(odd).split("\n\n")[1])
    assert not FRACTION.search(html(odd))
    assert window.start_ns % NS_PER_SECOND == window.end_ns % NS_PER_SECOND == 0
    assert window.length_ns == 3600 * NS_PER_SECOND
    assert now_ns - window.end_ns < NS_PER_SECOND
