"""The page: a list of runs, and one run in one window, rendered on the server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from goodput_exporter import __version__
from goodput_exporter.analysis.figures import shown
from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.exposition.addresses import address, full_name
from goodput_exporter.exposition.lookups import (
    Elsewhere,
    Latest,
    RefusedError,
    named_reading,
    nowhere_else,
    run_of,
    snapshot_of,
)
from goodput_exporter.exposition.web.headline import Figure, Moment
from goodput_exporter.exposition.web.rows import (
    MOST_RUNS,
    gpu_rows,
    legend,
    run_rows,
)
from goodput_exporter.exposition.web.summary import summary
from goodput_exporter.exposition.web.views import run_page
from goodput_exporter.exposition.windows import History, default_window

WEB: Final = Path(__file__).parent / "web"

FRESH: Final = MappingProxyType({"Cache-Control": "no-store"})

WINDOWS: Final = (
    ("5m", "5 min"),
    ("1h", "1 hour"),
    ("24h", "24 hours"),
    ("lifetime", "whole run"),
)


def add_pages(
    app: FastAPI,
    *,
    latest: Latest,
    history: History | None,
    elsewhere: Elsewhere = nowhere_else,
) -> None:
    """
    Add ``/``, ``/runs/...`` and ``/static`` to *app*.

    Args:
        app: The application.
        latest: The last tick's snapshot; None before the first.
        history: Sealed segments from the ledger; called on a worker thread.
        elsewhere: Where to ask for a run that is not here.
    """
    environment = make_environment()
    app.mount("/static", StaticFiles(directory=WEB / "static"), name="static")

    # The list is the same for every reader until the next tick.
    last_list: tuple[Snapshot, bytes] | None = None

    def render(template: str, **values: object) -> bytes:
        text = environment.get_template(template).render(**values)
        # A name that cannot be UTF-8 has been written out by ``shown``; what
        # slips through must cost one character, never the page.
        return text.encode(errors="backslashreplace")

    def refusal(refused: RefusedError) -> HTMLResponse:
        problem = refused.problem
        snapshot = latest()
        links = [
            (shown(view.key.run), address(view.key), full_name(view.key))
            for view in (snapshot.runs if snapshot is not None else ())
        ]
        named = {*problem.candidates, problem.nearest}
        close = [(name, url) for name, url, full in links if full in named]
        body = render(
            "refused.html", detail=problem.detail, close=close, snapshot=snapshot
        )
        return HTMLResponse(body, status_code=refused.status, headers=FRESH)

    @app.get("/", include_in_schema=False)
    def runs() -> HTMLResponse:
        nonlocal last_list
        try:
            snapshot = snapshot_of(latest)
        except RefusedError as refused:
            return refusal(refused)
        if last_list is None or last_list[0] is not snapshot:
            rows = run_rows(snapshot)
            body = render(
                "runs.html",
                snapshot=snapshot,
                summary=summary(snapshot),
                legend=legend(rows),
                runs=rows,
                more_runs=max(0, len(snapshot.runs) - MOST_RUNS),
                gpus=gpu_rows(snapshot),
            )
            last_list = (snapshot, body)
        return HTMLResponse(last_list[1], headers=FRESH)

    # A plain function, so that it runs on a worker thread: it may read the ledger.
    @app.get("/runs/{name:path}", include_in_schema=False)
    def run(name: str, window: str | None = None) -> HTMLResponse:
        try:
            snapshot = snapshot_of(latest)
            view = run_of(snapshot, name, elsewhere)
            chosen = window or default_window(view)
            reading = named_reading(view, chosen, history)
        except RefusedError as refused:
            return refusal(refused)
        body = render(
            "run.html", snapshot=snapshot, windows=WINDOWS, **run_page(view, reading)
        )
        return HTMLResponse(body, headers=FRESH)


def make_environment() -> Environment:
    """Return the templates: always escaping, and strict about names."""
    environment = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["utc"] = utc
    environment.filters["datetime"] = machine_time
    environment.tests["moment"] = lambda value: isinstance(value, Moment)
    environment.tests["figure"] = lambda value: isinstance(value, Figure)
    environment.globals["version"] = __version__
    return environment


def utc(at_ns: int) -> str:
    """Return an instant for the eye, in UTC; the script shows the reader's zone."""
    return f"{_datetime(at_ns):%Y-%m-%d %H:%M:%S} UTC"


def machine_time(at_ns: int) -> str:
    """Return an instant for the ``datetime`` attribute, in milliseconds."""
    return f"{_datetime(at_ns):%Y-%m-%dT%H:%M:%S}.{at_ns // 1_000_000 % 1_000:03d}Z"


def _datetime(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // NS_PER_SECOND, UTC)
