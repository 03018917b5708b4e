"""What the page says of the node's reader, and of the pipes between programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from goodput_exporter.domain.node_view import IngestView, PushView, ReaderView
from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.exposition import pipe_metrics as names
from goodput_exporter.exposition.family import Family, Group, Labels, Samples, Single
from goodput_exporter.exposition.metric import Metric


def _by_state(now: Snapshot) -> Samples:
    gpus = now.node_view.inventory
    if gpus is None:
        return {}
    counts = {
        "on_bus": gpus.on_bus,
        "expected": gpus.expected,
        "visible": gpus.visible,
        "missing": len(gpus.missing),
        "replaced": len(gpus.replaced),
    }
    return {
        (now.node, state): count for state, count in counts.items() if count is not None
    }


def _outage(now: Snapshot) -> Samples:
    reader = now.node_view.reader
    if reader is None or reader.outage is None:
        return {}
    return {(now.node, reader.outage): 1}


def _reader(metric: Metric, read: Callable[[ReaderView], int]) -> Single[Snapshot]:
    def value(now: Snapshot) -> float | None:
        reader = now.node_view.reader
        return None if reader is None else read(reader)

    return Single(metric, value)


def _push(metric: Metric, read: Callable[[PushView], float | None]) -> Single[Snapshot]:
    def value(now: Snapshot) -> float | None:
        push = now.node_view.push
        return None if push is None else read(push)

    return Single(metric, value)


def _offset_seconds(push: PushView) -> float | None:
    """Return seconds as a float: an offset has a sign, and nanoseconds here none."""
    return None if push.offset_ns is None else push.offset_ns / NS_PER_SECOND


def _pushes(
    metric: Metric, read: Callable[[PushView], Mapping[str, int]]
) -> Family[Snapshot]:
    def samples(now: Snapshot) -> Samples:
        push = now.node_view.push
        return {} if push is None else {(name,): n for name, n in read(push).items()}

    return Family(metric, samples)


def _ingested(
    metric: Metric, read: Callable[[IngestView], Mapping[str, int]]
) -> Family[Snapshot]:
    def samples(now: Snapshot) -> Samples:
        taken = now.node_view.ingest
        return {} if taken is None else {(name,): n for name, n in read(taken).items()}

    return Family(metric, samples)


def _suspected(now: Snapshot) -> Samples:
    inference = now.node_view.inference
    if inference is None:
        return {}
    return {
        (now.node, *one.pod, one.container, one.confidence): one.ratio
        for one in inference.suspicions
    }


def _refused(now: Snapshot) -> float | None:
    inference = now.node_view.inference
    return None if inference is None else inference.refused


def _kernel_log_up(now: Snapshot) -> float | None:
    log = now.node_view.kernel_log
    return None if log is None else int(log.is_up)


def _kernel_records(now: Snapshot) -> Samples:
    log = now.node_view.kernel_log
    return {} if log is None else {(name,): n for name, n in log.records.items()}


def _missing(now: Snapshot) -> float | None:
    return None if now.node_view.ingest is None else now.node_view.ingest.missing


def _no_labels(_: object) -> Labels:
    return ()


PIPES: Final = Group(
    (
        Family(names.NODE_GPUS_BY_STATE, _by_state),
        Family(names.NVML_OUTAGE, _outage),
        _reader(names.NVML_STARTED, lambda reader: reader.started),
        _reader(names.NVML_ABANDONED, lambda reader: reader.abandoned),
        _reader(names.NVML_STUCK, lambda reader: reader.stuck),
        Family(names.HANG_SUSPICION, _suspected),
        Single(names.INFERENCE_REFUSED, _refused),
        Single(names.KERNEL_LOG_UP, _kernel_log_up),
        Family(names.KERNEL_LOG_RECORDS, _kernel_records),
        _pushes(names.PUSH_BATCHES, lambda push: push.batches),
        _push(names.PUSH_FAILURES, lambda push: push.failures),
        _pushes(names.PUSH_LOST, lambda push: push.lost),
        _push(names.PUSH_DELIVERED, lambda push: push.delivered_ns),
        _push(names.SPOOL_BATCHES, lambda push: push.waiting_batches),
        _push(names.SPOOL_BYTES, lambda push: push.waiting_bytes),
        _push(names.SPOOL_OLDEST, lambda push: push.oldest_ns),
        _push(names.SPOOL_DURABLE, lambda push: int(push.is_durable)),
        _pushes(
            names.SPOOL_DROPPED_BATCHES,
            lambda push: {name: one.batches for name, one in push.dropped.items()},
        ),
        _pushes(
            names.SPOOL_DROPPED_BYTES,
            lambda push: {name: one.bytes for name, one in push.dropped.items()},
        ),
        _push(names.CLOCK_OFFSET, _offset_seconds),
        _ingested(names.INGEST_REFUSED, lambda taken: taken.refused),
        _ingested(names.INGEST_BATCHES, lambda taken: taken.batches),
        Single(names.INGEST_MISSING, _missing),
        _ingested(names.INGEST_SKIPPED, lambda taken: taken.skipped),
    ),
    lambda snapshot: (snapshot,),
    _no_labels,
)
