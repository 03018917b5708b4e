"""What a person does with a ledger: check it, copy it, put a copy back, export it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, TextIO

from goodput_exporter.config import Settings
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import LAYER_OF
from goodput_exporter.errors import ConfigError, LedgerCorruptError, LedgerError
from goodput_exporter.exposition.instants import rfc3339
from goodput_exporter.ledger import copying
from goodput_exporter.ledger.ledger import Finding
from goodput_exporter.ledger.state import decode_state
from goodput_exporter.ledger.reader import SqliteReader, read_ledger

BROKEN: Final = 1
"""The exit status where the ledger breaks a law."""

COLUMNS: Final = (
    "cluster",
    "namespace",
    "run",
    "start",
    "end",
    "start_ns",
    "end_ns",
    "state",
    "layer",
    "cause",
    "devices",
    "gpu_seconds",
    "incident",
    "first_step",
    "last_step",
)
"""A run's key is three columns: any of its parts may hold a slash."""

INSTEAD: Final = MappingProxyType(
    {
        "verify": "ask it with SQL, or verify a copy that lies in a file",
        "backup": "use pg_dump --schema=goodput, which sees one snapshot while "
        "exporters write",
        "restore": "stop the exporters of every book and use pg_restore or psql",
        "export": "use psql --csv -c 'SELECT * FROM goodput.segments'",
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a person asks of the ledger.

    Args:
        action: One of ``ACTIONS``.
        file: Where to, or from where; None where the action needs none.
    """

    action: str
    file: Path | None = None


def main(settings: Settings, asked: Asked, out: TextIO) -> int:
    """
    Do what is asked of the ledger that the settings name.

    Returns:
        0, or 1 where a law is broken.

    Raises:
        ConfigError: The ledger is in no file.
        LedgerError: It cannot be read or written.
    """
    return ACTIONS[asked.action](_file_of(settings, asked.action), asked.file, out)


def verify(path: Path, _file: Path | None, out: TextIO) -> int:
    """Say which laws the ledger breaks, a line for each."""
    with closing(read_ledger(path)) as ledger:
        findings = [*ledger.verify(), *_unable_to_go_on(ledger)]
        runs = len(ledger.runs())
    if not findings:
        out.write(f"{path}: {runs} runs; every law holds\n")
    return _told(findings, out)


def back_up(path: Path, file: Path | None, out: TextIO) -> int:
    """Copy the ledger to a new file."""
    target = _named(file, "backup", "TARGET")
    findings = copying.back_up(path, target)
    if findings:
        kept = copying.unsound(target)
        out.write(f"{kept}: a copy of {path}, which breaks laws:\n")
    else:
        out.write(f"{target}: a copy of {path}; every law holds in it\n")
    return _told(findings, out)


def restore(path: Path, file: Path | None, out: TextIO) -> int:
    """Put a copy in the ledger's place; the old file stays beside it."""
    source = _named(file, "restore", "SOURCE")
    existed = path.exists()
    old = f"{path.name}.{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%fZ}"
    findings = copying.restore(path, source, old)
    if findings:
        out.write(f"{source}: breaks laws; {path} is as it was:\n")
    else:
        kept = f"; what was there is {path.with_name(old)}" if existed else ""
        out.write(f"{path}: restored from {source}{kept}\n")
    return _told(findings, out)


def export(path: Path, file: Path | None, out: TextIO) -> int:
    """
    Write every segment as a line of CSV, to a new file or to *out*.

    Raises:
        LedgerError: The file exists or cannot be written, or the ledger cannot
            be read.
    """
    with closing(read_ledger(path)) as ledger:
        if file is None:
            write_csv(ledger, out)
            return 0
        try:
            with file.open("x", encoding="utf-8", newline="") as table:
                write_csv(ledger, table)
        except OSError as exc:
            msg = (
                f"{file}: cannot be written ({exc.strerror}); name a new file in a "
                "folder that this user may write"
            )
            raise LedgerError(msg) from exc
    return 0


def write_csv(ledger: SqliteReader, out: TextIO) -> None:
    """Write the segments run by run, each run in time order, as they are read."""
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for known in ledger.runs():
        table.writerows(_rows(known.key, ledger.segments(known.key)))


def _rows(key: RunKey, segments: Iterable[Segment]) -> Iterator[tuple[object, ...]]:
    for segment in segments:
        span = segment.span
        yield (
            key.cluster,
            key.namespace,
            key.run,
            rfc3339(span.start_ns),
            rfc3339(span.end_ns),
            span.start_ns,
            span.end_ns,
            segment.state.value,
            LAYER_OF[segment.state].value,
            segment.cause.value,
            segment.devices,
            exact_seconds(segment.gpu_ns),
            segment.incident,
            segment.first_step,
            segment.last_step,
        )


def exact_seconds(gpu_ns: int) -> str:
    """Write nanoseconds as seconds with all nine digits; a float would round them."""
    seconds, fraction_ns = divmod(gpu_ns, NS_PER_SECOND)
    return f"{seconds}.{fraction_ns:09d}"


def _unable_to_go_on(ledger: SqliteReader) -> Iterator[Finding]:
    """Name the runs whose state another version wrote: they would begin anew."""
    for key, state in ledger.resume().states.items():
        try:
            decode_state(state)
        except LedgerCorruptError as exc:
            yield Finding(key, None, f"run {key}: {exc}")


def _told(findings: Iterable[Finding], out: TextIO) -> int:
    # A damaged state is found by the audit and again by who would go on from it.
    lines = dict.fromkeys(finding.what for finding in findings)
    out.writelines(f"{line}\n" for line in lines)
    return BROKEN if lines else 0


def _named(file: Path | None, action: str, what: str) -> Path:
    if file is None:
        msg = f"ledger {action}: name the file, as in: ledger {action} {what}"
        raise ConfigError(msg)
    return file


def _file_of(settings: Settings, action: str) -> Path:
    url = settings.ledger.url
    if url is None:
        return settings.ledger.path
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest:
        return Path(rest)
    # The rest of the address stays unsaid: it may hold a password.
    msg = (
        f"ledger.url: {action} works on a ledger in a file, and this one is at "
        f"'{scheme}://…'; for PostgreSQL {INSTEAD[action]}"
    )
    raise ConfigError(msg)


ACTIONS: Final = MappingProxyType[str, Callable[[Path, Path | None, TextIO], int]](
    {"verify": verify, "backup": back_up, "restore": restore, "export": export}
)
