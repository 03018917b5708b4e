"""The ledgers of a cluster's shards are read as the ledger of one process would be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.joined import JoinedReader
from goodput_exporter.ledger.one_run import RunReader
from goodput_exporter.ledger.reader import read_ledger
from goodput_exporter.ledger.store import open_ledger
from goodput_exporter.report.markdown import markdown
from goodput_exporter.report.rows import rows_csv
from goodput_exporter.services.asked_reports import Asked
from goodput_exporter.services.report_commands import report
from goodput_exporter.services.sharding import shard_of
from tests.fakes.ledger import booked, segment

COUNT: Final = 3
HOUR_NS: Final = DAY_NS // 24
WORKED: Final = {
    RunKey("east", "ml", name): [
        segment(0, 20 * HOUR_NS, devices=devices),
        segment(
            20 * HOUR_NS,
            (20 + devices) * HOUR_NS,
            RunState.DOWN,
            devices=devices,
            cause=Cause.GPU_LOST,
        ),
    ]
    for name, devices in (("llama", 8), ("qwen", 16), ("moe", 24), ("t5", 4))
}
"""Runs that worked for twenty hours, and were down for as many as they have GPUs."""
FIRST, LAST = 0, 100_000


@dataclass(frozen=True)
class Cluster:
    """The same runs in the books of three shards, and in one."""

    shards: RunReader
    whole: RunReader


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give readers of both."""
    folder = tmp_path_factory.mktemp("shards")
    parts: list[list[RunKey]] = [[] for _ in range(COUNT)]
    for key in WORKED:
        parts[shard_of(key, COUNT)].append(key)
    with ExitStack() as stack:
        books = [
            kept(folder / f"{number}.sqlite", keys) for number, keys in enumerate(parts)
        ]
        found = Cluster(JoinedReader(books), kept(folder / "whole.sqlite", WORKED))
        stack.callback(found.shards.close)
        stack.callback(found.whole.close)
        yield found


def kept(path: Path, keys: Iterable[RunKey]) -> RunReader:
    """Book runs in a file, and open it to read it."""
    with closing(open_ledger(path)) as ledger:
        for key in keys:
            ledger.append(booked(*WORKED[key], key=key))
    return read_ledger(path)


def test_the_runs_lie_in_more_than_one_book() -> None:
    """So what is shown here is shown of several."""
    assert len({shard_of(key, COUNT) for key in WORKED}) > 1


def test_every_run_is_there_with_its_account(cluster: Cluster) -> None:
    """It does not matter in which book it is."""
    assert cluster.shards.runs() == cluster.whole.runs()
    for key in WORKED:
        assert cluster.shards.account(key) == cluster.whole.account(key)
        assert [*cluster.shards.segments(key)] == [*cluster.whole.segments(key)]
        assert cluster.shards.state_of(key) == cluster.whole.state_of(key)
        with cluster.shards.one_run(key) as one, cluster.whole.one_run(key) as same:
            assert one is not None
            assert same is not None
            assert one.days(FIRST, LAST) == same.days(FIRST, LAST)


def test_days_add_up_over_all_books(cluster: Cluster) -> None:
    """Their sums are the cluster's."""
    both = cluster.shards, cluster.whole
    one, same = (reader.summed_days(FIRST, LAST) for reader in both)

    assert one
    assert one == same
    each, too = (sorted(map(str, reader.days(FIRST, LAST))) for reader in both)
    assert each == too
    assert cluster.shards.verify() == cluster.whole.verify() == []


def test_a_report_of_the_fleet_has_ratios_of_sums(cluster: Cluster) -> None:
    """It says what it would say of one ledger, to the last letter."""
    one, same = (
        report(reader, Asked(), 3 * DAY_NS)
        for reader in (cluster.shards, cluster.whole)
    )

    assert rows_csv(one) == rows_csv(same)
    assert markdown(one) == markdown(same)
    assert all(key.run in rows_csv(one) for key in WORKED)


def test_a_run_that_is_in_no_book_is_in_none(cluster: Cluster) -> None:
    """As in one ledger."""
    nobody = RunKey("east", "ml", "nobody")
    with cluster.shards.one_run(nobody) as one:
        assert one is None
    assert cluster.shards.state_of(nobody) is None
