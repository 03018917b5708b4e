"""`goodput-exporter simulate`: a cluster with a known truth, written to a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, TextIO

from goodput_exporter.errors import ConfigError
from goodput_exporter.simulate.files import require_empty, write
from goodput_exporter.simulate.plans import HOUR_NS, Noise, Preset
from goodput_exporter.simulate.presets import PRESETS
from goodput_exporter.simulate.truth import Truth
from goodput_exporter.simulate.world import simulate

MOST_DAYS: Final = 3660.0


def main(_: object, chosen: argparse.Namespace, out: TextIO) -> int:
    """
    Simulate what is asked for.

    Args:
        _: The settings; a simulation has its own.
        chosen: The command line.
        out: Where the summary goes.

    Returns:
        0.

    Raises:
        ConfigError: A flag is missing, or no number in its range.
        BadInputError: The folder is not empty, or cannot be written.
    """
    said = vars(chosen)
    preset, folder = _preset(said["preset"]), _folder(said["out"])
    noise = Noise(
        without_evidence=_number("--without-evidence", said["without_evidence"], 1),
        overlapping=_number("--overlapping", said["overlapping"], 1),
    )
    days = preset.days
    if said["days"] is not None:
        days = _number("--days", said["days"], MOST_DAYS)
    if days == 0:
        msg = "--days 0: nothing would happen; name a time above 0, such as 0.5"
        raise ConfigError(msg)
    require_empty(folder)
    found = simulate(preset, _seed(said["seed"]), days=days, noise=noise)
    paths = write(found, folder)
    out.write(f"{len(found.raws)} raw inputs; {summary(found.truth)}\n")
    out.writelines(f"{path}\n" for path in paths)
    return 0


def _preset(name: str | None) -> Preset:
    if name is None:
        listed = "; ".join(f"{one.name}: {one.about}" for one in PRESETS.values())
        msg = f"say what to simulate with --preset; {listed}"
        raise ConfigError(msg)
    return PRESETS[name]


def _folder(name: str | None) -> Path:
    if name is None:
        msg = "say where to write with --out, a folder that is new or empty"
        raise ConfigError(msg)
    return Path(name)


def _seed(text: str | None) -> int:
    try:
        return int(text or "1")
    except ValueError as exc:
        msg = f"--seed {text}: not a whole number; the same one gives the same bytes"
        raise ConfigError(msg) from exc


def _number(flag: str, text: str | None, most: float) -> float:
    try:
        number = float(text or "0")
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        msg = f"{flag} {text}: not a number from 0 to {most:g}"
        raise ConfigError(msg)
    return number


def summary(truth: Truth) -> str:
    """Return the truth in one line."""
    gpu_ns = sum(run.asked * run.booked_ns for run in truth.runs)
    return (
        f"{len(truth.runs)} runs, {len(truth.incidents)} interruptions, "
        f"{gpu_ns / HOUR_NS:.1f} GPU-hours asked for"
    )
