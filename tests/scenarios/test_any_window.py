"""Any window of a run is right: in an outage, across it, before and after the run."""

from __future__ import annotations

from itertools import pairwise

import pytest

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.exposition.windows import Reading, read_span
from tests.fakes.office import Office
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, observations


@pytest.fixture(scope="module")
def office() -> Office:
    """Return an office that saw two lives, an outage between, and a silence."""
    first = Rank(inc="a" * 16, pid=1).init(5).steps(0, 9, each=10).cut(5)
    second = Rank(inc="b" * 16, pid=2, begins_s=200).init(5).steps(10, 39, each=10)
    seen = observations([first, second.bye()])
    # Nobody heard the second life for three minutes in the middle of it.
    deaf = ns(START_S + 260), ns(START_S + 440)
    heard = [one for one in seen if not deaf[0] < one.at_ns < deaf[1]]
    return Office().watch(heard, 620)


def window(office: Office, from_s: float, to_s: float) -> Reading:
    """Read ``[from_s, to_s)``, in the story's seconds."""
    span = Span(ns(START_S + from_s), ns(START_S + to_s))
    return read_span(office.view(), span)


def seconds(reading: Reading) -> dict[str, float]:
    """Return device seconds by state."""
    found = reading.account.gpu_ns.items()
    return {state.value: gpu_ns / 1e9 for state, gpu_ns in found if gpu_ns}


def test_a_window_wholly_inside_an_outage_is_down(office: Office) -> None:
    """No goodput, no framework to speak of, and all of it seen."""
    reading = window(office, 120, 180)

    assert seconds(reading) == {"down": 60}
    assert reading.layers.goodput == 0.0
    assert reading.layers.infrastructure == 0.0
    assert reading.layers.framework is None
    assert reading.layers.coverage == 1.0
    assert reading.adds_up


def test_a_window_across_an_outage_holds_both_sides(office: Office) -> None:
    """Ten steps before it are cut to those in the window, and so are those after."""
    reading = window(office, 95, 215)

    assert seconds(reading) == {
        "productive": 20,
        "interrupted": 5,
        "down": 90,
        "initializing": 5,
    }
    assert reading.layers.goodput == pytest.approx(20 / 120)
    assert reading.adds_up


def test_a_window_before_the_first_step_is_starting_up(office: Office) -> None:
    """Nothing is good yet; a ratio of steps is absent, not zero."""
    reading = window(office, 0, 4)

    assert seconds(reading) == {"initializing": 4}
    assert reading.layers.goodput == 0.0
    assert reading.layers.pace is None


def test_a_window_before_the_run_or_after_its_end_is_empty(office: Office) -> None:
    """The run had no book there: every ratio is absent."""
    for reading in (window(office, -500, -10), window(office, 560, 600)):
        assert seconds(reading) == {}
        assert reading.layers.goodput is None
        assert reading.layers.coverage is None
        assert reading.adds_up


def test_a_window_over_the_end_is_cut_to_the_book(office: Office) -> None:
    """The run ended at 505 s: what comes after it is nobody's."""
    reading = window(office, 485, 700)

    assert reading.span.end_ns == ns(START_S + 505)
    assert seconds(reading) == {"productive": 20}


def test_a_window_that_nobody_saw_says_so(office: Office) -> None:
    """Its cumulative state came afterwards: nothing is left unobserved."""
    reading = window(office, 300, 400)

    assert reading.account.of(RunState.UNOBSERVED) == 0
    assert sum(seconds(reading).values()) == 100


def test_windows_that_tile_the_run_add_up_to_it(office: Office) -> None:
    """However they are cut: at odd seconds, inside steps, inside the outage."""
    cuts = [0, 3.5, 17, 104.2, 111, 188, 203, 217.5, 333, 440.1, 505]
    whole = window(office, 0, 505)
    parts = Account()
    for begin_s, end_s in pairwise(cuts):
        parts.merge(window(office, begin_s, end_s).account)

    assert {s: n for s, n in parts.gpu_ns.items() if n} == {
        s: n for s, n in whole.account.gpu_ns.items() if n
    }
