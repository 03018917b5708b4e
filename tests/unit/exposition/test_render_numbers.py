"""Numbers as the text format wants them, many at once."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.exposition.numbers import REFUSED, plain_texts, seconds_texts


@given(st.lists(st.floats(-1e299, 1e299), max_size=5))
def test_a_float_reads_back_as_itself(values: list[float]) -> None:
    """No digit is lost, and none is invented."""
    texts = plain_texts(values, negative=True)

    assert [float(text) for text in texts] == values


@given(st.lists(st.integers(0, 10**40), max_size=5))
def test_seconds_read_back_as_the_same_nanoseconds(values: list[int]) -> None:
    """Times are exact beyond what a double holds."""
    for text, ns in zip(seconds_texts(values), values, strict=True):
        whole, _, rest = text.partition(b".")
        assert int(whole) * 10**9 + int(rest.ljust(9, b"0") or 0) == ns


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, b"0"),
        (1, b"0.000000001"),
        (999_999_999, b"0.999999999"),
        (10**9, b"1"),
        (1_500_000_000, b"1.500000000"),
    ],
)
def test_nanoseconds_become_seconds(ns: int, text: bytes) -> None:
    """Whole seconds are short; others keep all nine digits."""
    assert seconds_texts([ns]) == [text]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 10**400, -(10**400)])
def test_what_is_not_finite_is_refused_and_its_neighbours_are_not(bad: float) -> None:
    """A bad value must not cost the good ones beside it."""
    assert plain_texts([1, bad, 0.5], negative=True) == [b"1", REFUSED, b"0.5"]


def test_negative_numbers_stand_only_where_they_may() -> None:
    """A temperature may be below zero, a counter and a time may not."""
    assert plain_texts([-1, 1e-7], negative=True) == [b"-1", b"1e-7"]
    assert plain_texts([-1, 1e-7], negative=False) == [REFUSED, b"1e-07"]
    assert seconds_texts([-1, 10**9]) == [REFUSED, b"1"]


@pytest.mark.parametrize("bad", [True, None, "7", [1]])
def test_what_is_no_number_is_an_error(bad: Any) -> None:  # noqa: ANN401 - bad on purpose
    """The family's function is wrong then, and isolation says which."""
    with pytest.raises(TypeError, match="a metric takes numbers"):
        plain_texts([1, bad], negative=True)
    with pytest.raises(TypeError, match="times integers"):
        seconds_texts([1, bad])


def test_a_time_in_float_nanoseconds_is_an_error() -> None:
    """It has lost digits already; whoever made it has to keep integers."""
    with pytest.raises(TypeError, match="float"):
        seconds_texts([1.5e9])
