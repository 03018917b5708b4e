"""How fast the ledgers book, add up and store folds, beside bare logs and tables."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import pytest

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.ledger.entries import encode
from goodput_exporter.ledger.ledger import Batch, Ledger
from goodput_exporter.ledger.opening import open_ledger
from goodput_exporter.ledger.state import decode_state, encode_state
from tests.fakes.postgresql import Cluster, cluster
from tests.fakes.ranks import Rank
from tests.fakes.stories import Observer, observations

ROUNDS = 5
BATCH_ROWS = 1_000
BATCHES = 50
ALONE_ROWS = 500
"""Fewer, for one row per commit is slow; rates are compared, not times."""
SEGMENT_NS = 10 * NS_PER_SECOND
STATES = (RunState.PRODUCTIVE, RunState.SLOW, RunState.DATA_WAIT)
RUN = RunKey("local", "default", "bench")
NOW_NS = 1_760_000_000 * NS_PER_SECOND


def main() -> None:
    """Measure in interleaved rounds; print medians, ranges and ratios."""
    with shared_database() as rates_of_postgresql:
        compare(RATES | rates_of_postgresql)
    for rows in (1_000, 10_000, 100_000):
        time_accounts(rows)
    for durable in (True, False):
        time_state(durable=durable)


def compare(measures: dict[str, Callable[[Path], float]]) -> None:
    """Print rates of the same rows, and what the ledger's is a multiple of."""
    rates: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            with TemporaryDirectory() as directory:
                rates.setdefault(name, []).append(measure(Path(directory)))
    for name, values in rates.items():
        show(name, values, "rows/s")
    ours, *peers = rates
    for name in peers:
        pairs = zip(rates[ours], rates[name], strict=True)
        show("ratio to " + name, [one / other for one, other in pairs], "x")


@contextmanager
def shared_database() -> Iterator[dict[str, Callable[[Path], float]]]:
    """Start a PostgreSQL server that waits for the disk; give what it is asked."""
    with ExitStack() as started:
        try:
            server = started.enter_context(cluster(is_durable=True))
        except pytest.skip.Exception as exc:
            print(f"PostgreSQL is left out: {exc}")  # noqa: T201 - a benchmark prints
            yield {}
            return
        yield {
            "PostgreSQL ledger, batches of 1,000": lambda _: batched(server.book()),
            "PostgreSQL ledger, a commit per row": lambda _: alone(server.book()),
            "PostgreSQL, bare COPY of 1,000": lambda _: copied(server),
        }


def append_batched(directory: Path) -> float:
    """Return durable rows per second in batches of 1,000."""
    return batched(open_ledger(directory / "ledger.db"))


def append_alone(directory: Path) -> float:
    """Return durable rows per second when every row waits for the disk alone."""
    return alone(open_ledger(directory / "ledger.db"))


def batched(opened: Ledger) -> float:
    """Append in batches of 1,000, and close the ledger."""
    batches = [tick(first, BATCH_ROWS) for first in range(BATCHES)]
    with closing(opened) as ledger:
        return (
            BATCHES * BATCH_ROWS / seconds(lambda: [ledger.append(b) for b in batches])
        )


def alone(opened: Ledger) -> float:
    """Append row by row, and close the ledger."""
    batches = [tick(first, 1) for first in range(ALONE_ROWS)]
    with closing(opened) as ledger:
        return ALONE_ROWS / seconds(lambda: [ledger.append(batch) for batch in batches])


def copied(server: Cluster) -> float:
    """Copy the same rows, made before, into a table without an index or a rule."""
    batches = [
        [encode(key, booking) for key, booking in tick(first, BATCH_ROWS).bookings]
        for first in range(BATCHES)
    ]
    with closing(server.session()) as db:
        db.execute("DROP TABLE IF EXISTS bare")
        db.execute(BARE)

        def write() -> None:
            for rows in batches:
                with db.cursor() as cursor, cursor.copy("COPY bare FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)

        return BATCHES * BATCH_ROWS / seconds(write)


BARE = """
CREATE TABLE bare (
    kind TEXT, start_ns BIGINT, end_ns BIGINT, state TEXT, devices BIGINT, cause TEXT,
    incident BIGINT, first_step BIGINT, last_step BIGINT, kept_as TEXT,
    bridged BOOLEAN, model_flops DOUBLE PRECISION, detail JSON
)
"""


def append_log(directory: Path) -> float:
    """Return rows per second as JSON lines: durable, and of no further use."""
    batches = [tick(first, BATCH_ROWS) for first in range(BATCHES)]

    def write() -> None:
        with (directory / "log.jsonl").open("a", encoding="utf-8") as log:
            for batch in batches:
                log.writelines(
                    json.dumps(encode(key, booking)) + "\n"
                    for key, booking in batch.bookings
                )
                log.flush()
                os.fdatasync(log.fileno())

    return BATCHES * BATCH_ROWS / seconds(write)


RATES: dict[str, Callable[[Path], float]] = {
    "SQLite ledger, batches of 1,000": append_batched,
    "SQLite ledger, a commit per row": append_alone,
    "log file, fdatasync per 1,000": append_log,
}


def time_accounts(rows: int) -> None:
    """Print how long one run's account takes over *rows* entries."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        with closing(open_ledger(path)) as ledger:
            for first in range(rows // BATCH_ROWS):
                ledger.append(tick(first, BATCH_ROWS))
            end_ns = NOW_NS + rows * SEGMENT_NS
            hour = Span(end_ns - 3_600 * NS_PER_SECOND, end_ns)
            whole = [seconds(lambda: ledger.account(RUN)) for _ in range(ROUNDS)]
            recent = [seconds(lambda: ledger.account(RUN, hour)) for _ in range(ROUNDS)]
            append = [
                seconds(lambda: ledger.append(Batch(0, [(RUN, segment(rows))])))
                for _ in range(ROUNDS)
            ]
        size = path.stat().st_size / rows
    show(f"account of {rows:,} rows", [1e3 * each for each in whole], "ms")
    show(f"account of their last hour, {rows:,} rows", [1e3 * e for e in recent], "ms")
    show(f"one more row after {rows:,}", [1e3 * each for each in append], "ms")
    show(f"on disk, {rows:,} rows", [size], "bytes/row")


def time_state(*, durable: bool) -> None:
    """Print what storing a fold costs after a thousand steps of four ranks."""
    kept = "" if durable else ", no save durable"
    fold = after_a_thousand_steps(durable=durable)
    data = encode_state(fold)
    show(f"state after 1,000 steps{kept}", [len(data) / 1e3], "kB")
    for name, act in (
        ("encode", lambda: encode_state(fold)),
        ("decode", lambda: decode_state(data)),
        ("encode and decode", lambda: decode_state(encode_state(fold))),
    ):
        show(f"  {name} it", [1e3 * seconds(act) for _ in range(100)], "ms")


def after_a_thousand_steps(*, durable: bool) -> Fold:
    """Watch four ranks through ten checkpoints, two hundred seconds apart."""
    ranks = [
        Rank(inc=f"{n:016x}", pid=n + 1, rank=n, world=4, tokens_per_step=4_096).init(5)
        for n in range(4)
    ]
    for rank in ranks:
        for last in range(99, 1_000, 100):
            rank.steps(last - 99, last, each=1.9, data=0.1)
            rank.save(1, last, durable=durable)
    return Observer(tick_s=2.0).watch(observations(ranks), 2_030).fold


def tick(number: int, rows: int) -> Batch:
    """Build the *number*-th batch of *rows* segments, each after the one before."""
    first = number * rows
    return Batch(NOW_NS, [(RUN, segment(first + i)) for i in range(rows)])


def segment(number: int) -> Segment:
    """Build the *number*-th segment of a run."""
    start_ns = NOW_NS + number * SEGMENT_NS
    span = Span(start_ns, start_ns + SEGMENT_NS)
    return Segment(
        span,
        STATES[number % 3],
        16,
        first_step=number,
        last_step=number,
        model_flops=1.7e18,
    )


def seconds(act: Callable[[], object]) -> float:
    """Return how long *act* takes."""
    began = perf_counter()
    act()
    return perf_counter() - began


def show(name: str, values: list[float], unit: str) -> None:
    """Print a median and its range."""
    spread = f"({min(values):,.2f} .. {max(values):,.2f})"
    line = f"{name:44}{median(values):12,.2f} {unit:10}{spread}"
    print(line)  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    main()
