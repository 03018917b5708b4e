"""``goodput-exporter maintenance``: planned work is declared, listed and removed."""

from __future__ import annotations

import argparse
import fcntl
import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from goodput_exporter.config import Settings
from goodput_exporter.errors import BadInputError, ConfigError, LedgerError
from goodput_exporter.exposition.instants import rfc3339
from goodput_exporter.services.asked_windows import instant_ns
from goodput_exporter.sources.maintenance import (
    FILE_NAME,
    Declarations,
    Declared,
    read_declarations,
    write_declarations,
)

ACTIONS = ("add", "list", "remove")


def main(settings: Settings, chosen: argparse.Namespace, out: TextIO) -> int:
    """
    Do what is asked.

    Raises:
        ConfigError: The command line is wrong.
        BadInputError: The file is not what this program writes, or has no such window.
        LedgerError: The file cannot be written.
    """
    said, path = vars(chosen), file_of(settings)
    match said["action"]:
        case "add":
            add(path, said, out)
        case "remove":
            remove(path, said["id"], out)
        case _:
            show(path, out)
    return 0


def file_of(settings: Settings) -> Path:
    """Return where declared windows are kept: beside the ledger."""
    return settings.ledger.path.parent / FILE_NAME


def add(path: Path, said: dict[str, str | None], out: TextIO) -> None:
    """Declare a window; a running exporter reads it within a tick."""
    nodes = _nodes(said["nodes"])
    begins, ends = said["from"], said["to"]
    if begins is None or ends is None:
        msg = (
            "maintenance add: name the window, as in: maintenance add --nodes a,b "
            "--from 2026-03-01T08:00:00Z --to 2026-03-01T12:00:00Z --note 'new driver'"
        )
        raise ConfigError(msg)
    from_ns, to_ns = instant_ns("--from", begins), instant_ns("--to", ends)
    if from_ns >= to_ns:
        msg = f"--from {begins} is not before --to {ends}"
        raise ConfigError(msg)
    by = said["by"] or getpass.getuser()
    with changing(path) as known:
        window = Declared(
            known.last_id + 1, nodes, from_ns, to_ns, said["note"] or "", by
        )
        write_declarations(path, Declarations((*known.windows, window), window.id))
    out.write(f"declared: {words(window)}\n")


def _nodes(text: str | None) -> tuple[str, ...]:
    """Read node names; none at all is every node, and so must be meant."""
    if text is None:
        return ()
    names = dict.fromkeys(name.strip() for name in text.split(","))
    nodes = tuple(name for name in names if name)
    if not nodes:
        msg = f"--nodes {text!r} names no node; leave it out to mean every node"
        raise ConfigError(msg)
    return nodes


def remove(path: Path, number: str | None, out: TextIO) -> None:
    """Take a declaration back; what it explained already stays explained."""
    if number is None:
        msg = "maintenance remove: name the window; maintenance list shows their ids"
        raise ConfigError(msg)
    with changing(path) as known:
        found = [one for one in known.windows if str(one.id) == number]
        if not found:
            ids = ", ".join(str(one.id) for one in known.windows) or "none"
            msg = f"maintenance remove {number}: no such window; there are: {ids}"
            raise BadInputError(msg)
        left = tuple(one for one in known.windows if one not in found)
        write_declarations(path, replace(known, windows=left))
    out.write(f"removed: {words(found[0])}\n")


def show(path: Path, out: TextIO) -> None:
    """List what is declared, oldest first."""
    known = sorted(read_declarations(path).windows, key=lambda one: one.from_ns)
    out.writelines(f"{words(one)}\n" for one in known)
    if not known:
        out.write("no maintenance is declared\n")


def words(one: Declared) -> str:
    """Return a window as one line."""
    where = ", ".join(one.nodes) or "every node"
    note = f": {one.note}" if one.note else ""
    when = f"from {rfc3339(one.from_ns)} to {rfc3339(one.to_ns)}"
    return f"{one.id} {when} on {where} (by {one.by}){note}"


@contextmanager
def changing(path: Path) -> Iterator[Declarations]:
    """Hold the file against a second change while this one is made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f"{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield read_declarations(path)
    except OSError as exc:
        msg = f"{path}: cannot be written ({exc.strerror}); check its folder's rights"
        raise LedgerError(msg) from exc
