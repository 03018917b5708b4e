"""Renders docs/reference/kinds.md from the table of Kubernetes kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from goodput_exporter.sources.workloads.entry import Entry, Ranks, Use
from goodput_exporter.sources.workloads.nodes import GPU_MODEL_LABELS, POOL_LABELS
from goodput_exporter.sources.workloads.owners import DEEPEST
from goodput_exporter.sources.workloads.table import OTHERS, SERIES, TABLE, rbac

HEAD: Final = """\
# Kubernetes kinds

<!-- Generated from the code; run `make docs`, do not edit. -->

What is read of each kind, and for what. How a run's state follows from it stands in
[Runs in a cluster](../explanation/clusters.md). A kind whose project is not installed
is left out; one that may not be read costs only what it would have told.

An owner of a kind that is not listed is known by what its dependents say of it: the run
is then that owner's, by its uid.
"""


def render() -> str:
    """Return the whole page, its last newline included."""
    lines = [HEAD.rstrip("\n"), "", *_uses(), *_workloads(), *_chains(), *_labels()]
    return "\n".join([*lines, *_rules()]) + "\n"


def _uses() -> Iterator[str]:
    yield "| kind | group | versions | read for |"
    yield "| --- | --- | --- | --- |"
    for entry in TABLE:
        group = f"`{entry.group}`" if entry.group else "core"
        versions = ", ".join(entry.versions)
        yield f"| {entry.kind} | {group} | {versions} | {entry.use.value} |"
    yield ""


def _workloads() -> Iterator[str]:
    yield "## Workloads\n"
    heads = ("kind", "suspended by", "succeeded; failed by", "restarts", "elastic by")
    yield f"| {' | '.join(heads)} | pods numbered by |"
    yield "|" + " --- |" * (len(heads) + 1)
    for entry in TABLE:
        if entry.use is Use.TRAINS:
            cells = (_suspend(entry), _ends(entry), _path(entry.restarts))
            more = (_elastic(entry), _ranks(entry.ranks))
            name = entry.kind if entry.group != "batch.volcano.sh" else "Job (Volcano)"
            yield f"| {name} | {' | '.join((*cells, *more))} |"
    yield ""


def _path(path: tuple[str, ...]) -> str:
    return f"`{'.'.join(path)}`" if path else "-"


def _words(words: frozenset[str]) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words)) or "-"


def _suspend(entry: Entry) -> str:
    if entry.phase is not None and entry.phase.suspended:
        return f"{_path(entry.phase.path)} {_words(entry.phase.suspended)}"
    return _path(entry.suspend)


def _ends(entry: Entry) -> str:
    if entry.phase is not None:
        ends = f"{_words(entry.phase.succeeded)}; {_words(entry.phase.failed)}"
        return f"{_path(entry.phase.path)} {ends}"
    if not entry.succeeded:
        return "never"
    return f"conditions {_words(entry.succeeded)}; {_words(entry.failed)}"


def _elastic(entry: Entry) -> str:
    if entry.least:
        return f"{_path(entry.least)} below the number of pods"
    return _path(entry.elastic)


def _ranks(ranks: Ranks) -> str:
    labels = [label for label in (ranks.role, ranks.group, *ranks.index) if label]
    return ", ".join(f"`{label}`" for label in labels) or "not numbered"


def _chains() -> Iterator[str]:
    yield "## Owners\n"
    yield f"A chain is followed through at most {DEEPEST} owners, and a cycle once.\n"
    yield f"- These start many runs, so the chain ends below them: {_kinds(SERIES)}."
    yield (
        f"- Pods under these are no training run unless they carry a run id: "
        f"{_kinds(OTHERS)}."
    )
    yield ""


def _kinds(kinds: frozenset[tuple[str, str]]) -> str:
    return ", ".join(f"{kind} (`{group}`)" for group, kind in sorted(kinds))


def _labels() -> Iterator[str]:
    yield "## Labels of nodes\n"
    yield "The first that is there.\n"
    for what, names in (("GPU model", GPU_MODEL_LABELS), ("node pool", POOL_LABELS)):
        yield f"- {what}: {', '.join(f'`{name}`' for name in names)}"
    yield ""


def _rules() -> Iterator[str]:
    yield "## What the role may read\n"
    yield "| group | resources | verbs |"
    yield "| --- | --- | --- |"
    for rule in rbac():
        [group] = rule["apiGroups"]
        cells = (", ".join(rule["resources"]), ", ".join(rule["verbs"]))
        yield f"| {f'`{group}`' if group else 'core'} | {' | '.join(cells)} |"
