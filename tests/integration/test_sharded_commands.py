"""A cluster of three shards in one database: every command knows all of their runs."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack, closing
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq
import pytest

from goodput_exporter.analysis.histories import View
from goodput_exporter.cli import main
from goodput_exporter.config.places import load
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.book import book, lengthen
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.opening import open_ledger, read_ledger
from goodput_exporter.ledger.state import encode_state
from goodput_exporter.services.ledger_places import past_of
from goodput_exporter.services.sharding import META, Shard, shard_of
from tests.fakes.gpu_books import both_books, gpus
from tests.fakes.gpus import LLAMA, TRAINS
from tests.fakes.ledger import booked, segment
from tests.fakes.postgresql import Cluster
from tests.fakes.ranks import Rank
from tests.fakes.recorded import Recorded
from tests.fakes.stories import observations

pytestmark = pytest.mark.real

COUNT: Final = 3
FIRST: Final = 20_000
"""The day on which a cluster book begins: 2024-10-04."""
BEGINS_NS: Final = FIRST * DAY_NS


def owned_by(index: int) -> RunKey:
    """Return a run that a shard books."""
    names = (RunKey("local", "default", f"run-{number}") for number in range(100))
    return next(key for key in names if shard_of(key, COUNT) == index)


def failed(number: int) -> tuple[Rank, ...]:
    """Return the lives of a rank that fails once, and loses what it had not saved."""
    return (
        Rank(inc=f"a{number}" * 8, pid=1).init(5).steps(0, 9, each=5).cut(4),
        Rank(inc=f"b{number}" * 8, pid=2, begins_s=90)
        .init(5)
        .steps(0, 9, each=5)
        .bye(),
    )


@dataclass(frozen=True)
class Shards:
    """
    The books of all shards, closed.

    Args:
        url: Of their database.
        folder: Under which each has its recording, called by its number.
    """

    url: str
    folder: Path

    def do(self, *words: str, cluster: str = "local") -> int:
        """Carry out a command of a person's; return its exit status."""
        return main([*words, "--ledger-url", self.url, "--identity-cluster", cluster])


@pytest.fixture(scope="module")
def shards(postgresql: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """Let a run fail on each of three shards, each with a recorder beside it."""
    url, folder = postgresql.url(postgresql.database()), tmp_path_factory.mktemp("s")
    for index in range(COUNT):
        with closing(open_ledger(url, cluster="local", shard=index)) as ledger:
            ledger.append(Batch(1, meta={META: str(COUNT)}))
            seen = observations(failed(index))
            for one in seen:
                if isinstance(one, RankReport):
                    one.run_id = owned_by(index).run
            exporter = Recorded(folder / str(index), ledger).watch(seen, 200)
            exporter.recorder.close()
    return Shards(url, folder)


def rows(text: str) -> list[dict[str, str]]:
    """Read what was written as CSV."""
    return list(csv.DictReader(StringIO(text)))


def test_incidents_of_all_shards_are_exported(
    shards: Shards, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of each run, in the order of time; and of the one that is named."""
    assert shards.do("incidents", "export", "--format", "json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert shards.do("incidents", "export", owned_by(2).run) == 0
    (of_one,) = rows(capsys.readouterr().out)

    assert sorted(one["run"] for one in found) == sorted(
        owned_by(index).run for index in range(COUNT)
    )
    assert of_one["run"] == owned_by(2).run


def test_tables_of_all_shards_are_exported(
    shards: Shards, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As CSV and as Parquet, with the same rows."""
    file = tmp_path / "segments.parquet"

    assert shards.do("ledger", "export") == 0
    text = rows(capsys.readouterr().out)
    assert shards.do("ledger", "export", "--format", "parquet", str(file)) == 0

    table = pq.read_table(file)
    assert {row["run"] for row in text} == {owned_by(i).run for i in range(COUNT)}
    assert table.num_rows == len(text)
    assert set(table["run"].to_pylist()) == {owned_by(i).run for i in range(COUNT)}


@pytest.mark.parametrize("index", range(COUNT))
def test_a_shards_recording_is_compared_with_its_own_runs(
    shards: Shards, index: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs of the others are in none of its ticks, which is no difference."""
    recording = str(shards.folder / str(index))

    assert shards.do("ledger", "replay", "--as-recorded", recording) == 0
    assert "the same" in capsys.readouterr().out


def test_the_api_of_each_shard_reads_the_past_of_all_runs(shards: Shards) -> None:
    """Whichever is asked: a window of the past is in the database that all share."""
    flags = {"ledger.url": shards.url, "identity.cluster": "local"}
    settings = load(environ={}, flags=flags)
    with closing(open_ledger(shards.url, cluster="local", shard=1)) as ledger:
        past = past_of(settings, ledger, Shard(1, COUNT))

        every = [run.key for run in past.runs(())]
        (one,) = past.runs((owned_by(2).run,))
        found = past.reliability([one], one.life or Span(0, 1), View.SETTLED)

    assert every == sorted(owned_by(index) for index in range(COUNT))
    assert one.key == owned_by(2)
    assert found.mtti.events == 1


def test_a_correction_is_written_into_the_book_of_the_runs_shard(
    shards: Shards, capsys: pytest.CaptureFixture[str]
) -> None:
    """While no exporter runs; its port is one that nobody listens on."""
    incident = f"{owned_by(2)}#1"

    done = shards.do(
        *("ledger", "attribute", incident, "--cause", "node_lost"),
        *("--by", "ada", "--note", "the switch", "--http-port", "1"),
    )

    assert done == 0, capsys.readouterr().err
    with closing(read_ledger(shards.url, cluster="local", shard=2)) as ledger:
        (found,) = [
            entry.booking
            for entry in ledger.bookings(owned_by(2))
            if getattr(entry.booking, "by", "") == "ada"
        ]
    assert getattr(found, "to_cause", None) is Cause.NODE_LOST


def test_verify_and_migrate_name_all_books(
    shards: Shards, capsys: pytest.CaptureFixture[str]
) -> None:
    """What they did they did to each of them."""
    assert shards.do("ledger", "verify") == 0
    verified = capsys.readouterr().out
    assert shards.do("ledger", "migrate") == 0
    migrated = capsys.readouterr().out

    assert verified == "books local/0 to local/2: 3 runs; every law holds\n"
    assert migrated == "books local/0 to local/2: of this version\n"


def test_a_shard_whose_book_is_not_there_is_named(
    postgresql: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is changed in the books that are."""
    url = postgresql.url(postgresql.database())
    hours = [segment(at * 3_600, (at + 1) * 3_600) for at in range(9)]
    with closing(open_ledger(url, cluster="local", shard=0)) as first:
        first.append(booked(*hours, key=owned_by(0)))
        first.append(Batch(1, meta={META: "2"}))

    done = Shards(url, Path()).do("ledger", "compact")

    assert done == 1
    said = capsys.readouterr().err
    assert "shard 1 of 2" in said
    assert "--aggregator-shard 1/2" in said
    with closing(read_ledger(url, cluster="local")) as book:
        assert len(list(book.segments(owned_by(0)))) == len(hours)


def days(start: float, end: float) -> Span:
    """Return a span in days since the first one began."""
    return Span(*(BEGINS_NS + round(at * DAY_NS) for at in (start, end)))


def undecided(key: RunKey) -> Batch:
    """Book three days of a run; what it did in some hours of the second is open."""
    fold = Fold(key, line_ns=days(0, 3).end_ns, opened_ns=BEGINS_NS, asked=8)
    fold.steps.open = [days(1.25, 1.5)]
    for span in (days(0, 1.25), days(1.5, 3)):
        book(fold.book, Segment(span, RunState.STALLED, 8, Cause.HANG))
        lengthen(fold.book, 8, span.length_ns)
    bookings = [(key, one) for one in fold.book.pending]
    fold.book.pending = []
    return Batch(2, bookings, states={key: encode_state(fold)})


def test_compaction_folds_all_books_and_none_beyond_the_cluster_book(
    postgresql: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A run holds GPUs for three days; another one, of another shard, is undecided.

    The first day of the cluster book is folded in the state of the run that held it;
    the others wait, and so do that run's segments, in whichever book they are.
    """
    url = postgresql.url(postgresql.database())
    owner = shard_of(LLAMA, COUNT)
    names = (RunKey("east", "research", f"run-{number}") for number in range(100))
    other = next(key for key in names if shard_of(key, COUNT) != owner)
    with ExitStack() as stack:
        books = [
            stack.enter_context(closing(open_ledger(url, cluster="east", shard=index)))
            for index in range(COUNT)
        ]
        for one in books:
            one.append(Batch(1, meta={META: str(COUNT)}))
        held = [gpus(TRAINS, 0, 8, days(day, day + 1)) for day in range(3)]
        books[0].append(both_books([], held, days(0, 3).end_ns))
        hours = [days(at / 24, (at + 1) / 24) for at in range(72)]
        trains = [Segment(span, RunState.PRODUCTIVE, 8) for span in hours]
        books[owner].append(Batch(2, [(LLAMA, one) for one in trains]))
        books[shard_of(other, COUNT)].append(undecided(other))

        done = Shards(url, Path()).do(
            *("ledger", "compact", "--before", "2024-10-07"), cluster="east"
        )

        said = capsys.readouterr()
        assert done == 0, said
        assert said.out.startswith("24 segments folded into days")
        with closing(read_ledger(url, cluster="east")) as first:
            folded = list(first.gpu_days(FIRST, FIRST + 3))
        spent = {row.state: row.gpu_ns for row in folded if row.hold.run == LLAMA}
        assert spent == {RunState.PRODUCTIVE: 8 * DAY_NS}
        kept = [one.span for one in books[owner].segments(LLAMA)]
        assert kept == [days(1, 2), days(2, 3)]
        assert [found for one in books for found in one.verify()] == []
