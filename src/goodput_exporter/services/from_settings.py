"""What every program makes of its settings: a ledger, a clock, rules, credentials."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from goodput_exporter.clock import LedgerClock, boot_id
from goodput_exporter.config import Settings
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase
from goodput_exporter.errors import ConfigError, LedgerError
from goodput_exporter.exposition.credentials import AuditRecord
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.ledger.opening import is_shared, open_ledger, read_ledger
from goodput_exporter.services.other_shards import OtherShards
from goodput_exporter.services.sharding import Shard

_audit_log = logging.getLogger("goodput_exporter.audit")

CLOCK: Final = "clock"
"""The name in the ledger's meta of this boot's clock offset."""


def ledger_of(settings: Settings, shard: int = 0) -> Ledger:
    """Open the ledger that the settings name; a file's folder is made."""
    if settings.ledger.url is not None:
        cluster = settings.identity.cluster
        return open_ledger(settings.ledger.url, cluster=cluster, shard=shard)
    make_folder(settings.ledger.path)
    return open_ledger(settings.ledger.path)


def others_of(settings: Settings, shard: Shard) -> OtherShards:
    """Return a cluster's other shards; a database holds all of their books."""
    url, cluster = settings.ledger.url, settings.identity.cluster
    if url is None or not is_shared(url):
        return OtherShards(shard)
    return OtherShards(
        shard, lambda index: read_ledger(url, cluster=cluster, shard=index)
    )


def make_folder(ledger: Path) -> None:
    """
    Make the folder that the ledger lies in.

    Raises:
        LedgerError: It cannot be made.
    """
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        msg = (
            f"ledger.path: the folder of {ledger} cannot be made ({exc}); check the "
            "path and the rights on it, or set another with "
            "GOODPUT_EXPORTER_LEDGER_PATH or --ledger-path"
        )
        raise LedgerError(msg) from exc


def clock_from(meta: Mapping[str, str]) -> LedgerClock:
    """Go on with the clock of an earlier life in the same boot, or begin one."""
    known = json.loads(meta.get(CLOCK, "null"))
    if known is not None and known[0] == boot_id():
        return LedgerClock(int(known[1]))
    return LedgerClock()


def clock_note(clock: LedgerClock) -> str:
    """Return what ``clock_from`` goes on with."""
    return json.dumps([boot_id(), clock.offset_ns])


def rules_of(settings: Settings) -> Rules:
    """Translate the settings into the fold's nanoseconds."""
    stall, pinned = settings.stall, settings.run.reference_step_seconds
    return Rules(
        grace_ns=ns(settings.books.grace_seconds),
        settle_ns=ns(settings.books.settle_seconds),
        settle_after_start_ns=ns(settings.books.settle_after_start_seconds),
        end_after_ns=ns(settings.run.end_after_seconds),
        merge_ns=ns(settings.run.merge_seconds),
        reference_step_ns=None if pinned is None else ns(pinned),
        stall_floors_ns={
            Phase.TRAIN_STEP: ns(stall.step_seconds),
            Phase.DATA_LOADING: ns(stall.data_wait_seconds),
            Phase.EVAL: ns(stall.evaluating_seconds),
            Phase.INIT: ns(stall.initializing_seconds),
            Phase.COMPILE: ns(stall.initializing_seconds),
            Phase.CHECKPOINT_SAVE: ns(stall.checkpointing_seconds),
            Phase.CHECKPOINT_RESTORE: ns(stall.restoring_seconds),
            Phase.FINALIZE: ns(stall.finalize_seconds),
        },
        stall_factor=stall.factor,
    )


def tokens_of(path: Path | None) -> frozenset[str]:
    """
    Read the bearer tokens, one per line; blank lines do not count.

    Raises:
        ConfigError: The file cannot be read.
    """
    if path is None:
        return frozenset()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        msg = f"http.tokens_file: {path} cannot be read ({exc}); check path and rights"
        raise ConfigError(msg) from exc
    return frozenset(line.strip() for line in lines if line.strip())


def write_audit(record: AuditRecord) -> None:
    """Write down who tried to change what."""
    _audit_log.info("audit", extra=asdict(record))


def ns(seconds: float) -> int:
    """Turn a setting into nanoseconds."""
    return round(seconds * NS_PER_SECOND)
