"""The HTTP door: metrics, health, the API and the page; it reads, it never judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi import Path as ApiPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from goodput_exporter import __version__
from goodput_exporter.analysis.figures import shown
from goodput_exporter.domain.snapshot import RunView, Snapshot
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.errors import BadInputError
from goodput_exporter.exposition.answers import run_detail, run_list
from goodput_exporter.exposition.auth import (
    BodyLimit,
    HostCheck,
    SecurityHeaders,
    WriteGuard,
)
from goodput_exporter.exposition.corrections import Correct, corrections
from goodput_exporter.exposition.credentials import AuditRecord
from goodput_exporter.exposition.instants import parse_instant
from goodput_exporter.exposition.lookups import (
    Elsewhere,
    Latest,
    RefusedError,
    named_reading,
    nowhere_else,
    run_of,
    snapshot_of,
)
from goodput_exporter.exposition.pages import add_pages
from goodput_exporter.exposition.past import Past, past_routes
from goodput_exporter.exposition.render import CONTENT_TYPE
from goodput_exporter.exposition.run_schemas import RunDetail, RunList
from goodput_exporter.exposition.shapes import Problem
from goodput_exporter.exposition.windows import LIFETIME, History, read_span

MAX_BODY_BYTES: Final = 64 * 1024

NAME: Final = "`cluster/namespace/run`, or the run id alone."
FROM: Final = "Unix seconds or RFC 3339; without it, when the run's book begins."
TO: Final = "Unix seconds or RFC 3339; without it, the last tick."
WINDOW: Final = "5m, 1h, 24h or lifetime; ignored where from or to is given."


@dataclass(frozen=True, slots=True)
class Freshness:
    """
    When the exporter counts as ready.

    Args:
        now_ns: The ledger's clock.
        limit_seconds: How old the last tick may be.
    """

    now_ns: Callable[[], int]
    limit_seconds: float = 30.0

    def problem(self, snapshot: Snapshot | None) -> str | None:
        """Return why *snapshot* must not be relied on, or None if it may."""
        if snapshot is None:
            return "no tick has been completed yet"
        if not snapshot.health.ledger_up:
            return "the ledger refused the last commit; see the log and the disk"
        age_seconds = (self.now_ns() - snapshot.at_ns) / NS_PER_SECOND
        if age_seconds > self.limit_seconds:
            return (
                f"the last tick is {age_seconds:.0f} s old, "
                f"the limit is {self.limit_seconds:.0f} s"
            )
        return None


def create_app(  # noqa: PLR0913 - edges take values and callables, not a settings object
    *,
    latest: Latest,
    metrics: Callable[[], bytes],
    freshness: Freshness,
    audit: Callable[[AuditRecord], None],
    metrics_gzip: Callable[[], bytes] | None = None,
    tokens: frozenset[str] = frozenset(),
    allowed_hosts: frozenset[str] | None = None,
    history: History | None = None,
    correct: Correct | None = None,
    past: Past | None = None,
    elsewhere: Elsewhere = nowhere_else,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> FastAPI:
    """
    Build the application.

    Args:
        latest: The last tick's snapshot; None before the first.
        metrics: The rendered exposition; made once per tick, elsewhere.
        freshness: When ``/readyz`` says yes.
        audit: Told of every request that may change something.
        metrics_gzip: The same bytes, compressed; None serves them plain.
        tokens: Bearer tokens for requests that may change something.
        allowed_hosts: Accepted Host names; None accepts all. A loopback bind
            passes ``LOOPBACK_HOSTS``, against DNS rebinding.
        history: Sealed segments of a run in a span, from the ledger; called
            on a worker thread.
        past: Reads any window from the ledger; None leaves its routes out.
        correct: Carries out a person's correction of a cause; None refuses them.
        elsewhere: Where to ask for a run that is not here.
        max_body_bytes: The largest request body that is read.
    """
    # FastAPI's own documentation pages load scripts from another host.
    app = FastAPI(
        title="goodput-exporter",
        version=__version__,
        summary="What fraction of GPU time became training progress that was kept.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.include_router(_operations(latest, metrics, metrics_gzip, freshness))
    app.include_router(_runs(latest, history, elsewhere))
    if past is not None:
        app.include_router(past_routes(past))
    if correct is not None:
        app.include_router(corrections(latest, correct))
    add_pages(app, latest=latest, history=history, elsewhere=elsewhere)
    app.add_exception_handler(RefusedError, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _answer_misfit)
    app.add_middleware(WriteGuard, tokens=tokens, audit=audit)
    app.add_middleware(BodyLimit, max_bytes=max_body_bytes)
    app.add_middleware(HostCheck, allowed=allowed_hosts)
    app.add_middleware(SecurityHeaders)
    return app


def _operations(
    latest: Latest,
    metrics: Callable[[], bytes],
    metrics_gzip: Callable[[], bytes] | None,
    freshness: Freshness,
) -> APIRouter:
    router = APIRouter(tags=["operations"], default_response_class=PlainTextResponse)

    @router.get("/metrics", summary="Prometheus metrics, as of the last tick")
    async def metrics_text(request: Request) -> Response:
        accepted = request.headers.get("accept-encoding", "")
        if metrics_gzip is not None and accepts_gzip(accepted):
            headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            return Response(metrics_gzip(), headers=headers, media_type=CONTENT_TYPE)
        headers = {"Vary": "Accept-Encoding"}
        return Response(metrics(), headers=headers, media_type=CONTENT_TYPE)

    @router.get("/healthz", summary="The process is alive")
    async def alive() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @router.get(
        "/readyz",
        summary="Ticks are fresh and committed",
        responses={503: {"description": "Not ready; the body says why."}},
    )
    async def ready() -> PlainTextResponse:
        problem = freshness.problem(latest())
        if problem is None:
            return PlainTextResponse("ok\n")
        return PlainTextResponse(f"not ready: {problem}\n", status_code=503)

    return router


def _runs(latest: Latest, history: History | None, elsewhere: Elsewhere) -> APIRouter:
    refusals: dict[int | str, dict[str, Any]] = {
        404: {"model": Problem, "description": "No such run; names the nearest."},
        409: {"model": Problem, "description": "Several runs; names them."},
        422: {"model": Problem, "description": "The window cannot be read."},
        503: {"model": Problem, "description": "No tick has been completed yet."},
    }
    router = APIRouter(prefix="/api/v1/runs", tags=["runs"])

    # Plain functions, so that they run on a worker thread: ten thousand runs take
    # a second to write out, and one run's window may be read from the ledger.
    @router.get("", summary="Every known run", responses={503: refusals[503]})
    def runs() -> RunList:
        return run_list(snapshot_of(latest))

    @router.get("/{name:path}", summary="One run in one window", responses=refusals)
    def run(
        name: Annotated[str, ApiPath(description=NAME)],
        window: Annotated[str, Query(description=WINDOW)] = LIFETIME,
        start: Annotated[str | None, Query(alias="from", description=FROM)] = None,
        end: Annotated[str | None, Query(alias="to", description=TO)] = None,
    ) -> RunDetail:
        """
        Answer for the run *name*: ``cluster/namespace/run``, or the run id alone.

        Without ``from`` and ``to`` the window is ``5m``, ``1h``, ``24h`` or
        ``lifetime``.
        """
        snapshot = snapshot_of(latest)
        view = run_of(snapshot, name, elsewhere)
        if start is None and end is None:
            reading = named_reading(view, window, history)
        else:
            reading = read_span(view, _span(view, snapshot, start, end), history)
        return run_detail(snapshot, view, reading)

    return router


def _span(
    view: RunView, snapshot: Snapshot, start: str | None, end: str | None
) -> Span:
    try:
        start_ns = view.opened_ns if start is None else parse_instant(start)
        end_ns = snapshot.at_ns if end is None else parse_instant(end)
    except BadInputError as exc:
        raise RefusedError(422, Problem(detail=str(exc))) from exc
    if start_ns >= end_ns:
        detail = f"from={start} is not before to={end}; a window is half-open"
        raise RefusedError(422, Problem(detail=shown(detail)))
    return Span(start_ns, end_ns)


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether an Accept-Encoding header takes gzip (not ``gzip;q=0``)."""
    for choice in accept_encoding.lower().split(","):
        coding, _, weight = choice.partition(";")
        refused = weight.replace(" ", "").rstrip("0.") in {"q=", "q"}
        if coding.strip() == "gzip" and not refused:
            return True
    return False


async def _answer_refusal(_: Request, refused: Exception) -> Response:
    if not isinstance(refused, RefusedError):
        raise refused
    return JSONResponse(refused.problem.model_dump(), status_code=refused.status)


async def _answer_misfit(_: Request, refused: Exception) -> Response:
    """Say what does not fit in one sentence; what was sent is not sent back."""
    if not isinstance(refused, RequestValidationError):
        raise refused
    found = [
        f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
        for one in refused.errors()
    ]
    problem = Problem(detail=shown("; ".join(found)))
    return JSONResponse(problem.model_dump(), status_code=422)
