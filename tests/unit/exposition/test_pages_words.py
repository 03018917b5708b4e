"""Figures as a person reads them: shares, spans, GPU time, names, instants."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.analysis.figures import lasting, percent, shown
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.errors import BadInputError
from goodput_exporter.exposition.addresses import address, find
from goodput_exporter.exposition.instants import parse_instant, rfc3339
from goodput_exporter.exposition.web.charts import (
    MOST_BARS,
    drawable,
    merged,
    waterfall,
)
from goodput_exporter.exposition.web.words import exact_seconds, gpu_time
from tests.fakes.snapshots import run_view

SECOND = NS_PER_SECOND


def layers(**known: float | None) -> LayerRatios:
    """Return ratios of which only some are known."""
    names = LayerRatios.__slots__
    return LayerRatios(**(dict.fromkeys(names) | known))


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "–"),
        (0.0, "0.0 %"),
        (0.0001, "<0.1 %"),
        (0.367, "36.7 %"),
        (0.99999, ">99.9 %"),
        (1.0, "100.0 %"),
    ],
)
def test_a_share_never_rounds_into_nothing_or_everything(
    ratio: float | None, text: str
) -> None:
    """Not measured, nothing, next to nothing, and next to all are four things."""
    assert percent(ratio) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (2.5, "2.5 s"),
        (62, "1 min 02 s"),
        (59.97, "1 min 00 s"),
        (3_599.7, "1 h 00 min"),
        (3_600, "1 h 00 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_span_is_said_in_two_units(seconds: float, text: str) -> None:
    """Nobody divides by sixty while reading."""
    assert lasting(int(seconds * SECOND)) == text


def test_gpu_time_is_said_in_its_best_unit() -> None:
    """Seconds, minutes and hours of GPUs, or of devices that are no GPUs."""
    assert gpu_time(30 * SECOND, gpus=True) == "30.0 GPU-seconds"
    assert gpu_time(90 * SECOND, gpus=True) == "1.50 GPU-minutes"
    assert gpu_time(3_600_000 * SECOND, gpus=False) == "1,000 device-hours"


@given(st.integers(0, 10**21))
def test_an_exact_figure_loses_no_digit(ns: int) -> None:
    """The proof on the page is the integer of the books, only with a point."""
    whole, _, fraction = exact_seconds(ns).replace(",", "").partition(".")

    assert int(whole + fraction.ljust(9, "0")) == ns


@given(st.text(alphabet=st.characters(categories=None), max_size=40))
def test_what_is_shown_is_visible_and_encodable(text: str) -> None:
    """Whatever a sender calls its run, the line around it keeps its order."""
    assert shown(text).isprintable()
    assert shown(shown(text)) == shown(text)
    assert len(shown(text).encode()) >= len(text)


@given(st.text(alphabet=st.characters(categories=None), min_size=1, max_size=40))
def test_an_address_is_plain_ascii_without_dot_segments(name: str) -> None:
    """No browser and no proxy has a reason to rewrite it."""
    parts = address(RunKey("local", "default", name)).split("/")

    assert len(parts) == 3
    assert all(part.isascii() for part in parts)
    assert not {".", ".."} & set(parts)


def test_a_full_key_wins_over_a_run_that_looks_like_it() -> None:
    """A run that is called like another's full key cannot take its address."""
    impostor = run_view("local/default/llama-7b")
    real = run_view("llama-7b")

    assert find([impostor, real], "local/default/llama-7b") is real


@given(st.integers(0, 4 * 10**18))
def test_an_instant_survives_the_way_out_and_back(at_ns: int) -> None:
    """RFC 3339 with nine digits is exact, and so are Unix seconds."""
    seconds, rest = divmod(at_ns, SECOND)

    assert parse_instant(rfc3339(at_ns)) == at_ns
    assert parse_instant(f"{seconds}.{rest:09d}") == at_ns


def test_an_offset_whose_plus_became_a_space_is_understood() -> None:
    """A query string turns "+" into a space where nobody encoded it."""
    assert parse_instant("1970-01-01T01:00:01 01:00") == SECOND


@pytest.mark.parametrize("text", ["", "-1", "1e9", "now", "2025-02-30T00:00:00Z"])
def test_anything_else_is_no_instant(text: str) -> None:
    """The refusal shows what came in and what would do."""
    with pytest.raises(BadInputError, match="is not an instant; send"):
        parse_instant(text)


def test_the_waterfall_ends_where_each_layer_left_off() -> None:
    """Each loss hangs from the end of the one before; the last bar is the rest."""
    bars = waterfall(
        layers(infrastructure=0.8, framework=0.75, goodput=0.57, overall=0.24)
    )

    losses = [bar for bar in bars if bar.kind == "loss"]
    assert [round(bar.high, 9) for bar in losses] == [1.0, 0.8, 0.6, 0.57]
    assert [round(bar.low, 9) for bar in losses] == [0.8, 0.6, 0.57, 0.24]
    assert bars[-1].text == "24.0 %"


def test_without_flops_the_waterfall_ends_at_goodput() -> None:
    """An unknown MFU is absent, not nought and not one."""
    bars = waterfall(layers(infrastructure=1.0, framework=0.0, goodput=0.0))

    assert [bar.label for bar in bars][-1] == "Goodput"
    assert waterfall(layers()) == []


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=3_000))
def test_the_bar_covers_the_window_however_fine_the_timeline(
    lengths: list[int],
) -> None:
    """At most ``MOST_BARS`` bars, no hole between them, no overlap."""
    states = [RunState.PRODUCTIVE, RunState.DATA_WAIT, RunState.SLOW]
    at_ns, pieces = 0, []
    for index, length in enumerate(lengths):
        span = Span(at_ns, at_ns + length)
        pieces.append(Segment(span, states[index % 3], devices=2))
        at_ns += length
    bars, _ = drawable(pieces, Span(0, at_ns))

    assert len(bars) <= MOST_BARS
    assert bars[0].span.start_ns == 0
    assert bars[-1].span.end_ns == at_ns
    for one, other in pairwise(bars):
        assert one.span.end_ns == other.span.start_ns


def test_joined_segments_hold_the_steps_of_both() -> None:
    """Joining is for the eye only: no time and no step is lost."""
    one = Segment(Span(0, 5), RunState.PRODUCTIVE, 2, first_step=1, last_step=1)
    other = Segment(Span(5, 9), RunState.PRODUCTIVE, 2, first_step=2, last_step=3)
    [joined] = merged([other, one])

    assert joined.gpu_ns == one.gpu_ns + other.gpu_ns
    assert (joined.first_step, joined.last_step) == (1, 3)
