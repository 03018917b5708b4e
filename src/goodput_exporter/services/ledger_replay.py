"""``ledger replay``: recorded observations under today's rules, beside the ledger."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final, TextIO

from goodput_exporter.config.fields import FIELDS, Given, convert
from goodput_exporter.config.places import from_file, nearest
from goodput_exporter.config.settings import Settings
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.states import RunState
from goodput_exporter.errors import ConfigError
from goodput_exporter.exposition.instants import rfc3339
from goodput_exporter.ledger.ledger import BookedRun, Reader
from goodput_exporter.ledger.playing import Recording
from goodput_exporter.ledger.tabular import exact_seconds
from goodput_exporter.services.from_settings import rules_of
from goodput_exporter.services.ledger_places import cluster_reader_of, count_of
from goodput_exporter.services.replaying import (
    Refolded,
    Stretch,
    booked,
    refold,
    require_kept,
)
from goodput_exporter.services.sharding import shard_of

DIFFERENT: Final = 1
"""The exit status where the refold is not what the ledger holds."""
SECTIONS: Final = ("books", "run", "stall")
"""Sections of the settings that the rules are made of."""


def main(settings: Settings, chosen: Namespace, out: TextIO) -> int:
    """
    Fold a recording again and print where its accounts differ from the ledger's.

    Returns:
        0, or 1 where they differ or the recording is damaged.

    Raises:
        ConfigError: A rule is none.
        LedgerError: The recording or the ledger cannot be read, or the ledger no
            longer has the segments to compare with.
    """
    rules = None if chosen.as_recorded else rules_in(settings, chosen)
    recording = Recording(Path(chosen.recording))
    found = refold(recording.frames(), rules)
    out.writelines(f"{line}\n" for line in recording.damage)
    if found.skipped:
        out.write(f"{found.skipped} observations are of no kind that is known here\n")
    with closing(cluster_reader_of(settings)) as ledger:
        is_same = compare(ledger, found, rules, out)
    return 0 if is_same and not found.skipped else DIFFERENT


def compare(ledger: Reader, found: Refolded, rules: Rules | None, out: TextIO) -> bool:
    """Print the differences of every stretch; tell whether there was none."""
    is_same = bool(found.stretches)
    known = theirs(ledger, found)
    for number, stretch in enumerate(found.stretches):
        if number:
            out.write("a gap in the recording; the states after it are the ledger's\n")
        if rules is not None and rules != stretch.head.terms.rules:
            out.write(f"{_changed(stretch.head.terms.rules, rules)}\n")
        require_kept(known, stretch)
        lines = list(differences(ledger, known, stretch))
        out.writelines(f"{line}\n" for line in lines)
        is_same = is_same and not lines
        until = rfc3339(stretch.until_ns)
        said = "the same" if not lines else f"{len(lines)} sums differ"
        out.write(f"{rfc3339(stretch.head.now_ns)} to {until}: {said}\n")
    out.write(f"{found.ticks} ticks\n")
    return is_same


def theirs(ledger: Reader, found: Refolded) -> list[BookedRun]:
    """
    Return the runs that a recording could be of.

    One process records, and where shards divide a cluster it books the runs of its
    own. Whose recording it is, the runs in it tell; without any it could be of all.
    """
    count = count_of(ledger)
    keys = {
        key
        for stretch in found.stretches
        for key in (*stretch.accounts, *stretch.head.states)
    }
    shards = {shard_of(key, count) for key in keys} or set(range(count))
    return [run for run in ledger.runs() if shard_of(run.key, count) in shards]


def differences(
    ledger: Reader, known: Iterable[BookedRun], stretch: Stretch
) -> Iterator[str]:
    """Yield a line for each state of a run in which the two accounts differ."""
    keys = {run.key for run in known} | stretch.accounts.keys()
    for key in sorted(keys):
        there = booked(ledger, key, stretch)
        here = stretch.accounts.get(key, Account())
        yield from _differing(key, there, here)


def rules_in(settings: Settings, chosen: Namespace) -> Rules:
    """
    Return the rules of the settings, after a file of rules and single ones.

    Raises:
        ConfigError: One of them is no setting of the rules, or cannot be.
    """
    given: dict[str, Given] = {}
    if chosen.rules_file is not None:
        given |= from_file(Path(chosen.rules_file))
    for said in chosen.set or ():
        key, equals, value = said.partition("=")
        if not equals:
            msg = f"ledger replay: --set {said}: write it as stall.step_seconds=120"
            raise ConfigError(msg)
        given[key] = Given(value, "--set")
    for key in given:
        known = [name for name in FIELDS if name.partition(".")[0] in SECTIONS]
        if key not in known:
            msg = (
                f"ledger replay: {key} is no rule; did you mean {nearest(key, known)}?"
            )
            raise ConfigError(msg)
    return rules_of(_with(settings, given))


def _with(settings: Settings, given: Mapping[str, Given]) -> Settings:
    for key, value in given.items():
        section, _, name = key.partition(".")
        changed = replace(
            getattr(settings, section), **{name: convert(FIELDS[key], value)}
        )
        settings = replace(settings, **{section: changed})
    return settings


def _differing(key: RunKey, there: Account, here: Account) -> Iterator[str]:
    for state in RunState:
        was_ns, is_ns = there.of(state), here.of(state)
        if was_ns != is_ns:
            sign = "+" if is_ns > was_ns else ""
            yield (
                f"run {key}: {state.value}: {exact_seconds(was_ns)} GPU-seconds in the "
                f"ledger, {exact_seconds(is_ns)} folded again "
                f"({sign}{exact_seconds(is_ns - was_ns)})"
            )


def _changed(before: Rules, now: Rules) -> str:
    names = [
        name for name in Rules.__slots__ if getattr(before, name) != getattr(now, name)
    ]
    parts = (f"{n}: {getattr(before, n)} -> {getattr(now, n)}" for n in names)
    return f"rules that differ from the recorded ones: {'; '.join(parts)}"
