"""What a shard reads in others' books, and how often it asks for what is away."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.energy_rows import EnergyBatch
from goodput_exporter.ledger.gpu_lines import GpuBatch
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.one_run import RunReader
from goodput_exporter.services.other_shards import (
    READ_AT_ONCE,
    READ_EVERY_NS,
    OtherShards,
)
from goodput_exporter.services.sharding import Shard, shard_of
from tests.fakes.ledger import MemoryLedger

COUNT = 2
HOUR = Span(0, 3_600)
RUNS = [
    key
    for number in range(100)
    if shard_of(key := RunKey("east", "ml", f"run-{number}"), COUNT) == 1
]


def test_energy_of_many_runs_is_read_in_several_ticks() -> None:
    """None of them asks the database for all; after some, all are shown."""
    first = MemoryLedger()
    many = [RunKey("east", "ml", f"run-{n}") for n in range(2 * READ_AT_ONCE + 1)]
    drew = {key: EnergyTotals(key, 1, {}) for key in many}
    first.append(Batch(1, gpus=GpuBatch(energy=EnergyBatch((), drew))))
    others = OtherShards(Shard(1, COUNT), lambda _: first)

    shown = [len(others.energy(many, READ_EVERY_NS + tick)) for tick in range(4)]
    left = others.energy(many[:1], 2 * READ_EVERY_NS)

    assert shown == [READ_AT_ONCE, 2 * READ_AT_ONCE, len(many), len(many)]
    assert left == (drew[many[0]],)


def test_a_book_that_is_away_is_asked_for_once_for_all_of_its_runs() -> None:
    """A database may take seconds to say no; a tick must not wait for each run."""
    asked: list[int] = []

    def opens(index: int) -> RunReader:
        asked.append(index)
        msg = "nobody answers"
        raise LedgerError(msg)

    others = OtherShards(Shard(0, COUNT), opens)
    for key in RUNS:
        with pytest.raises(LedgerError, match="nobody answers"):
            others.segments(key, HOUR)
    at_first = list(asked)
    others.look_again()
    with pytest.raises(LedgerError, match="nobody answers"):
        others.segments(RUNS[0], HOUR)

    assert len(RUNS) > 1
    assert at_first == [1]
    assert asked == [1, 1]
