"""Writing a simulation down: raw inputs in one folder, and the truth beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from goodput_exporter.errors import BadInputError
from goodput_exporter.simulate.raw import Raw, Via, line_of
from goodput_exporter.simulate.truth import TrueRun, Truth
from goodput_exporter.simulate.world import Simulated

DATAGRAMS: Final = "datagrams.jsonl"
INPUTS: Final = "inputs.jsonl"
TRUTH: Final = "truth.json"


def write(simulated: Simulated, folder: Path) -> list[Path]:
    """
    Write a simulation into a new or empty folder.

    Returns:
        What was written: datagrams, all other raw inputs, and the truth.

    Raises:
        BadInputError: The folder is not empty, or cannot be written.
    """
    require_empty(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name for name in (DATAGRAMS, INPUTS, TRUTH)]
        spoken = (raw for raw in simulated.raws if raw.via is Via.DATAGRAM)
        others = (raw for raw in simulated.raws if raw.via is not Via.DATAGRAM)
        _lines(paths[0], spoken)
        _lines(paths[1], others)
        told = json.dumps(truth_of(simulated.truth), indent=1)
        paths[2].write_text(told + "\n", encoding="utf-8")
    except OSError as exc:
        msg = f"{folder} cannot be written ({exc}); look at its rights and its disk"
        raise BadInputError(msg) from exc
    return paths


def require_empty(folder: Path) -> None:
    """
    Refuse a folder that holds something: an older truth beside newer inputs misleads.

    Raises:
        BadInputError: It is not empty, or no folder.
    """
    try:
        is_empty = not folder.exists() or not any(folder.iterdir())
    except OSError as exc:
        msg = f"{folder} is no folder that can be read ({exc}); name a new one"
        raise BadInputError(msg) from exc
    if not is_empty:
        msg = f"{folder} is not empty; name a new folder"
        raise BadInputError(msg)


def _lines(path: Path, raws: Iterable[Raw]) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.writelines(line_of(raw) + "\n" for raw in raws)


def truth_of(truth: Truth) -> dict[str, Any]:
    """Return the truth as JSON; stretches are left out, they are for whoever looks."""
    return {
        "preset": truth.preset,
        "seed": truth.seed,
        "start_ns": truth.start_ns,
        "end_ns": truth.end_ns,
        "runs": [_run(run) for run in truth.runs],
    }


def _run(run: TrueRun) -> dict[str, Any]:
    told = asdict(run)
    del told["stretches"]
    return told
