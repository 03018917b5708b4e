"""What is generated from this package and committed, by its path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from dashboards.board import written
from dashboards.boards import BOARDS
from dashboards.rules.written import RUNBOOK, inhibitions, manifest, rules_file
from dashboards.soundness import faults, panel_queries, rule_queries

GENERATED: Final = Path(__file__).resolve().parent / "generated"


class UnsoundError(Exception):
    """A query names what nobody exports."""


def artefacts(runbook: str = RUNBOOK) -> dict[str, str]:
    """
    Return every generated file's text, by its name in the folder.

    Args:
        runbook: The address of the runbook, which alerts lead to.

    Raises:
        UnsoundError: With every query that is wrong, and why.
    """
    boards = {f"{board.uid}.json": written(board) for board in BOARDS}
    wrong = faults(rule_queries())
    for text in boards.values():
        wrong += faults(panel_queries(json.loads(text)))
    if wrong:
        raise UnsoundError("\n".join(wrong))
    return boards | {
        "rules.yaml": rules_file(runbook),
        "prometheusrule.yaml": manifest(runbook),
        "alertmanager-inhibitions.yaml": inhibitions(),
    }


def stale(folder: Path = GENERATED) -> list[str]:
    """Return the files that are missing, are not ours, or say something else."""
    wanted = artefacts()
    there = {path.name for path in folder.glob("[!.]*")}
    differing = [
        name
        for name, text in wanted.items()
        if name not in there or (folder / name).read_text(encoding="utf-8") != text
    ]
    return sorted({*differing, *(there - wanted.keys())})


def write(folder: Path = GENERATED, runbook: str = RUNBOOK) -> list[str]:
    """Write every file, and return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = artefacts(runbook)
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")
    return list(wanted)
