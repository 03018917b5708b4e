"""What a person does with a ledger: check it, copy it, put a copy back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, TextIO

from goodput_exporter.config import Settings
from goodput_exporter.errors import ConfigError, LedgerCorruptError, LedgerError
from goodput_exporter.ledger import copying
from goodput_exporter.ledger.exchanging import is_cut_off
from goodput_exporter.ledger.ledger import Finding, Reader
from goodput_exporter.ledger.opening import is_shared
from goodput_exporter.ledger.state import decode_state
from goodput_exporter.services.from_settings import ledger_of
from goodput_exporter.services.ledger_places import (
    cluster_reader_of,
    count_of,
    place_of,
)
from goodput_exporter.services.sharding import META

BROKEN: Final = 1
"""The exit status where the ledger breaks a law."""

INSTEAD: Final = MappingProxyType(
    {
        "backup": "use pg_dump --schema=goodput, which sees one snapshot while "
        "exporters write",
        "restore": "stop the exporters of every book and use pg_restore or psql",
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
    return ACTIONS[asked.action](settings, asked.file, out)


def verify(settings: Settings, _file: Path | None, out: TextIO) -> int:
    """Say which laws the ledger breaks, a line for each."""
    with closing(cluster_reader_of(settings)) as ledger:
        findings = [*ledger.verify(), *_unable_to_go_on(ledger)]
        runs, shards = len(ledger.runs()), count_of(ledger)
    if not findings:
        word = "run" if runs == 1 else "runs"
        out.write(f"{_name_of(settings, shards)}: {runs} {word}; every law holds\n")
    return _told(findings, out)


def bring_up(settings: Settings, _file: Path | None, out: TextIO) -> int:
    """Bring the ledger to this version, as the exporter does when it starts."""
    if settings.ledger.url is None:
        _require_there(settings.ledger.path)
    with closing(ledger_of(settings)) as ledger:
        shards = int(ledger.resume().meta.get(META, 1))
    if is_shared(place_of(settings)):
        for shard in range(1, shards):
            ledger_of(settings, shard).close()
    out.write(f"{_name_of(settings, shards)}: of this version\n")
    return 0


def back_up(settings: Settings, file: Path | None, out: TextIO) -> int:
    """Copy the ledger to a new file."""
    path = _file_of(settings, "backup")
    target = _named(file, "backup", "TARGET")
    findings = copying.back_up(path, target)
    if findings:
        kept = copying.unsound(target)
        out.write(f"{kept}: a copy of {path}, which breaks laws:\n")
    else:
        out.write(f"{target}: a copy of {path}; every law holds in it\n")
    return _told(findings, out)


def restore(settings: Settings, file: Path | None, out: TextIO) -> int:
    """Put a copy in the ledger's place; the old file stays beside it."""
    path = _file_of(settings, "restore")
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


def _unable_to_go_on(ledger: Reader) -> Iterator[Finding]:
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


def _require_there(path: Path) -> None:
    """Refuse to make a ledger where a person thinks that there is one."""
    if not path.is_file() and not is_cut_off(path):
        msg = f"{path}: no ledger is there; check ledger.path, or ledger.url"
        raise LedgerError(msg)


def _named(file: Path | None, action: str, what: str) -> Path:
    if file is None:
        msg = f"ledger {action}: name the file, as in: ledger {action} {what}"
        raise ConfigError(msg)
    return file


def _name_of(settings: Settings, shards: int) -> str:
    if settings.ledger.url is None:
        return str(settings.ledger.path)
    # An address may hold options that are nobody's business: the book's name will do.
    cluster = settings.identity.cluster
    if shards > 1 and is_shared(settings.ledger.url):
        return f"books {cluster}/0 to {cluster}/{shards - 1}"
    return f"book {cluster}/0"


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


ACTIONS: Final = MappingProxyType[str, Callable[[Settings, Path | None, TextIO], int]](
    {"verify": verify, "migrate": bring_up, "backup": back_up, "restore": restore}
)
