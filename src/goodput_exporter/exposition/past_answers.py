"""Turns what the analysis found in the ledger into what the API answers."""

from __future__ import annotations

from goodput_exporter.analysis.figures import shown
from goodput_exporter.analysis.groups import GroupAccount, group_accounts
from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.preemptions import Cascade, Displaced
from goodput_exporter.analysis.rates import Rate, RateTable
from goodput_exporter.analysis.reliability import NodeFigures, Reliability
from goodput_exporter.analysis.statistics import MeanTime
from goodput_exporter.analysis.stretches import account_of
from goodput_exporter.analysis.suspects import Suspect
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.exposition import past_schemas as schemas
from goodput_exporter.exposition.addresses import full_name
from goodput_exporter.exposition.answers import books, layers
from goodput_exporter.exposition.instants import rfc3339


def past_reliability(
    found: Reliability, window: Span, view: View
) -> schemas.PastReliability:
    """Answer for the reliability of some runs in one window."""
    return schemas.PastReliability(
        view=view.value,
        start=rfc3339(window.start_ns),
        end=rfc3339(window.end_ns),
        mtti=_mean_time(found.mtti),
        mttr=_mean_time(found.mttr),
        nodes=None if found.nodes is None else _nodes(found.nodes),
        displaced=[_displaced(one) for one in found.displaced],
        secondary=[_cascade(one) for one in found.cascades],
    )


def past_groups(
    histories: list[History], by: GroupKind, window: Span, view: View
) -> schemas.PastGroups:
    """Answer for groups of runs in one window; each run is in exactly one."""
    found = group_accounts(
        (
            (run.key, run.owner, account_of(run.stretches(view), window))
            for run in histories
        ),
        by,
    )
    total = Account()
    for one in found:
        total.merge(one.account)
    return schemas.PastGroups(
        by=by.value,
        view=view.value,
        start=rfc3339(window.start_ns),
        end=rfc3339(window.end_ns),
        groups=[_group(one) for one in found],
        total=books(total),
        layers=layers(ratios(total)),
        cut=[
            full_name(run.key)
            for run in histories
            if run.since_ns is not None and window.start_ns < run.since_ns
        ],
    )


def _group(one: GroupAccount) -> schemas.GroupFound:
    return schemas.GroupFound(
        name=None if one.name is None else shown(one.name),
        runs=[full_name(key) for key in one.runs],
        books=books(one.account),
        layers=layers(one.ratios),
    )


def _mean_time(found: MeanTime) -> schemas.MeanTimeFound:
    return schemas.MeanTimeFound(
        events=found.events,
        exposure_seconds=found.exposure_seconds,
        seconds=found.seconds,
        low_seconds=found.low_seconds,
        high_seconds=found.high_seconds,
        confidence=found.confidence,
        too_few=found.too_few,
    )


def _nodes(found: NodeFigures) -> schemas.NodesFound:
    failed = [(name, rate) for name, rate in found.by_node.rows.items() if rate.events]
    failed.sort(key=lambda item: (-item[1].events, item[0] or ""))
    return schemas.NodesFound(
        node_days=found.node_days,
        by_node=[_rate(name, rate) for name, rate in failed],
        by_gpu_model=_rates(found.by_model),
        by_cause=_rates(found.by_cause),
        suspects=[_suspect(one) for one in found.suspects],
        unplaced=found.by_node.unplaced,
        outside=found.outside,
    )


def _rates(table: RateTable) -> list[schemas.RateFound]:
    return [_rate(name, rate) for name, rate in table.rows.items()]


def _rate(name: str | None, rate: Rate) -> schemas.RateFound:
    return schemas.RateFound(
        name=None if name is None else shown(name),
        events=rate.events,
        node_days=rate.node_days,
        per_1000_node_days=rate.per_1000_node_days,
        low=rate.low,
        high=rate.high,
        too_few=rate.too_few,
    )


def _suspect(one: Suspect) -> schemas.SuspectFound:
    return schemas.SuspectFound(
        node=shown(one.node),
        gpu_model=None if one.gpu_model is None else shown(one.gpu_model),
        failures=one.failures,
        runs=one.runs,
        node_days=one.node_days,
        expected=one.expected,
        p_value=one.p_value,
    )


def _displaced(one: Displaced) -> schemas.DisplacedFound:
    return schemas.DisplacedFound(
        by=None if one.by is None else full_name(one.by),
        interruptions=one.interruptions,
        runs=one.runs,
        gpu_ns=one.gpu_ns,
        gpu_seconds=one.gpu_ns / NS_PER_SECOND,
    )


def _cascade(one: Cascade) -> schemas.CascadeFound:
    return schemas.CascadeFound(
        run=full_name(one.root.run),
        incident=one.root.number,
        preempted=one.preempted,
        own_gpu_ns=one.own_gpu_ns,
        secondary_gpu_ns=one.secondary_gpu_ns,
    )
