"""Label values from outside, made fit to print."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from goodput_exporter.exposition.labels import MAX_LENGTH, clean, prefix

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=[]), max_size=300)


def test_a_decent_name_stays_as_it_is() -> None:
    """Changing good names would break every dashboard for nothing."""
    assert clean("llama-7b/блок 3 🚀") == "llama-7b/блок 3 🚀"


def test_two_names_that_are_bad_in_the_same_way_stay_two() -> None:
    """Two runs must never melt into one series."""
    assert clean("run\ud800") != clean("run\ud801")
    assert clean("x" * 300 + "a") != clean("x" * 300 + "b")


def test_a_huge_name_is_cut_and_marked() -> None:
    """A megabyte of name would be repeated on every line of the run."""
    cut = clean("x" * 1_000_000)

    assert len(cut) == MAX_LENGTH
    assert cut.startswith("xxx")
    assert "~" in cut


def test_none_is_an_absent_label() -> None:
    """Prometheus takes an empty value for no label at all."""
    assert clean(None) == ""


@given(ANY_TEXT)
def test_whatever_the_value_the_line_says_it_back(value: str) -> None:
    """No text from outside can break out of its quotes."""
    line = prefix("m", ("label",), (value,)) + "1\n"

    (family,) = text_string_to_metric_families(line.encode().decode())
    (sample,) = family.samples

    assert sample.labels == {"label": clean(value)}
