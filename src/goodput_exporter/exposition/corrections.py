"""The one thing that the API changes: a person's word on why an incident happened."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Request
from fastapi import Path as ApiPath
from pydantic import BaseModel, Field, field_validator

from goodput_exporter.analysis.figures import shown
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause
from goodput_exporter.errors import BadInputError, LedgerError
from goodput_exporter.exposition.lookups import (
    Latest,
    RefusedError,
    run_of,
    snapshot_of,
)
from goodput_exporter.exposition.shapes import Problem

PARTS = 3


class Correct(Protocol):
    """Carries out a correction and returns when it is in the ledger."""

    def __call__(
        self, key: RunKey, incident: int, cause: Cause, by: str, note: str
    ) -> None:
        """
        Correct the cause of an incident.

        Raises:
            BadInputError: There is no such run or incident.
            LedgerError: The ledger takes no entries now.
        """


class CauseCorrection(BaseModel):
    """A better cause for one incident."""

    cause: Cause = Field(description="What it is due to; any cause but none.")
    note: str = Field(default="", max_length=2000, description="Why; kept with it.")
    by: str = Field(
        default="", max_length=200, description="Who says so, beside the token's name."
    )

    @field_validator("cause")
    @classmethod
    def _is_a_cause(cls, cause: Cause) -> Cause:
        if cause is Cause.NONE:
            msg = "an incident has a cause; say unknown if nobody knows it"
            raise ValueError(msg)
        return cause


class Corrected(BaseModel):
    """What holds now."""

    run: str
    incident: int
    cause: Cause


def corrections(latest: Latest, correct: Correct) -> APIRouter:
    """
    Return the route that takes corrections.

    Args:
        latest: The last tick's snapshot, for runs named by their id alone.
        correct: Carries one out.
    """
    refusals: dict[int | str, dict[str, Any]] = {
        401: {"model": Problem, "description": "No bearer token, or a wrong one."},
        404: {"model": Problem, "description": "No such run or incident."},
        422: {"model": Problem, "description": "The body cannot be read."},
        503: {"model": Problem, "description": "The ledger takes no entries now."},
    }
    router = APIRouter(prefix="/api/v1/runs", tags=["runs"])

    @router.post(
        "/{name:path}/incidents/{number}/cause",
        summary="Correct the cause of an incident",
        responses=refusals,
    )
    def correct_cause(
        name: Annotated[
            str, ApiPath(description="cluster/namespace/run, or the run id alone.")
        ],
        number: Annotated[int, ApiPath(ge=1, description="The incident's number.")],
        said: CauseCorrection,
        request: Request,
    ) -> Corrected:
        """
        Let a person's word stand; rules never overrule it.

        The correction is an entry of the ledger. Totals by cause follow in the
        settled view; live counters stay, and the restated ones show what moved.
        """
        key = _key(latest, name)
        who = str(request.state.who)
        by = f"{said.by} ({who})" if said.by else who
        try:
            correct(key, number, said.cause, by, said.note)
        except BadInputError as exc:
            raise RefusedError(404, Problem(detail=shown(str(exc)))) from exc
        except LedgerError as exc:
            raise RefusedError(503, Problem(detail=shown(str(exc)))) from exc
        return Corrected(run=str(key), incident=number, cause=said.cause)

    return router


def _key(latest: Latest, name: str) -> RunKey:
    """Return a run's key: a full one need not be in sight any more."""
    parts = name.split("/", PARTS - 1)
    if len(parts) == PARTS and all(parts):
        return RunKey(*parts)
    return run_of(snapshot_of(latest), name).key
