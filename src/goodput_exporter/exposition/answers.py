"""Turns what the domain published into what the API answers; decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from goodput_exporter.analysis.figures import shown
from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.energy import MILLIJOULES_PER_JOULE
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.snapshot import Incident, ModelView, RunView, Snapshot
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import LAYER_OF, STATE_TABLE, RunState
from goodput_exporter.exposition import run_schemas as schemas
from goodput_exporter.exposition.addresses import address
from goodput_exporter.exposition.instants import rfc3339
from goodput_exporter.exposition.shapes import Books, Layers, Share
from goodput_exporter.exposition.windows import Reading, lifetime

API: Final = "/api/v1/runs"
LATELY_NS: Final = 86_400 * NS_PER_SECOND
"""How long a failed run asks for attention: until someone has been at work once."""


def run_list(snapshot: Snapshot) -> schemas.RunList:
    """Answer for every run, those that need attention first."""
    return schemas.RunList(
        at=rfc3339(snapshot.at_ns),
        node=shown(snapshot.node),
        runs=[_line(view) for view in by_attention(snapshot)],
    )


def run_detail(
    snapshot: Snapshot, view: RunView, reading: Reading
) -> schemas.RunDetail:
    """Answer for one run in one window."""
    return schemas.RunDetail(
        at=rfc3339(snapshot.at_ns),
        **_identity(view),
        window=schemas.Window(
            name=reading.window,
            start=rfc3339(reading.span.start_ns),
            end=rfc3339(reading.span.end_ns),
            complete=reading.complete,
        ),
        live=books(reading.account),
        adds_up=_adds_up(reading),
        layers=layers(reading.layers),
        layers_by_window=_by_window(view.ratios),
        settled=books(view.settled),
        progress=_progress(view),
        model=_model(view.model),
        restarts=[
            schemas.Restarts(how=how.value, cause=cause.value, count=count)
            for (how, cause), count in view.restarts.items()
        ],
        interruptions=view.interruptions,
        moved=[
            schemas.Moved(from_state=old, to_state=new, gpu_ns=gpu_ns)
            for (old, new), gpu_ns in view.restated.items()
        ],
        incidents=[_interruption(incident) for incident in view.incidents],
        timeline=[_piece(segment) for segment in reading.segments],
        rests_on=_trust(view),
        energy=_energy(snapshot, view),
    )


def by_attention(snapshot: Snapshot) -> list[RunView]:
    """
    Order runs by who needs a person first.

    Running ones that lose time now come first, then those that failed within
    ``LATELY_NS``, then the other running ones, the larger before the smaller;
    what is over is last.
    """
    return sorted(snapshot.runs, key=lambda view: _attention(view, snapshot.at_ns))


def loses_time_now(view: RunView) -> bool:
    """Tell whether the run's time is being lost at this moment, for a known reason."""
    good = (RunState.PRODUCTIVE, RunState.UNOBSERVED)
    return view.ended_ns is None and view.state not in good


def bad_gpu_ns(account: Account) -> int:
    """Return all badput of an account."""
    return sum(account.bad_gpu_ns.values())


def _attention(view: RunView, at_ns: int) -> tuple[int, int, float, str]:
    recent = view.ratios.get("1h") or view.ratios.get("lifetime")
    goodput = recent.goodput if recent is not None else None
    return (
        _rank(view, at_ns),
        -view.asked_devices,
        1.0 if goodput is None else goodput,
        str(view.key),
    )


def _rank(view: RunView, at_ns: int) -> int:
    if view.ended_ns is None:
        return 0 if loses_time_now(view) else 2
    lately = at_ns - view.ended_ns < LATELY_NS
    return 1 if view.outcome == "failed" and lately else 3


def _identity(view: RunView) -> dict[str, Any]:
    # The fields that a line and a detail share; pydantic checks their types.
    return {
        "key": schemas.Key(
            cluster=shown(view.key.cluster),
            namespace=shown(view.key.namespace),
            run=shown(view.key.run),
        ),
        "url": f"{API}/{address(view.key)}",
        "kind": shown(view.kind),
        "outcome": view.outcome,
        "opened": rfc3339(view.opened_ns),
        "ended": _instant(view.ended_ns),
        "now": schemas.Now(
            state=view.state.value,
            layer=LAYER_OF[view.state].value,
            since=rfc3339(view.state_since_ns),
            cause=view.cause.value,
            why=shown(view.why),
        ),
        "devices": schemas.Devices(
            asked=view.asked_devices,
            are_gpus=view.devices_are_gpus,
            ranks_reporting=view.ranks_reporting,
            ranks_expected=view.ranks_expected,
        ),
    }


def _line(view: RunView) -> schemas.RunLine:
    bad_ns = bad_gpu_ns(lifetime(view))
    return schemas.RunLine(
        **_identity(view),
        layers=_by_window(view.ratios),
        bad_gpu_ns=bad_ns,
        bad_gpu_seconds=bad_ns / NS_PER_SECOND,
        exposure_gpu_ns=view.exposure_gpu_ns,
    )


def books(account: Account) -> Books:
    """Answer with an account, by state and by cause."""
    return Books(
        states=[
            _share(row.state.value, account.gpu_ns[row.state], row.layer.value)
            for row in STATE_TABLE
            if row.state in account.gpu_ns
        ],
        causes=[
            _share(cause.value, gpu_ns)
            for cause, gpu_ns in sorted(
                account.bad_gpu_ns.items(), key=lambda item: -item[1]
            )
        ],
        total_gpu_ns=account.total_gpu_ns,
    )


def _share(name: str, gpu_ns: int, layer: str | None = None) -> Share:
    return Share(
        name=name, layer=layer, gpu_ns=gpu_ns, gpu_seconds=gpu_ns / NS_PER_SECOND
    )


def _adds_up(reading: Reading) -> schemas.AddsUp:
    return schemas.AddsUp(
        exact=reading.adds_up,
        sum_gpu_ns=reading.account.total_gpu_ns,
        devices_x_wall_gpu_ns=reading.expected_gpu_ns,
        terms=[
            schemas.Stretch(wall_ns=term.wall_ns, devices=term.devices)
            for term in reading.terms
        ],
    )


def layers(found: LayerRatios) -> Layers:
    """Answer with the ratios of one account."""
    return Layers(**asdict(found))


def _energy(snapshot: Snapshot, view: RunView) -> schemas.RunEnergy | None:
    found = next((one for one in snapshot.energy if one.key == view.key), None)
    if found is None:
        return None
    return schemas.RunEnergy(
        through=rfc3339(found.through_ns),
        shares=[
            schemas.EnergyShare(
                state=state,
                cause=cause,
                joules=_joules(energy.millijoules),
                integrated_joules=energy.integrated_millijoules / MILLIJOULES_PER_JOULE,
                measured_gpu_ns=energy.measured_gpu_ns,
                unknown_gpu_ns=energy.unknown_gpu_ns,
            )
            for (state, cause), energy in found.groups.items()
        ],
        joules=_joules(found.total.millijoules),
    )


def _joules(millijoules: int | None) -> float | None:
    return None if millijoules is None else millijoules / MILLIJOULES_PER_JOULE


def _by_window(every: Mapping[str, LayerRatios]) -> dict[str, Layers]:
    return {window: layers(found) for window, found in every.items()}


def _progress(view: RunView) -> schemas.Progress:
    return schemas.Progress(
        step=view.step,
        high_water_step=view.high_water_step,
        saved_step=view.saved_step,
        durable_step=view.durable_step,
        exposure_gpu_ns=view.exposure_gpu_ns,
        exposure_gpu_seconds=_seconds(view.exposure_gpu_ns),
        steps_first_time=view.steps_first_time,
        steps_redone=view.steps_redone,
        reference_step_seconds=_seconds(view.reference_step_ns),
    )


def _model(model: ModelView) -> schemas.ModelFlops:
    return schemas.ModelFlops(
        mfu=model.mfu,
        convention=model.convention,
        flops_per_token=model.flops_per_token,
        gpu_model=None if model.gpu_model is None else shown(model.gpu_model),
        dtype=None if model.dtype is None else shown(model.dtype),
        peak_flops=model.peak_flops,
        peak_source=shown(model.peak_source),
        tokens=model.tokens,
    )


def _interruption(incident: Incident) -> schemas.Interruption:
    return schemas.Interruption(
        number=incident.number,
        began=rfc3339(incident.began_ns),
        detected=rfc3339(incident.detected_ns),
        returned=_instant(incident.returned_ns),
        recovered=_instant(incident.recovered_ns),
        cause=incident.cause.value,
        rule=incident.rule,
        evidence=[shown(line) for line in incident.evidence],
        how=None if incident.how is None else incident.how.value,
        restored_step=incident.restored_step,
        lost_steps=incident.lost_steps,
        preempted_by=shown(incident.preempted_by) or None,
        gpu_ns={state.value: gpu_ns for state, gpu_ns in incident.gpu_ns.items()},
    )


def _piece(segment: Segment) -> schemas.Piece:
    return schemas.Piece(
        state=segment.state.value,
        start=rfc3339(segment.span.start_ns),
        end=rfc3339(segment.span.end_ns),
        devices=segment.devices,
        gpu_ns=segment.gpu_ns,
        cause=segment.cause.value,
        incident=segment.incident,
        first_step=segment.first_step,
        last_step=segment.last_step,
        bridged=segment.bridged,
    )


def _trust(view: RunView) -> schemas.Trust:
    return schemas.Trust(
        source=view.source,
        verified=view.verified,
        upper_bound=view.upper_bound,
        sealed_through=rfc3339(view.sealed_through_ns),
        open_tail_ns=view.tail_ns,
        notes=[shown(note) for note in view.notes],
    )


def _instant(at_ns: int | None) -> str | None:
    return None if at_ns is None else rfc3339(at_ns)


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / NS_PER_SECOND
