"""The settings of the books: where they are kept, and when time is booked for good."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from goodput_exporter.config.setting import Setting, in_seconds

LONGEST_DAYS: Final = 36_500
"""A century; a calendar ends where a number of days does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFile:
    """Where what is booked is kept."""

    path: Annotated[
        Path,
        Setting(
            "SQLite file of the ledger; its folder is created.",
            default_text="`$XDG_STATE_HOME/goodput-exporter/ledger.sqlite`, "
            "else under `~/.local/state`",
        ),
    ]
    url: Annotated[
        str | None,
        Setting(
            "A ledger elsewhere, instead of `ledger.path`: "
            "`postgresql://USER@HOST:PORT/DATABASE`, where each `identity.cluster` has "
            "a book of its own, or `sqlite://PATH`. A password goes into `PGPASSWORD` "
            "or the file that `PGPASSFILE` names."
        ),
    ] = None
    keep_days: Annotated[
        int | None,
        Setting(
            "`ledger compact` folds segments of days that ended longer ago into daily "
            "accounts, which stay exact for ever. Without it every segment is kept.",
            unit="days",
            at_least=2,
            at_most=LONGEST_DAYS,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Raw observations, kept so that the books can be folded again."""

    folder: Annotated[
        Path | None,
        Setting(
            "Where every tick's observations are recorded, compressed, for `ledger "
            "replay`; without it nothing is recorded."
        ),
    ] = None
    most_mebibytes: Annotated[
        int,
        Setting(
            "Of all recorded files; the oldest go first.", unit="mebibytes", at_least=1
        ),
    ] = 256
    keep_days: Annotated[
        int,
        Setting(
            "Recorded files that are older go.",
            unit="days",
            at_least=1,
            at_most=LONGEST_DAYS,
        ),
    ] = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """When time is looked at, and when it is booked for good."""

    tick_seconds: Annotated[
        float,
        in_seconds("How often everything is folded and published.", at_least=0.05),
    ] = 1.0
    silence_seconds: Annotated[
        float,
        in_seconds(
            "A rank not heard for this long is silent: it lowers coverage, never the "
            "book; silence alone is never `down`.",
            at_least=1,
        ),
    ] = 15.0
    settle_seconds: Annotated[
        float,
        in_seconds("How long an instant stays open to late evidence before it seals."),
    ] = 60.0
    settle_after_start_seconds: Annotated[
        float,
        in_seconds(
            "The same, just after the exporter itself started, or stood still for "
            "longer than that: senders catch up."
        ),
    ] = 300.0
    grace_seconds: Annotated[
        float,
        in_seconds(
            "How long a report may be under way before its instant is decided: a "
            "process that has gone may have said goodbye in a datagram not read yet."
        ),
    ] = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """When an open span counts as stalled: max(limit, factor x its usual longest)."""

    factor: Annotated[
        int,
        Setting(
            "The limit is never below this many times the rolling 99th percentile of "
            "the phase.",
            unit="times",
            at_least=1,
        ),
    ] = 10
    step_seconds: Annotated[
        float, in_seconds("Limit for one optimizer step.", at_least=1)
    ] = 60.0
    data_wait_seconds: Annotated[
        float, in_seconds("Limit for one wait for data.", at_least=1)
    ] = 600.0
    evaluating_seconds: Annotated[
        float, in_seconds("Limit for one evaluation.", at_least=1)
    ] = 600.0
    initializing_seconds: Annotated[
        float, in_seconds("Limit for start-up and compilation.", at_least=1)
    ] = 1800.0
    checkpointing_seconds: Annotated[
        float, in_seconds("Limit for one blocking save.", at_least=1)
    ] = 1800.0
    restoring_seconds: Annotated[
        float, in_seconds("Limit for loading a checkpoint.", at_least=1)
    ] = 1800.0
    finalize_seconds: Annotated[
        float, in_seconds("Limit for shutting down.", at_least=1)
    ] = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run is measured against, and when it is over."""

    end_after_seconds: Annotated[
        float,
        in_seconds(
            "A run whose last process ended this long ago has ended; `down` booked "
            "since then is restated out of its book."
        ),
    ] = 900.0
    merge_seconds: Annotated[
        float,
        in_seconds("Ranks that come back within this of each other are one restart."),
    ] = 120.0
    reference_step_seconds: Annotated[
        float | None,
        in_seconds(
            "Pins the reference step time, above which a step is slow. Without it the "
            "reference is learned from the run's own steps.",
            at_least=1e-6,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what is over stays in sight."""

    finished_seconds: Annotated[
        float,
        in_seconds(
            "A finished run stays on `/metrics` and the page for this long; keep it "
            "above three scrape intervals. The ledger keeps it for ever."
        ),
    ] = 900.0
