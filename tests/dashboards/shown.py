"""What rules and panels ask, and whether a store's answers are the ledger's."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from dashboards.artefacts import GENERATED
from dashboards.boards import BOARDS
from dashboards.checking import filled_in
from dashboards.rules.written import ALERTS, RECORDINGS
from dashboards.soundness import panel_queries, panels
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import RunState
from goodput_exporter.ledger.state import decode_state
from goodput_exporter.ledger.store import open_ledger
from tests.dashboards.stores import Store
from tests.fakes.station import until

RUN_BOARD: Final = "goodput-run"
NS_PER_HOUR: Final = 3600 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Booked:
    """
    What a ledger has of a run.

    Args:
        live: As counters have it.
        known: With what later evidence restated, as ratios of a life have it.
    """

    live: Account
    known: Account


def booked(ledger: Path, folder: Path, key: RunKey) -> Booked:
    """Return a run's accounts from a copy of the ledger; the writer goes on."""
    copy = folder / "copy.sqlite"
    with (
        closing(sqlite3.connect(ledger)) as there,
        closing(sqlite3.connect(copy)) as to,
    ):
        there.backup(to)
    with closing(open_ledger(copy)) as opened:
        live, known = opened.account(key), opened.account(key)
        state = opened.state_of(key)
        assert state is not None
        known.merge(decode_state(state).book.corrections)
        return Booked(live, known)


def asked(query: str, run: str = ".*", range_s: int = 600) -> str:
    """Return a panel's query as Grafana would send it."""
    for name, value in (
        ("${datasource}", ""),
        ("$__rate_interval", "5m"),
        ("$__range_s", f"{range_s}"),
        ("$__range", f"{range_s}s"),
        ("$cluster", ".*"),
        ("$namespace", ".*"),
        ("$team", ".*"),
        ("$node", ".*"),
        ("$run", run),
        ("$any", ".*"),
    ):
        query = query.replace(name, value)
    return filled_in(query)


def board(uid: str) -> dict[str, object]:
    """Return a dashboard as it is committed."""
    found: dict[str, object] = json.loads((GENERATED / f"{uid}.json").read_text())
    return found


def every_query() -> list[tuple[str, str]]:
    """Return what every rule and panel asks; of alerts what each part asks."""
    rules = [(rule.name, rule.expr) for rule in RECORDINGS]
    signals = [
        (alert.name, condition.signal)
        for alert in ALERTS
        for condition in alert.conditions
    ]
    looked_up = [
        (f"{alert.name} looks up", asked(one.signal))
        for alert in ALERTS
        for one in alert.look_ups
    ]
    shown = [
        (title, asked(query))
        for one in BOARDS
        for title, query in panel_queries(board(one.uid))
    ]
    return rules + signals + looked_up + shown


def panel(title: str, run: str) -> str:
    """Return the first query of a panel of the Run dashboard, for one run."""
    found = next(one for one in panels(board(RUN_BOARD)) if one["title"] == title)
    return asked(found["targets"][0]["expr"], run)


def sealed_whole(run: str) -> str:
    """Return a query that finds a run once its counters reach its end."""
    return (
        f'goodput_run_sealed_timestamp_seconds{{run="{run}"}}'
        f' >= goodput_run_ended_timestamp_seconds{{run="{run}"}}'
    )


def panels_show(account: Booked, store: Store, run: str) -> None:
    """
    Check that the Run dashboard has an account of a run that restarted once.

    A panel of a range has the growth since the first scrape of the run; what was
    booked before is taken from the account.
    """
    [life] = read(store, panel("Goodput, the run's life", run), "run").values()
    [ranged] = read(store, panel("Goodput, this range", run), "run").values()
    hours = read(store, panel("GPU-hours by state", run), "state")
    [restarts] = read(store, panel("Restarts", run), "run").values()

    told = f"{account}, {life=}, {ranged=}, {hours}"
    assert life == pytest.approx(ratios(account.known).goodput, abs=1e-6), told
    before_ns = first_scrape(store, run)
    grown = {
        state: ns - before_ns.get(state, 0)
        for state, ns in account.live.gpu_ns.items()
        if ns - before_ns.get(state, 0) > NS_PER_SECOND // 1000
    }
    assert ranged == pytest.approx(ratios(Account(grown)).goodput, rel=0.03), told
    total = sum(grown.values()) / NS_PER_HOUR
    assert hours.keys() >= {state.value for state in grown}, told
    for state, ns in grown.items():
        shown = hours[state.value]
        assert shown == pytest.approx(ns / NS_PER_HOUR, abs=0.03 * total), told
    assert restarts == 1


def read(store: Store, query: str, label: str) -> dict[str, float]:
    """Return a query's values, once there are any: a late scrape leaves a hole."""
    return until(lambda: store.values(query, label), query)


def first_scrape(store: Store, run: str) -> dict[RunState, int]:
    """Return the GPU-nanoseconds of a run by state that the store saw first."""
    found = store.query(f'goodput_run_gpu_seconds_total{{run="{run}"}}[10m]')
    return {
        RunState(each["metric"]["state"]): round(
            float(each["values"][0][1]) * NS_PER_SECOND
        )
        for each in found
    }
