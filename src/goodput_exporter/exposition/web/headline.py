"""The sentence that answers the question, before any chart does."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from goodput_exporter.analysis.figures import percent
from goodput_exporter.domain.snapshot import Incident, RunView
from goodput_exporter.domain.states import LAYER_OF, Cause, Layer, RunState
from goodput_exporter.exposition.web.words import CAUSE_PHRASE, STATE_PHRASE, devices
from goodput_exporter.exposition.windows import Reading

WINDOW_PHRASE: Final = MappingProxyType(
    {
        "5m": "In the last 5 minutes",
        "1h": "In the last hour",
        "24h": "In the last 24 hours",
        "lifetime": "Since it began",
    }
)

WORTH_SAYING: Final = 0.0005
"""Losses and gaps below this share are left out of the sentence: they read as 0.0 %."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant inside a sentence, to be shown in the reader's own zone."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure inside a sentence, to be set apart from the words."""

    text: str


Words = list[str | Moment | Figure]


def headline(view: RunView, reading: Reading) -> Words:
    """
    Say what share of the window became progress, and what cost the most.

    Where redone steps cannot be seen, the share is an upper bound and says so.
    """
    when = _when(view, reading)
    wall_ns = observed_wall_ns(reading)
    if wall_ns == 0:
        return [f"{when} nothing has been booked yet."]
    share = percent(reading.account.of(RunState.PRODUCTIVE) / wall_ns, 0)
    whose = f"{devices(view.asked_devices, gpus=view.devices_are_gpus)}’"
    if view.asked_devices == 1:
        whose = whose.replace("’", "’s")
    words: Words = [
        f"{when} ",
        *(["at most "] if view.upper_bound else []),
        Figure(share),
        f" of {whose} time became progress that was kept",
        *_largest_loss(view, reading, wall_ns),
        ".",
    ]
    return words + _unseen(reading)


def observed_wall_ns(reading: Reading) -> int:
    """Return T_wall x devices of the definitions: neither queued nor unobserved."""
    return sum(
        gpu_ns
        for state, gpu_ns in reading.account.gpu_ns.items()
        if LAYER_OF[state] not in (Layer.OUTSIDE, Layer.NONE)
    )


def _when(view: RunView, reading: Reading) -> str:
    if view.ended_ns is not None and reading.window == "lifetime":
        return "From start to end"
    return WINDOW_PHRASE.get(reading.window, "In this window")


def _largest_loss(view: RunView, reading: Reading, wall_ns: int) -> Words:
    losses = [
        (gpu_ns, state)
        for state, gpu_ns in reading.account.gpu_ns.items()
        if LAYER_OF[state] not in (Layer.OUTSIDE, Layer.NONE, Layer.GOOD)
    ]
    gpu_ns, state = max(losses, default=(0, RunState.OTHER))
    if gpu_ns / wall_ns < WORTH_SAYING:
        return ["; nothing was lost"]
    words: Words = [
        "; the largest loss was ",
        Figure(percent(gpu_ns / wall_ns, 0)),
        f" {STATE_PHRASE[state]}",
    ]
    return words + _after(_blamed(view, reading, state))


def _after(incident: Incident | None) -> Words:
    if incident is None or incident.cause is Cause.NONE:
        return []
    return [f" after {CAUSE_PHRASE[incident.cause]} at ", Moment(incident.detected_ns)]


def _blamed(view: RunView, reading: Reading, state: RunState) -> Incident | None:
    cost_ns: dict[int | None, int] = {}
    for segment in reading.segments:
        if segment.state is state:
            number = segment.incident
            cost_ns[number] = cost_ns.get(number, 0) + segment.gpu_ns
    if not cost_ns:
        return None
    most = max(cost_ns, key=lambda number: cost_ns[number])
    known = {incident.number: incident for incident in view.incidents}
    return None if most is None else known.get(most)


def _unseen(reading: Reading) -> Words:
    total_ns = reading.account.total_gpu_ns
    unseen = reading.account.of(RunState.UNOBSERVED) / total_ns
    if unseen < WORTH_SAYING:
        return []
    share = percent(unseen, 0)
    return [" For ", Figure(share), " of the time no source saw the run."]
