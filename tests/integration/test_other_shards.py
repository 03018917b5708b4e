"""Two shards of a cluster in one real database, each reading in the other's book."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import pytest

from goodput_exporter.config.places import load
from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.energy_rows import EnergyBatch
from goodput_exporter.ledger.gpu_lines import GpuBatch
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.opening import open_ledger, read_ledger
from goodput_exporter.services.ledger_places import cluster_reader_of
from goodput_exporter.services.other_shards import READ_EVERY_NS, OtherShards
from goodput_exporter.services.sharding import META, Shard, shard_of
from tests.fakes.ledger import LLAMA, booked, segment
from tests.fakes.postgresql import Cluster

pytestmark = pytest.mark.real

COUNT = 2
OWNER = shard_of(LLAMA, COUNT)
HOUR = Span(0, 3_600)
DREW = EnergyTotals(LLAMA, 3_600, {("productive", "none"): Energy(7, 3_600)})


@pytest.fixture
def url(postgresql: Cluster) -> str:
    """Return the address of an empty database."""
    return postgresql.url(postgresql.database())


def others_of(url: str, index: int) -> OtherShards:
    """Return who shares the database with a shard."""
    opens = partial(read_ledger, url, cluster="east")
    return OtherShards(Shard(index, COUNT), lambda shard: opens(shard=shard))


def test_a_run_is_read_in_the_book_of_its_shard(url: str) -> None:
    """As soon as that shard has begun one; until then the reader is told so."""
    with (
        closing(open_ledger(url, cluster="east", shard=1 - OWNER)),
        closing(others_of(url, 1 - OWNER)) as others,
    ):
        with pytest.raises(LedgerError, match=f"no book east/{OWNER}"):
            others.segments(LLAMA, HOUR)
        nobodys = others.runs()
        with closing(open_ledger(url, cluster="east", shard=OWNER)) as owner:
            owner.append(booked(segment(0, 1_800)))
            others.look_again()

            found = others.segments(LLAMA, HOUR)
            told = [run.key for run in others.runs()]

    assert nobodys == []
    assert [one.span for one in found] == [Span(0, 1_800)]
    assert told == [LLAMA]


def test_a_shard_shows_what_the_first_has_divided_of_its_runs(url: str) -> None:
    """Nothing while the first has not begun; then what it has, every half a minute."""
    now_ns = READ_EVERY_NS
    with closing(others_of(url, 1)) as others:
        with closing(open_ledger(url, cluster="east", shard=1)):
            before = others.energy([LLAMA], now_ns)
        with closing(open_ledger(url, cluster="east", shard=0)) as first:
            energy = EnergyBatch((), {LLAMA: DREW})
            first.append(Batch(1, gpus=GpuBatch(energy=energy)))

        soon = others.energy([LLAMA], now_ns + 1)
        later = others.energy([LLAMA], now_ns + READ_EVERY_NS)
        without_it = others.energy([], now_ns + 2 * READ_EVERY_NS)

    assert before == soon == without_it == ()
    assert later == (DREW,)


def test_the_first_shard_has_what_it_divides_itself(url: str) -> None:
    """It is told nothing, and neither is a shard that has a file of its own."""
    with closing(others_of(url, 0)) as others:
        assert others.can_read
        assert others.energy([LLAMA], READ_EVERY_NS) == ()
    alone = OtherShards(Shard(1, COUNT))
    assert not alone.can_read
    assert alone.energy([LLAMA], READ_EVERY_NS) == ()
    assert alone.runs() == []


def test_verify_and_reports_read_the_books_of_all_shards(url: str) -> None:
    """The count stands in the first book; nobody has to name it."""
    names = [RunKey("east", "ml", f"run-{number}") for number in range(6)]
    for index in range(COUNT):
        own = [key for key in names if shard_of(key, COUNT) == index]
        assert own
        with closing(open_ledger(url, cluster="east", shard=index)) as ledger:
            for key in own:
                ledger.append(booked(segment(0, 1_800), key=key))
            ledger.append(Batch(1, meta={META: str(COUNT)}))
    flags = {"ledger.url": url, "identity.cluster": "east"}

    with closing(cluster_reader_of(load(environ={}, flags=flags))) as ledger:
        found, broken = [run.key for run in ledger.runs()], ledger.verify()

    assert found == sorted(names)
    assert broken == []
