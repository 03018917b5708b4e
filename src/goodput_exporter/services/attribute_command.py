"""A person's word on a cause: through the running exporter, or into the ledger."""

from __future__ import annotations

import argparse
import getpass
from contextlib import closing
from typing import Final, TextIO
from urllib.parse import quote

from goodput_exporter.clock import LedgerClock
from goodput_exporter.config import Settings
from goodput_exporter.domain.causes import Correction
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.states import Cause
from goodput_exporter.errors import BadInputError, ConfigError, LedgerError
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.services.asking import (
    Exporter,
    UnansweredError,
    asked_exporter,
    detail_of,
)
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.services.from_settings import ledger_of
from goodput_exporter.services.ledger_places import shard_for
from goodput_exporter.services.reading_runs import nearest_runs

PARTS: Final = 3
REFUSED: Final = 400
PATIENCE_SECONDS: Final = 30.0
"""Seconds that a running exporter may take to commit."""


def main(settings: Settings, chosen: argparse.Namespace, out: TextIO) -> int:
    """
    Correct the cause of one incident.

    Returns:
        0; everything else is an error.

    Raises:
        ConfigError: The command line is wrong.
        BadInputError: There is no such run or incident.
        LedgerError: The ledger or the exporter that holds it cannot be used.
    """
    key, number = incident_of(chosen.incident)
    cause = cause_of(chosen.cause)
    note, by = chosen.note or "", chosen.by or getpass.getuser()
    said = Correction(number, cause, by, note, LedgerClock().now_ns())
    asked = vars(chosen)
    exporter = asked_exporter(
        asked, settings.http, settings.http.tokens_file, PATIENCE_SECONDS
    )
    if _ask_exporter(exporter, key, said):
        where = "by the running exporter"
    elif asked.get("server") is not None:
        msg = (
            f"{exporter.url}: nobody listens there; without --server the ledger is used"
        )
        raise LedgerError(msg)
    else:
        _write(settings, key, said)
        where = "in the ledger"
    print(f"{chosen.incident} is due to {cause.value} now: corrected {where}", file=out)
    return 0


def incident_of(text: str) -> tuple[RunKey, int]:
    """
    Read the name of an incident.

    Raises:
        ConfigError: It is not ``CLUSTER/NAMESPACE/RUN#NUMBER``.
    """
    name, _, number = text.rpartition("#")
    parts = name.split("/", PARTS - 1)
    if len(parts) != PARTS or not number.isdecimal() or not all(parts):
        msg = (
            f"{text!r} names no incident; it reads CLUSTER/NAMESPACE/RUN#NUMBER, such "
            "as local/default/pretrain#3"
        )
        raise ConfigError(msg)
    return RunKey(*parts), int(number)


def cause_of(text: str | None) -> Cause:
    """
    Read a cause.

    Raises:
        ConfigError: It is none of the closed set that an incident can have.
    """
    known = [cause.value for cause in Cause if cause is not Cause.NONE]
    if text not in known:
        said = "--cause is missing" if text is None else f"--cause {text}"
        msg = f"{said}: an incident is due to one of {', '.join(known)}"
        raise ConfigError(msg)
    return Cause(text)


def _ask_exporter(exporter: Exporter, key: RunKey, said: Correction) -> bool:
    """Ask a running exporter; False: nobody listens there."""
    path = quote(str(key), safe="")
    body = {"cause": said.cause.value, "note": said.note, "by": said.by}
    try:
        status, answer = exporter.post(
            f"/api/v1/runs/{path}/incidents/{said.incident}/cause", body
        )
    except UnansweredError as exc:
        if exc.refused:
            return False
        msg = f"the exporter cannot be asked: {exc}"
        raise LedgerError(msg) from exc
    if status >= REFUSED:
        msg = f"the running exporter refused it ({status}): {detail_of(answer)}"
        raise BadInputError(msg)
    return True


def _write(settings: Settings, key: RunKey, said: Correction) -> None:
    with closing(ledger_of(settings, shard_for(settings, key))) as ledger:
        _require(ledger, key)
        books = Bookkeeper(
            ledger,
            Rules(),
            cluster=settings.identity.cluster,
            namespace=settings.identity.namespace,
            silence_ns=0,
            retention_ns=0,
        )
        books.correct(key, said, said.at_ns)
        books.write_down(key, said.at_ns)


def _require(ledger: Ledger, key: RunKey) -> None:
    keys = [run.key for run in ledger.runs()]
    if key not in keys:
        near = " or ".join(nearest_runs(keys, str(key)))
        hint = f"did you mean {near}?" if near else "check ledger.path, or ledger.url"
        msg = f"run {key} is not in the ledger, which holds {len(keys)} runs: {hint}"
        raise BadInputError(msg)
