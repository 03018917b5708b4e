"""``goodput-exporter doctor RUN``: asks the exporter, else the ledger."""

from __future__ import annotations

import argparse
import json
import os
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import quote

from goodput_exporter.analysis.doctor import (
    UNNAMED,
    Complaint,
    RunSeen,
    Seen,
    Socket,
    examine,
)
from goodput_exporter.analysis.histories import History, View
from goodput_exporter.config import Settings
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import BadInputError, ConfigError, LedgerError
from goodput_exporter.exposition.addresses import full_name
from goodput_exporter.exposition.scraped import samples, value
from goodput_exporter.services.asking import asked_exporter
from goodput_exporter.services.ledger_places import cluster_reader_of
from goodput_exporter.services.reading_runs import find_run, nearest_runs, read_run
from goodput_exporter.sources.refusals import ADVICE, Reason

PATIENCE_SECONDS: Final = 5.0
UNWELL: Final = 1
"""The exit status where something can be changed for the better."""
NOT_FOUND: Final = 404
UNAVAILABLE: Final = 503
FLAW: Final = "a field was dropped and the rest kept; the exporter's log names it"

Fetch = Callable[[str], tuple[int, str]]
"""From a path below the server to its status and text."""


def main(settings: Settings, chosen: argparse.Namespace, out: TextIO) -> int:
    """
    Say what keeps a run's figures from being better.

    Returns:
        0 where nothing can be improved, else 1.

    Raises:
        ConfigError: The server's address is none.
        LedgerError: Neither the exporter nor the ledger can be read.
    """
    said = vars(chosen)
    server = asked_exporter(
        said, settings.http, settings.http.readers_file, PATIENCE_SECONDS
    )
    name = _only(said["run"])
    seen = look(settings, name, server.url, server.get)
    complaints = examine(seen)
    out.write(told(seen, complaints))
    return UNWELL if complaints else 0


def told(seen: Seen, complaints: list[Complaint]) -> str:
    """Return what a person reads."""
    name = seen.asked if seen.run is None else seen.run.name
    where = seen.exporter or "the ledger"
    if not complaints:
        return f"{name} (by {where}): nothing to improve\n"
    lines = [f"{name} (by {where}):"]
    for number, one in enumerate(complaints, start=1):
        lines += [f"{number}. {one.what}", f"   -> {one.change}"]
    return "\n".join(lines) + "\n"


def look(settings: Settings, name: str, server: str, fetch: Fetch) -> Seen:
    """Look at a run through the running exporter, else in the ledger."""
    socket = socket_of(settings.heartbeats.unix_path)
    try:
        return through_exporter(name, server, fetch, socket)
    except BadInputError as exc:
        problem = str(exc) if server in str(exc) else f"{server}: {exc}"
        return in_ledger(settings, name, problem, socket)


def through_exporter(
    name: str, server: str, fetch: Fetch, socket: Socket | None
) -> Seen:
    """
    Ask the running exporter.

    Raises:
        BadInputError: It does not answer, or what answers is something else.
    """
    ready, why = fetch("/readyz")
    _, metrics = fetch("/metrics")
    _, listed = fetch("/api/v1/runs")
    status, detail = fetch(f"/api/v1/runs/{quote(name, safe='/')}")
    names = [_full(line) for line in _list(_json(listed).get("runs"))]
    run = None if status == NOT_FOUND else _run_of(_json(detail))
    near = _json(detail).get("nearest") if run is None else None
    return Seen(
        asked=name,
        run=run,
        nearest=(str(near),) if near else (),
        unnamed=tuple(n for n in names if n.rpartition("/")[2].startswith(UNNAMED)),
        exporter=server,
        not_ready=why.strip() if ready == UNAVAILABLE else None,
        ledger_up=_is_up(metrics, "goodput_ledger_up"),
        tick_lag_seconds=value(metrics, "goodput_tick_lag_seconds"),
        gpu_source_up=_is_up(metrics, "goodput_gpu_source_up"),
        accepted=_count(metrics, "goodput_datagrams_accepted_total"),
        lost=_count(metrics, "goodput_datagrams_lost_total"),
        rejected=_rejected(metrics),
        socket=socket,
    )


def in_ledger(
    settings: Settings, name: str, problem: str, socket: Socket | None
) -> Seen:
    """
    Look the run up in the ledger.

    Raises:
        LedgerError: It cannot be read, either.
    """
    try:
        with closing(cluster_reader_of(settings)) as ledger:
            known = ledger.runs()
            names = [full_name(run.key) for run in known]
            near = nearest_runs([run.key for run in known], name)
            try:
                booked = find_run(known, name)
            except BadInputError:
                run = None
            else:
                run = _run_in(read_run(ledger, booked))
    except LedgerError as exc:
        msg = f"neither an exporter ({problem}) nor the ledger can be asked: {exc}"
        raise LedgerError(msg) from exc
    return Seen(
        asked=name,
        run=run,
        nearest=tuple(near),
        unnamed=tuple(n for n in names if n.rpartition("/")[2].startswith(UNNAMED)),
        exporter_problem=problem,
        socket=socket,
    )


def socket_of(path: Path) -> Socket:
    """Say whether heartbeats can be sent to a Unix socket."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Socket(str(path), "no such file")
    except OSError as exc:
        return Socket(str(path), exc.strerror)
    if not stat.S_ISSOCK(mode):
        return Socket(str(path), "it is no socket")
    if not os.access(path, os.W_OK):
        return Socket(str(path), "this user may not write to it")
    return Socket(str(path))


def _run_of(detail: dict[str, Any]) -> RunSeen:
    """Read what ``GET /api/v1/runs/NAME`` answers."""
    try:
        rests, model, steps = detail["rests_on"], detail["model"], detail["progress"]
        devices, live = detail["devices"], detail["live"]
        return RunSeen(
            name=_full(detail),
            source=rests["source"],
            verified=rests["verified"],
            upper_bound=rests["upper_bound"],
            has_gpus=devices["are_gpus"],
            gpu_model=model["gpu_model"],
            peak_source=model["peak_source"],
            has_flops=model["flops_per_token"] is not None or model["mfu"] is not None,
            has_peak=model["peak_flops"] is not None,
            outcome=detail["outcome"],
            state=detail["now"]["state"],
            unobserved=_unobserved(live),
            ranks_reporting=devices["ranks_reporting"],
            ranks_expected=devices["ranks_expected"],
            devices_asked=devices["asked"],
            step=steps["step"],
            saved_step=steps["saved_step"],
            durable_step=steps["durable_step"],
            unknown_causes=sum(
                one["cause"] == Cause.UNKNOWN.value for one in detail["incidents"]
            ),
        )
    except (KeyError, TypeError) as exc:
        msg = f"the answer lacks {exc}; is it an exporter of this version?"
        raise BadInputError(msg) from exc


def _unobserved(live: dict[str, Any]) -> float:
    unseen = sum(
        int(line["gpu_ns"])
        for line in live["states"]
        if line["name"] == RunState.UNOBSERVED.value
    )
    total = int(live["total_gpu_ns"])
    return unseen / total if total else 0.0


def _run_in(run: History) -> RunSeen:
    """Say what the ledger knows of a run; what it does not know is left out."""
    life, facts = run.life, run.facts
    window = life or Span(0, 1)
    total = sum(one.gpu_ns for one in run.seen.live)
    unseen = sum(
        one.gpu_ns for one in run.seen.live if one.state is RunState.UNOBSERVED
    )
    records = run.incidents(window, View.SETTLED).records
    unknown = sum(one.cause is Cause.UNKNOWN for one in records)
    name, share = full_name(run.key), unseen / total if total else 0.0
    if facts is None:
        return RunSeen(name, unobserved=share, unknown_causes=unknown, has_state=False)
    return RunSeen(
        name=name,
        source=facts.source,
        verified=facts.verified,
        upper_bound=facts.upper_bound,
        has_gpus=facts.has_gpus,
        has_flops=facts.has_flops,
        outcome=facts.outcome,
        unobserved=share,
        step=facts.step,
        saved_step=facts.saved_step,
        durable_step=facts.durable_step,
        unknown_causes=unknown,
    )


def _rejected(metrics: str) -> dict[str, tuple[int, str]]:
    advice = {reason.value: ADVICE[reason] for reason in Reason}
    found: dict[str, tuple[int, str]] = {}
    for labels, count in samples(metrics, "goodput_datagrams_rejected_total"):
        reason = labels.get("reason", "")
        found[reason] = int(count), advice.get(reason, FLAW)
    return found


def _is_up(metrics: str, name: str) -> bool | None:
    found = value(metrics, name)
    return None if found is None else found > 0


def _count(metrics: str, name: str) -> int | None:
    found = value(metrics, name)
    return None if found is None else int(found)


def _full(answer: dict[str, Any]) -> str:
    try:
        key = answer["key"]
        return f"{key['cluster']}/{key['namespace']}/{key['run']}"
    except (KeyError, TypeError) as exc:
        msg = f"the answer lacks {exc}; is it an exporter of this version?"
        raise BadInputError(msg) from exc


def _json(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as exc:
        msg = f"the answer is no JSON ({exc}); is it an exporter of ours?"
        raise BadInputError(msg) from exc
    return answer if isinstance(answer, dict) else {}


def _list(found: object) -> list[dict[str, Any]]:
    return found if isinstance(found, list) else []


def _only(names: str | list[str] | None) -> str:
    if isinstance(names, str):
        return names
    if not names or len(names) > 1:
        msg = "doctor: name one run, as in: doctor RUN"
        raise ConfigError(msg)
    return names[0]
