"""The law that a run's daily accounts are the sums of its entries, day by day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import RunState
from goodput_exporter.ledger.days import OF_SEGMENTS, Amounts, day_name
from goodput_exporter.ledger.folding import Fold, digest_of
from goodput_exporter.ledger.ledger import Finding

STEPS_DONE: Final = {
    RunState.PRODUCTIVE.value: "productive and slow",
    RunState.SLOW.value: "productive and slow",
}
"""A rollback says how much it lost of the two together."""


def days_differing(
    key: RunKey, stored: Amounts, again: Amounts, fold: Fold
) -> list[Finding]:
    """
    Compare daily accounts with what the entries add up to today.

    Args:
        key: Whose.
        stored: The daily accounts.
        again: The same, from the entries that are there.
        fold: How far segments were folded: what they made of the days before is
            compared with its seal instead.

    Returns:
        The first line that differs, and a broken seal.
    """
    findings: list[Finding] = []
    if fold.digest and digest_of(stored, fold.day) != fold.digest:
        what = (
            f"run {key}: the daily accounts before {day_name(fold.day)} are not what "
            "was folded; restore a backup"
        )
        findings.append(Finding(key, None, what))
    first = next(_differing(stored, again, fold), None)
    if first is not None:
        day, part, state, cause, devices = first
        what = (
            f"run {key}: the daily account of {day_name(day)} holds "
            f"{stored.get(first, 0) * devices} GPU-ns {state} ({part}, cause {cause}, "
            f"{devices} devices) and its entries add up to "
            f"{again.get(first, 0) * devices}"
        )
        findings.append(Finding(key, None, what))
    return findings


def settled_differing(
    key: RunKey, stored: Amounts, settled: Mapping[RunState, int]
) -> list[Finding]:
    """
    Compare the settled view that a run's state counts with that of its days.

    Args:
        key: Whose.
        stored: All of the run's daily accounts.
        settled: GPU-nanoseconds by state, from the run's state.
    """
    sums: dict[str, int] = {}
    for (_, _, state, _, devices), length_ns in stored.items():
        name = STEPS_DONE.get(state, state)
        sums[name] = sums.get(name, 0) + devices * length_ns
    counted: dict[str, int] = {}
    for each, gpu_ns in settled.items():
        name = STEPS_DONE.get(each.value, each.value)
        counted[name] = counted.get(name, 0) + gpu_ns
    return [
        Finding(
            key,
            None,
            f"run {key}: its days hold {sums.get(name, 0)} GPU-ns {name} in the "
            f"settled view and its state counts {counted.get(name, 0)}",
        )
        for name in sorted(sums.keys() | counted.keys())
        if sums.get(name, 0) != counted.get(name, 0)
    ]


def _differing(
    stored: Amounts, again: Amounts, fold: Fold
) -> Iterator[tuple[int, str, str, str, int]]:
    for name in sorted(stored.keys() | again.keys()):
        is_sealed = name[0] < fold.day and name[1] in OF_SEGMENTS
        if not is_sealed and stored.get(name, 0) != again.get(name, 0):
            yield name
