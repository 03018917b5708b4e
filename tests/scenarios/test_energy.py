"""Where the energy of a machine went, through the real books and a real ledger."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from goodput_exporter.analysis.energy_used import EnergyUsed
from goodput_exporter.config.places import load
from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.energy_line import TOLERANCE_MILLIJOULES
from goodput_exporter.domain.energy_totals import UNPLACED
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.energy_rows import drawn_in
from goodput_exporter.ledger.reader import read_ledger
from goodput_exporter.services import costs_commands, report_commands
from goodput_exporter.services.reading_energy import read_energy
from tests.fakes.gpus import H100
from tests.fakes.metered import FREE_WATTS, TICK_S, MeteredMachine, watts
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S

TOLERANCE_J = TOLERANCE_MILLIJOULES / 1000
FIRST = (
    Rank(inc="a" * 16, pid=1)
    .init(30)
    .steps(0, 8, each=10)
    .save(20, 8)
    .steps(9, 14, each=10)
)
SECOND = (
    Rank(inc="b" * 16, pid=2, begins_s=500)
    .init(40)
    .restore(20, 8)
    .steps(9, 30, each=10)
)
ENDS_S = 780
TRUTH_J = {
    "initializing": (28 + 40) * 300,
    "productive": (150 + 160) * 700,
    "checkpointing": 20 * 400,
    "restoring": 20 * 200,
    "recomputing": 60 * 700,
    "down": 12 * FREE_WATTS,
}
"""Of the first GPU, while the run held it: a rank holds it from its first word on, and
is known to be gone six seconds after the fact. Of the rest nobody held it."""
EDGES = {"initializing": 4, "productive": 6, "down": 4}
"""Where a state begins or ends, and the power with it; else twice."""


@contextmanager
def machine(path: Path, *, has_counters: bool = True) -> Iterator[MeteredMachine]:
    """Lend a machine on which a run trains, dies, and redoes six steps."""
    ledger = path / "ledger.sqlite"
    lent = MeteredMachine(ledger, FIRST, SECOND, has_counters=has_counters)
    try:
        yield lent
    finally:
        lent.close()


def grown_j(since_s: int, until_s: int) -> int:
    """Return what both counters grow by, whoever looks."""
    ranks = [
        next((r for r in (FIRST, SECOND) if r.begins_s <= at < r.ends_s), None)
        for at in range(since_s, until_s)
    ]
    at_s = range(since_s, until_s)
    used = sum(watts(rank, at) for rank, at in zip(ranks, at_s, strict=True))
    return used + FREE_WATTS * len(at_s)


def through_s(here: MeteredMachine) -> int:
    """Return up to which second of the story energy is divided."""
    return round(here.seconds(here.shown()[""].through_ns))


def test_each_state_of_a_run_has_the_energy_that_it_drew(tmp_path: Path) -> None:
    """A second of each state weighs what the GPU drew in it; the sum is exact."""
    with machine(tmp_path) as here:
        here.live(960)

        found = here.shown_joules("story")
        assert found.keys() == TRUTH_J.keys()
        for state, truth in TRUTH_J.items():
            assert abs(found[state] - truth) <= TOLERANCE_J * EDGES.get(state, 2), state
        assert through_s(here) > ENDS_S
        assert here.shown_total_j() == grown_j(TICK_S, through_s(here))
        assert here.ledger.verify() == []


def test_what_follows_from_an_interruption_has_its_cause(tmp_path: Path) -> None:
    """Starting again is the interruption's; the first start is nobody's fault."""
    with machine(tmp_path) as here:
        here.live(960)

        groups = here.shown()["story"].groups
        by_cause = {cause for state, cause in groups if state == "initializing"}
        assert by_cause == {"none", "unknown"}
        assert ("recomputing", "unknown") in groups


@pytest.mark.parametrize("deaths", [(95, 321, 707), (29, 30, 31, 600, 780)])
def test_a_death_at_any_second_books_no_energy_twice_and_loses_none(
    tmp_path: Path, deaths: tuple[int, ...]
) -> None:
    """What was read and not written yet is in the next reading; the sum is exact."""
    with machine(tmp_path) as here:
        for at_s in deaths:
            here.live(at_s).die()
            assert here.shown_total_j() <= grown_j(TICK_S, at_s)
        here.live(1_200)

        assert here.shown_total_j() == grown_j(TICK_S, through_s(here))
        assert here.ledger.verify() == []
        assert UNPLACED not in here.shown_joules("")


def test_what_is_drawn_while_nobody_looks_is_in_no_state(tmp_path: Path) -> None:
    """The counter says how much in four minutes; in which state, nobody knows."""
    with machine(tmp_path) as here:
        here.live(540).off(780).die().live(1_200)

        found = here.shown_joules("")
        away = grown_j(540, 780)
        assert found[UNPLACED] >= away
        assert found[UNPLACED] - away <= grown_j(500, 540)
        assert here.shown_total_j() == grown_j(TICK_S, through_s(here))


def test_a_driver_that_hangs_leaves_time_without_energy(tmp_path: Path) -> None:
    """GPU time of both GPUs that is in the books and has no energy is told apart."""
    with machine(tmp_path) as here:
        here.live(560).live(700, looks=False).live(960)

        total = here.shown()["story"].total
        free = here.shown()[""].total
        unknown_ns = total.unknown_gpu_ns + free.unknown_gpu_ns
        assert here.length_s(unknown_ns) == 2 * (700 + TICK_S - 560)
        assert here.shown_joules("")[UNPLACED] > 0
        assert here.shown_total_j() == grown_j(TICK_S, through_s(here))


def test_a_counter_that_begins_anew_takes_nothing_back(tmp_path: Path) -> None:
    """After a reload of the driver it shows less; what it hides is in no state."""
    with machine(tmp_path) as here:
        before = here.live(600).shown_total_j()
        here.reload_driver().live(960)

        assert here.shown_total_j() > before
        missing = grown_j(TICK_S, through_s(here)) - here.shown_total_j()
        assert 0 <= missing <= TICK_S * (700 + FREE_WATTS)
        assert here.shown_joules("")[UNPLACED] <= TICK_S * (700 + FREE_WATTS)


def test_power_is_integrated_where_nothing_counts_and_said_so(tmp_path: Path) -> None:
    """What lies between two looks may be on the other side; the basis is told."""
    with machine(tmp_path, has_counters=False) as here:
        here.live(960)

        found = here.shown_joules("story")
        for state, truth in TRUTH_J.items():
            edges = EDGES.get(state, 2)
            assert abs(found[state] - truth) <= (TOLERANCE_J + TICK_S * 700) * edges, (
                state
            )
        energy = here.shown()["story"].total
        assert energy.integrated_millijoules == energy.millijoules


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ledger of the whole story, with nobody writing it."""
    folder = tmp_path_factory.mktemp("told")
    with machine(folder) as here:
        here.live(540).off(600).die().live(960)
    return folder / "ledger.sqlite"


def read(path: Path, since_s: float = 0, until_s: float = 960) -> EnergyUsed:
    """Read the energy of a part of the story."""
    with closing(read_ledger(path)) as ledger:
        window = Span(ns(START_S + since_s), ns(START_S + until_s))
        return read_energy(ledger, window)


def written_s(path: Path) -> int:
    """Return up to which second energy is in the ledger: it is written in turns."""
    with closing(read_ledger(path)) as ledger:
        drawn = drawn_in(ledger.energy_parts()).values()
    end_ns = max(line.span.end_ns for lines in drawn for line in lines)
    return end_ns // ns(1) - START_S


def command(path: Path, module: object, **said: object) -> str:
    """Return what a command prints of a ledger."""
    flags = ("prices", "from", "to", "last", "format", "out", "rule", "view")
    more = ("gpu_model", "node_pool", "compare", "attempts", "group_by", "run")
    chosen = argparse.Namespace(**dict.fromkeys((*flags, *more)) | said)
    settings = load(environ={}, flags={"ledger.path": str(path)})
    out = io.StringIO()
    assert module.main(settings, chosen, out) == 0  # type: ignore[attr-defined] # one of our modules
    return out.getvalue()


def test_the_ledger_says_of_every_window_what_counters_say_in_the_end(
    told: Path,
) -> None:
    """Windows that tile the story sum to it; no millijoule is rounded off."""
    whole = read(told)
    cuts = [0, 31.5, 130, 333.25, 590, 700, 960]

    parts = [read(told, *edge) for edge in pairwise(cuts)]
    for name in (lambda one: one.state, lambda one: one.cause, lambda one: one.run):
        sums: dict[object, Energy] = {}
        for part in parts:
            for group, energy in part.by(name).items():
                sums[group] = sums.get(group, Energy()) + energy
        assert sums == whole.by(name)
    unplaced = sum(part.unplaced_millijoules for part in parts)
    assert unplaced == whole.unplaced_millijoules
    drawn = (whole.total.millijoules or 0) + unplaced + whole.unbooked_millijoules
    assert drawn == grown_j(TICK_S, written_s(told)) * 1000


def test_costs_have_the_energy_beside_the_money(told: Path, tmp_path: Path) -> None:
    """Each table's kilowatt-hours sum to the total, and what is in none is named."""
    prices = tmp_path / "prices.toml"
    prices.write_text(
        f'[[price]]\ngpu_model = "{H100}"\ncurrency = "EUR"\nper_gpu_hour = 2.5\n'
        "from = 1970-01-01T00:00:00Z\n"
    )
    text = command(told, costs_commands, prices=str(prices))

    rows = list(csv.DictReader(io.StringIO(text)))
    total = next(row for row in rows if row["by"] == "total")
    for by in ("state", "cause", "run", "node_pool"):
        known = [row["kwh"] for row in rows if row["by"] == by and row["kwh"]]
        assert sum(map(Decimal, known)) == Decimal(total["kwh"])
    by_state = {row["name"]: row for row in rows if row["by"] == "state"}
    truth = Decimal(TRUTH_J["checkpointing"]) / 3_600_000
    assert abs(Decimal(by_state["checkpointing"]["kwh"]) - truth) < Decimal("0.0003")
    assert int(by_state["checkpointing"]["metered_gpu_ns"]) == ns(20)
    assert {row["name"] for row in rows if row["by"] == "energy"} == {UNPLACED}


@pytest.mark.parametrize("form", ["md", "html"])
def test_a_report_of_a_run_says_what_its_gpus_drew(told: Path, form: str) -> None:
    """By state and cause, in kilowatt-hours; and how much of the time is known."""
    text = command(told, report_commands, run=["story"], format=form)

    assert "Energy of the GPUs" in text
    assert "in the live view" in text
    assert "of their GPU time lies between samples of energy" in text


def test_a_report_of_a_fleet_has_energy_when_it_is_asked_for(told: Path) -> None:
    """It takes as long as pricing the fleet; without the flag it is left out."""
    assert "kWh" in command(told, report_commands, format="md", energy=True)
