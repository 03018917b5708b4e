"""The cluster book through ticks, failures and deaths of the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from goodput_exporter.domain.gpu_stands import Category
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.gpu_lines import GpuBatch
from goodput_exporter.ledger.ledger import Batch, Ledger
from goodput_exporter.ledger.opening import open_ledger
from goodput_exporter.services.gpu_bookkeeper import GpuBookkeeper, lines_in
from tests.fakes.gpus import IDLE, NOON, TRAINS, S, gpu, word
from tests.fakes.ledger import MemoryLedger
from tests.fakes.postgresql import Cluster

OpenLedger = Callable[[Path], Ledger]


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.real)]
)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """Open an empty ledger of each kind."""
    if request.param == "memory":
        yield MemoryLedger()
        return
    if request.param == "sqlite":
        with closing(open_ledger(tmp_path / "ledger.db")) as one:
            yield one
        return
    shared: Cluster = request.getfixturevalue("postgresql")
    with closing(shared.book()) as one:
        yield one


def tick(books: GpuBookkeeper, ledger: Ledger, at_s: int) -> None:
    """Decide, commit and publish, as a service does."""
    now_ns = NOON + at_s * S
    part = books.decide(now_ns)
    ledger.append(Batch(now_ns, meta=part.meta, gpus=part.gpus))
    books.publish(part)


def seconds(books: GpuBookkeeper) -> dict[str, float]:
    """Return GPU seconds by category, as shown."""
    shown: dict[str, float] = {}
    for group, gpu_ns in books.view().sealed.items():
        name = group.category.value
        shown[name] = shown.get(name, 0) + gpu_ns / S
    return shown


def live(books: GpuBookkeeper, ledger: Ledger, begin_s: int, end_s: int) -> None:
    """Live through a node whose second GPU is taken at 100 and freed at 250."""
    for at_s in range(begin_s, end_s, 10):
        free = word(0, min(at_s, 100), gpu(0, IDLE), gpu(1, IDLE))
        books.take([free])
        if at_s >= 100:
            books.take([word(100, min(at_s, 250), gpu(0, IDLE), gpu(1, TRAINS))])
        if at_s >= 250:
            books.take([word(250, at_s, gpu(0, IDLE), gpu(1, IDLE))])
        tick(books, ledger, at_s)


def test_what_is_shown_is_what_the_ledger_adds_up_to(ledger: Ledger) -> None:
    """Lines and open time of a window are its seconds x GPUs, by category."""
    books = GpuBookkeeper()
    live(books, ledger, 0, 410)

    window = Span(NOON, books.view().line_ns or 0)
    lines = lines_in(ledger, books, window)
    by = {
        category: sum(x.within(window) for x in lines if x.hold.category is category)
        for category in (Category.UNALLOCATED, Category.HELD)
    }
    assert seconds(books) == {"held": 150.0, "unallocated": 395.0 * 2 - 150}
    assert sum(by.values()) == window.length_ns * 2
    assert by[Category.HELD] == 150 * S
    assert ledger.verify() == []


def test_a_quiet_cluster_writes_no_lines(ledger: Ledger) -> None:
    """Equal spans are one line; until something changes, or an hour is full."""
    books = GpuBookkeeper()
    live(books, ledger, 0, 100)
    live(books, ledger, 400, 3_000)

    assert [line.seq for line in ledger.gpu_lines()] == [1, 2]
    books.take([word(250, 3_700, gpu(0, IDLE), gpu(1, IDLE))])
    tick(books, ledger, 3_700)
    ends = {line.booking.span.end_ns for line in ledger.gpu_lines()}
    assert max(ends) == NOON + 3_600 * S


def test_a_death_at_any_tick_takes_nothing_back_and_loses_nothing(
    ledger: Ledger,
) -> None:
    """The next life goes on to the nanosecond: its figures are those of one life."""
    whole = GpuBookkeeper()
    live(whole, MemoryLedger(), 0, 410)
    books = GpuBookkeeper()
    for begin_s in range(0, 410, 50):
        shown = seconds(books)
        books = GpuBookkeeper()
        books.resume(ledger, NOON + begin_s * S)
        assert seconds(books) == shown
        live(books, ledger, begin_s, min(begin_s + 50, 410))

    assert seconds(books) == seconds(whole)
    assert ledger.verify() == []


def test_a_node_that_is_gone_leaves_nothing_behind(ledger: Ledger) -> None:
    """After the horizon its state is dropped; its lines stay."""
    books = GpuBookkeeper()
    books.take([word(0, 100, gpu(0, IDLE))])
    tick(books, ledger, 110)
    books.take([word(100, 100, is_gone=True)])
    tick(books, ledger, 200)
    assert set(ledger.gpu_nodes()) == {"node-1"}
    tick(books, ledger, 4_000)

    assert ledger.gpu_nodes() == {}
    assert seconds(books) == {"unallocated": 100.0}
    assert ledger.verify() == []


def test_verify_names_the_line_that_books_an_instant_twice(ledger: Ledger) -> None:
    """A line that overlaps another is named by its number."""
    books = GpuBookkeeper()
    live(books, ledger, 0, 410)
    lines = [line.booking for line in ledger.gpu_lines()]
    ledger.append(Batch(NOON, gpus=GpuBatch([lines[0]])))

    findings = ledger.verify()
    last = max(line.seq for line in ledger.gpu_lines())
    assert [found.seq for found in findings] == [last, None]
    assert "GPU-1: unallocated" in findings[0].what
    assert "totals count" in findings[1].what
