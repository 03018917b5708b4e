"""What the ledger says of any window: accounts, groups, incidents, reliability."""

from __future__ import annotations

from typing import Annotated, Any, Final, Protocol

from fastapi import APIRouter, Query
from fastapi import Path as ApiPath
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from goodput_exporter.analysis.figures import shown
from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.incident_record import IncidentRecord
from goodput_exporter.analysis.incident_rows import incident_fields, incidents_csv
from goodput_exporter.analysis.reliability import Reliability
from goodput_exporter.analysis.stretches import account_of
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import BadInputError, ConfigError, LedgerError
from goodput_exporter.exposition.addresses import full_name
from goodput_exporter.exposition.answers import books, layers
from goodput_exporter.exposition.instants import parse_instant, rfc3339
from goodput_exporter.exposition.lookups import RefusedError
from goodput_exporter.exposition.past_answers import past_groups, past_reliability
from goodput_exporter.exposition.past_schemas import (
    PastAccount,
    PastGroups,
    PastReliability,
)
from goodput_exporter.exposition.shapes import Problem

NAME: Final = "`cluster/namespace/run`, or the run id alone."
FROM: Final = "Unix seconds or RFC 3339; without it, the first entry."
TO: Final = "Unix seconds or RFC 3339; without it, the last entry."
VIEW: Final = (
    "settled: as it is known today, in hindsight; live: as the counters showed it."
)
BY: Final = (
    "What the runs have in common: cluster, namespace, team, queue, gpu_model or "
    "node_pool."
)
FORMAT: Final = "json or csv."

Name = Annotated[str, ApiPath(description=NAME)]
From = Annotated[str | None, Query(alias="from", description=FROM)]
To = Annotated[str | None, Query(alias="to", description=TO)]


class Past(Protocol):
    """Reads the ledger for the API, on a worker thread."""

    def runs(self, names: tuple[str, ...]) -> list[History]:
        """
        Read some runs, or all of them.

        Raises:
            BadInputError: No run, or more than one, goes by a name.
            LedgerError: The ledger cannot be read now.
        """

    def reliability(self, runs: list[History], window: Span, view: View) -> Reliability:
        """
        Return mean times, failures of nodes, and what preemptions cost.

        Raises:
            ConfigError: SciPy, which the limits need, is not installed.
            LedgerError: The ledger cannot be read now.
        """


def past_routes(past: Past) -> APIRouter:
    """Return the routes that read the ledger."""
    refusals: dict[int | str, dict[str, Any]] = {
        404: {"model": Problem, "description": "No such run; names the nearest."},
        422: {"model": Problem, "description": "The window cannot be read."},
        503: {"model": Problem, "description": "The ledger cannot be read now."},
    }
    router = APIRouter(prefix="/api/v1", tags=["ledger"], responses=refusals)

    @router.get("/accounts/{name:path}", summary="One run's account, in either view")
    def account(
        name: Name,
        start: From = None,
        end: To = None,
        view: Annotated[View, Query(description=VIEW)] = View.SETTLED,
    ) -> PastAccount:
        """Say where the booked time of one run went, in any window of it."""
        (run,) = _read(past, (name,))
        window = _window([run], start, end)
        found = account_of(run.stretches(view), window)
        return PastAccount(
            run=full_name(run.key),
            view=view.value,
            start=rfc3339(window.start_ns),
            end=rfc3339(window.end_ns),
            books=books(found),
            layers=layers(ratios(found)),
        )

    @router.get("/incidents", summary="Every interruption, as one record each")
    def incidents(
        run: Annotated[list[str] | None, Query(description=NAME)] = None,
        start: From = None,
        end: To = None,
        view: Annotated[View, Query(description=VIEW)] = View.SETTLED,
        file: Annotated[str, Query(alias="format", description=FORMAT)] = "json",
    ) -> Response:
        """List what interrupted some runs, or all of them, oldest first."""
        histories = _read(past, tuple(run or ()))
        records: list[IncidentRecord] = []
        if any(one.life is not None for one in histories):
            window = _window(histories, start, end)
            for one in histories:
                records += one.incidents(window, view).records
        records.sort(key=lambda one: (one.detected_ns, one.run, one.number))
        if file == "csv":
            return PlainTextResponse(incidents_csv(records), media_type="text/csv")
        if file != "json":
            detail = f"format {shown(file)[:64]!r} is neither json nor csv"
            raise RefusedError(422, Problem(detail=detail))
        found = [incident_fields(one) for one in records]
        return JSONResponse({"view": view.value, "incidents": found})

    _add_sums(router, past)
    return router


def _add_sums(router: APIRouter, past: Past) -> None:
    """Add the routes that answer for many runs at once."""

    @router.get("/groups", summary="Groups of runs, in either view")
    def groups(
        by: Annotated[GroupKind, Query(description=BY)] = GroupKind.NAMESPACE,
        start: From = None,
        end: To = None,
        view: Annotated[View, Query(description=VIEW)] = View.SETTLED,
    ) -> PastGroups:
        """
        Add up runs by what they have in common, in any window.

        A run is in the group that its latest word says; its ratios are of the
        sums, and ``coverage`` says what part of the time was observed.
        """
        histories = _read(past, ())
        return past_groups(histories, by, _window(histories, start, end), view)

    @router.get("/reliability", summary="Interruptions, nodes and preemptions")
    def reliability(
        run: Annotated[list[str] | None, Query(description=NAME)] = None,
        start: From = None,
        end: To = None,
        view: Annotated[View, Query(description=VIEW)] = View.SETTLED,
    ) -> PastReliability:
        """
        Say how often some runs were interrupted, with limits of confidence.

        With the failures of the nodes that they held, by the cluster book, and what
        preemptions cost them.
        """
        histories = _read(past, tuple(run or ()))
        window = _window(histories, start, end)
        try:
            found = past.reliability(histories, window, view)
        except ConfigError as exc:  # SciPy is an extra
            raise RefusedError(503, Problem(detail=str(exc))) from exc
        except LedgerError as exc:
            raise RefusedError(503, Problem(detail=shown(str(exc)))) from exc
        return past_reliability(found, window, view)


def _read(past: Past, names: tuple[str, ...]) -> list[History]:
    try:
        return past.runs(names)
    except BadInputError as exc:
        raise RefusedError(404, Problem(detail=shown(str(exc)))) from exc
    except LedgerError as exc:
        raise RefusedError(503, Problem(detail=shown(str(exc)))) from exc


def _window(runs: list[History], start: str | None, end: str | None) -> Span:
    lives = [life for run in runs if (life := run.life) is not None]
    if not lives:
        raise RefusedError(404, Problem(detail="nothing is booked of any such run"))
    try:
        start_ns = min(life.start_ns for life in lives)
        start_ns = start_ns if start is None else parse_instant(start)
        end_ns = max(life.end_ns for life in lives)
        end_ns = end_ns if end is None else parse_instant(end)
    except BadInputError as exc:
        raise RefusedError(422, Problem(detail=str(exc))) from exc
    if start_ns >= end_ns:
        detail = (
            f"from={start or 'the first entry'} is not before "
            f"to={end or 'the last entry'}; a window holds its start and not its end"
        )
        raise RefusedError(422, Problem(detail=shown(detail)))
    return Span(start_ns, end_ns)
