"""What the list says before its runs: how all did, and which need a person."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from goodput_exporter.analysis.figures import percent
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.domain.snapshot import RunView, Snapshot
from goodput_exporter.domain.states import RunState
from goodput_exporter.exposition.web.headline import WORTH_SAYING, Figure, Words

FIRST: Final = MappingProxyType(
    {
        RunState.STALLED: (
            "take a stack of every rank (py-spy dump, NCCL flight recorder) before you "
            "restart it; its GPUs may well look busy"
        ),
        RunState.DOWN: "describe its pods: scheduler and kubelet say what is missing",
        RunState.SCHEDULING: "describe its pending pods: the scheduler says why",
        RunState.PROVISIONING: "describe its pods: the kubelet says what they wait for",
        RunState.DEGRADED: "see which of its pods are gone, and how their nodes are",
        RunState.DATA_WAIT: "look at the loader's workers and at their storage",
        RunState.IDLE: "ask its owner whether it is over; its pods still hold the GPUs",
    }
)
"""The first thing to do about a state that does not end by itself."""

FAILED: Final = "read the log of the rank that ended first"


def first_thing(view: RunView) -> str:
    """Return the first thing to do about a run; empty where nothing has to be done."""
    if view.outcome == "failed":
        return FAILED
    return FIRST.get(view.state, "") if view.ended_ns is None else ""


def summary(snapshot: Snapshot) -> Words:
    """
    Say what share of all runs' last hour was kept, what took the rest, who needs help.

    The share is of sealed time, as the group's metrics have it. Without it, or with
    more than one cluster's, only the runs are counted.
    """
    hours = [
        group.ratios.get("1h")
        for group in snapshot.groups
        if group.key.kind == GroupKind.CLUSTER
    ]
    words: Words = []
    if len(hours) == 1 and hours[0] is not None and hours[0].goodput is not None:
        words = _kept(hours[0].goodput, hours[0])
    return [*words, *_attention(snapshot)]


def _kept(goodput: float, layers: LayerRatios) -> Words:
    return [
        "In the last hour ",
        Figure(percent(goodput, 0)),
        " of all runs’ GPU time became progress that was kept",
        *_taken(layers),
        ". ",
    ]


def _taken(layers: LayerRatios) -> Words:
    """Return what each layer took of the whole; together with goodput it is all."""
    infrastructure, framework = layers.infrastructure or 0.0, layers.framework or 0.0
    taken = {
        "infrastructure": 1 - infrastructure,
        "the framework": infrastructure * (1 - framework),
        "slow steps": infrastructure * framework * (1 - (layers.pace or 0.0)),
    }
    told = [
        (who, share)
        for who, share in sorted(taken.items(), key=lambda item: -item[1])
        if share >= WORTH_SAYING
    ]
    words: Words = []
    for place, (who, share) in enumerate(told):
        words += [
            "; " if place == 0 else ", ",
            f"{who} took ",
            Figure(percent(share, 0)),
        ]
    return words


def _attention(snapshot: Snapshot) -> Words:
    troubled = sum(1 for view in snapshot.runs if first_thing(view))
    total = len(snapshot.runs)
    runs = "1 run" if total == 1 else f"{total:,} runs"
    if not troubled:
        if total == 1:
            return ["The run waits for nobody."]
        return [f"None of {runs} waits for a person."]
    need = "needs" if troubled == 1 else "need"
    return [Figure(f"{troubled:,}"), f" of {runs} {need} a person."]
