"""Pods that hold GPUs, as compact records: what each is and was, since when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.loose import Fields, fields, instant_ns, text, whole
from goodput_exporter.sources.workloads.devices import Ask, asked_by
from goodput_exporter.sources.workloads.history import Since, as_of, dated
from goodput_exporter.sources.workloads.identity import variable
from goodput_exporter.sources.workloads.owners import Ref
from goodput_exporter.sources.workloads.pod_words import PodStage, PodWord
from goodput_exporter.sources.workloads.table import ATTEMPT_LABEL, TABLE

STUCK_AFTER_NS: Final = 60 * NS_PER_SECOND
"""How long past the end of its grace a pod is believed to run; the kubelet kills it
at the end, and does so within seconds where it lives."""

RANK_VARIABLES: Final = ("PET_NODE_RANK", "NODE_RANK", "RANK", "JOB_COMPLETION_INDEX")
"""By which torchrun, launch scripts and the training operator number pods."""

_RANK_LABELS: Final = frozenset(
    label
    for entry in TABLE
    for label in (*entry.ranks.index, entry.ranks.group, entry.ranks.role)
    if label
)


@dataclass(slots=True)
class PodRecord:
    """
    One pod that may hold GPUs.

    Args:
        ref: The pod itself.
        ask: What it asks for.
        created_ns: When the API server made it.
        words: What it was since when; grows, and is forgotten from its start.
        node, ip: Where it is, or was.
        on_host: It uses its node's address, so the address does not name it.
        labels: Those that number pods, and those that the caller wants.
        variables: What numbers pods where labels do not.
        attempt: Of its JobSet, by its label; None elsewhere.
        told_ns: When it was told to go, first.
        due_ns: When its grace is over.
        is_over: No container of it will run any more.
        is_gone: The object is deleted.
        is_estimated: Its end was not seen.
    """

    ref: Ref
    ask: Ask
    created_ns: int
    words: list[Since[PodWord]] = field(default_factory=list)
    node: str = ""
    ip: str = ""
    on_host: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    attempt: int | None = None
    told_ns: int | None = None
    due_ns: int | None = None
    is_over: bool = False
    is_gone: bool = False
    is_estimated: bool = False


def record_of(
    raw: Fields, ref: Ref, seen_ns: int, keep: Iterable[str] = ()
) -> PodRecord:
    """
    Return a record of a pod that is seen for the first time, without its words.

    Args:
        raw: The pod.
        ref: Who it is.
        seen_ns: When it was seen.
        keep: Labels to keep besides those that number pods.
    """
    spec = fields(raw, "spec")
    created_ns = dated(instant_ns(raw, "metadata", "creationTimestamp"), 0, seen_ns)
    record = PodRecord(ref, asked_by(spec), created_ns)
    meta = fields(raw, "metadata")
    stated = {**fields(meta, "annotations"), **fields(meta, "labels")}
    record.labels = {
        label: value
        for label in (*_RANK_LABELS, *keep)
        if isinstance(value := stated.get(label), str)
    }
    found = {name: variable(spec, name) for name in RANK_VARIABLES}
    record.variables = {name: value for name, value in found.items() if value}
    attempt = stated.get(ATTEMPT_LABEL)
    record.attempt = natural(attempt) if isinstance(attempt, str) else None
    record.on_host = spec.get("hostNetwork") is True
    return record


def natural(value: str) -> int | None:
    """Return a number of at most nine digits; None for any other text."""
    is_number = value.isascii() and value.isdecimal() and len(value) <= len("999999999")
    return int(value) if is_number else None


def refresh(record: PodRecord, raw: Fields, seen_ns: int) -> None:
    """Take over where the pod is and whether it was told to go."""
    record.node = text(raw, "spec", "nodeName") or record.node
    record.ip = text(raw, "status", "podIP") or record.ip
    due_ns = instant_ns(raw, "metadata", "deletionTimestamp")
    if due_ns is not None:
        grace = max(whole(raw, "metadata", "deletionGracePeriodSeconds") or 0, 0)
        told_ns = dated(due_ns - grace * NS_PER_SECOND, record.created_ns, seen_ns)
        # The kubelet's last word, without a grace, moves the date to the end of it.
        record.told_ns = min(told_ns, record.told_ns or told_ns)
        record.due_ns = max(due_ns, record.told_ns)


def is_gated(record: PodRecord) -> bool:
    """Return whether a pod was gated when it was last seen."""
    return bool(record.words) and record.words[-1].what.stage is PodStage.GATED


def is_over(raw: Fields) -> bool:
    """Return whether no container of a pod will run any more."""
    return text(raw, "status", "phase") in {"Succeeded", "Failed"}


def gone(record: PodRecord, seen_ns: int) -> Since[PodWord]:
    """
    Return the last word on a pod whose object is deleted.

    A pod that ended before keeps that date: the object outlived the containers.
    """
    reason = "Deleted"
    last = record.words[-1].what if record.words else None
    if last is not None and last.stage in {PodStage.FAILED, PodStage.CRASHED}:
        reason = last.reason
    return Since(max(seen_ns, record.created_ns), PodWord(PodStage.GONE, reason))


def lives(record: PodRecord, losses: Sequence[Since[bool]]) -> list[Since[PodWord]]:
    """
    Return what a pod was since when, in the light of its node and of orders to go.

    A pod that runs after it was told to go is leaving; one that should have been
    killed long ago is stuck. One on a lost node does not run, whatever its status
    goes on to say.

    Args:
        record: The pod.
        losses: Since when its node is lost, or there.
    """
    orders = [] if record.told_ns is None else [record.told_ns]
    if record.due_ns is not None:
        orders.append(record.due_ns + STUCK_AFTER_NS)
    if not orders and not any(loss.what for loss in losses):
        return record.words
    began_ns = record.words[0].at_ns
    instants = {word.at_ns for word in record.words}
    instants |= {at_ns for at_ns in orders if at_ns > began_ns}
    instants |= {loss.at_ns for loss in losses if loss.at_ns > began_ns}
    return [
        Since(at_ns, _in_that_light(record, losses, word, at_ns))
        for at_ns in sorted(instants)
        if (word := as_of(record.words, at_ns)) is not None
    ]


_HERE: Final = frozenset({PodStage.RUNNING, PodStage.PROVISIONING, PodStage.CRASHED})
_OVER: Final = frozenset({PodStage.DONE, PodStage.FAILED, PodStage.GONE})


def _in_that_light(
    record: PodRecord, losses: Sequence[Since[bool]], word: PodWord, at_ns: int
) -> PodWord:
    is_lost = as_of(losses, at_ns)
    if word.stage is PodStage.GONE and is_lost:
        return PodWord(PodStage.GONE, "NodeLost")
    if word.stage in _HERE and is_lost:
        return PodWord(PodStage.LOST, "NodeLost", word.life)
    if word.stage in _OVER or record.told_ns is None or at_ns < record.told_ns:
        return word
    if word.stage is not PodStage.RUNNING:
        return PodWord(PodStage.GONE, word.reason or "Deleted")
    if record.due_ns is not None and at_ns >= record.due_ns + STUCK_AFTER_NS:
        return PodWord(PodStage.STUCK, "StuckTerminating", word.life)
    return PodWord(PodStage.LEAVING, "", word.life)
