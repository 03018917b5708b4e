"""Which run an object belongs to, by what it says itself and by who owns it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.sources.loose import Fields, fields, rows, text
from goodput_exporter.sources.workloads.owners import Ref
from goodput_exporter.sources.workloads.parts import Part
from goodput_exporter.sources.workloads.table import OTHERS

RUN_ID_LABEL: Final = "goodput-exporter/run-id"
RUN_ID_VARIABLE: Final = "GOODPUT_RUN_ID"
LONGEST: Final = 256
"""As long as the run id of a heartbeat may be."""


@dataclass(frozen=True, slots=True)
class Identity:
    """
    What ties one pod to its run.

    Args:
        key: The run.
        uid, namespace, name, node: The pod's.
        index: Its place among the run's trainer pods; the global rank of its first
            process is ``index * devices`` where each process has one GPU. None
            where the kind does not number its pods.
        devices: How many GPUs it holds.
        world: How many GPUs the run asks for.
    """

    key: RunKey
    uid: str
    namespace: str
    name: str
    node: str
    index: int | None
    devices: int
    world: int


def run_id_of(raw: Fields, parts: Sequence[Part], label: str) -> str:
    """
    Return the run id that an object states; ``""`` where it states none.

    Its own label or annotation, then its pod templates', then what a template (or
    the pod itself) hands the SDK.
    """
    specs = [fields(part.template, "spec") for part in parts]
    stated = [_stated(fields(raw, "metadata"), label)]
    stated += [_stated(fields(part.template, "metadata"), label) for part in parts]
    stated += [variable(spec, RUN_ID_VARIABLE) for spec in (*specs, raw.get("spec"))]
    stated.append(_trainer_variable(raw))
    found = next(filter(None, stated), "").strip()
    return found if len(found.encode("utf-8", "replace")) <= LONGEST else ""


def _stated(metadata: Fields, label: str) -> str:
    return text(metadata, "labels", label) or text(metadata, "annotations", label)


def variable(spec: object, name: str) -> str:
    """Return the literal value of an environment variable of a pod's containers."""
    for container in rows(spec, "containers"):
        for row in rows(container, "env"):
            if row.get("name") == name:
                return text(row, "value")
    return ""


def _trainer_variable(raw: Fields) -> str:
    """Return what a TrainJob hands its trainers; its template is the runtime's."""
    for row in rows(raw, "spec", "trainer", "env"):
        if row.get("name") == RUN_ID_VARIABLE:
            return text(row, "value")
    return ""


def key_of(
    chain: Sequence[Ref],
    cluster: str,
    stated: Callable[[str], str],
    reported: str = "",
) -> RunKey | None:
    """
    Name the run of an object; None where its owners are no training.

    A stated run id ties what it is stated on, the top owner's first; else what its
    ranks have reported is the run; else the top owner's uid, never its name.

    Args:
        chain: The object and its owners, from the bottom to the top.
        cluster: Where all of this is.
        stated: The run id that an object of a uid states.
        reported: The run id that a rank below the top owner reports.
    """
    top = chain[-1]
    for ref in reversed(chain):
        run_id = stated(ref.uid)
        if run_id:
            return RunKey(cluster, top.namespace, run_id)
    if (top.group, top.kind) in OTHERS:
        return None
    return RunKey(cluster, top.namespace, reported or top.uid)
