"""What an agent saw survives its death and its disk, within bounds that it names."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import AccountingError
from goodput_exporter.ledger.spool.figures import Bounds, Reason
from goodput_exporter.ledger.spool.records import (
    MARK,
    Record,
    encode_record,
    scan,
)
from goodput_exporter.ledger.spool.spool import Spool

NOBODY = 65_534
NOW_NS = 1_000 * NS_PER_SECOND
BOUNDLESS = 2**40
WRITER = """
import sys
from itertools import count
from pathlib import Path

from goodput_exporter.ledger.spool.records import Record
from goodput_exporter.ledger.spool.spool import Spool

spool = Spool(Path(sys.argv[1]))
for number in count(1):
    spool.append([Record(number, number, b"%d" % number * 50)], number)
    print(number, flush=True)
"""

RECORDS = [Record(n, n, bytes([n]) * 40 + MARK) for n in range(1, 7)]
FILE = b"".join(map(encode_record, RECORDS))


def batch(number: int, size: int = 100) -> Record:
    """Return the batch of one second."""
    return Record(number, number * NS_PER_SECOND, b"x" * size)


def left_in(spool: Spool) -> list[int]:
    """Return the numbers of the batches that wait."""
    return [record.sequence for record in spool.oldest(BOUNDLESS)]


@contextmanager
def bounded_files(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond *size*, as a full disk would not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@given(st.integers(0, len(FILE)))
def test_a_file_cut_anywhere_keeps_every_whole_batch(cut: int) -> None:
    """``kill -9`` and a power cut end a file at any byte."""
    found = scan(FILE[:cut])

    whole = cut // RECORDS[0].size
    assert [record for record, _ in found.records] == RECORDS[:whole]
    assert found.damaged_bytes == cut - whole * RECORDS[0].size


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_a_byte_changed_anywhere_costs_its_own_batch_only(at: int, by: int) -> None:
    """A bad sector in the middle must not take with it what lies behind."""
    damaged = bytearray(FILE)
    damaged[at] ^= by

    found = scan(bytes(damaged))

    hit = at // RECORDS[0].size
    assert [record for record, _ in found.records] == RECORDS[:hit] + RECORDS[hit + 1 :]
    assert found.damaged_bytes == RECORDS[0].size


@given(st.binary(max_size=300))
def test_any_bytes_at_all_can_be_looked_through(data: bytes) -> None:
    """Another program's file in the folder is no reason to fail."""
    found = scan(MARK + data)

    assert found.damaged_bytes + sum(r.size for r, _ in found.records) == len(data) + 4


def test_batches_come_back_in_their_order_after_a_restart(tmp_path: Path) -> None:
    """The agent dies with the aggregator away; the next one has its batches."""
    with closing(Spool(tmp_path)) as spool:
        spool.append([batch(1), batch(2)], NOW_NS)
        spool.append([batch(3)], NOW_NS)

    with closing(Spool(tmp_path)) as spool:
        spool.append([batch(4)], NOW_NS)

        assert left_in(spool) == [1, 2, 3, 4]
        assert spool.waiting().records == 4
        assert spool.waiting().oldest_ns == NS_PER_SECOND
        assert spool.waiting().is_durable


def test_what_was_delivered_is_gone_and_so_is_its_space(tmp_path: Path) -> None:
    """In good times the spool is an empty file."""
    with closing(Spool(tmp_path)) as spool:
        spool.append([batch(1), batch(2)], NOW_NS)
        assert len(spool.oldest(1)) == 1
        spool.forget(1)
        assert left_in(spool) == [2]
        spool.forget(1)

        assert spool.waiting().records == 0
        assert spool.waiting().oldest_ns is None
    assert sum(each.stat().st_size for each in tmp_path.glob("*.spool")) == 0
    with closing(Spool(tmp_path)) as spool:
        assert left_in(spool) == []


def test_as_much_as_fits_is_shown_and_one_batch_at_least(tmp_path: Path) -> None:
    """A request has a size; a batch that is larger than it goes alone."""
    with closing(Spool(tmp_path)) as spool:
        spool.append([batch(n) for n in range(1, 6)], NOW_NS)

        assert [r.sequence for r in spool.oldest(2 * batch(1).size)] == [1, 2]
        assert [r.sequence for r in spool.oldest(1)] == [1]


def test_only_what_was_shown_can_be_let_go(tmp_path: Path) -> None:
    """A batch nobody looked at was delivered to nobody."""
    with closing(Spool(tmp_path)) as spool:
        spool.append([batch(1)], NOW_NS)

        with pytest.raises(AccountingError, match="1 batches to forget, and 0"):
            spool.forget(1)


@pytest.mark.parametrize("acknowledged", [1, 40])
def test_every_appended_batch_survives_a_kill(
    tmp_path: Path, acknowledged: int
) -> None:
    """What ``append`` has returned from is there after ``kill -9``."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        last = 0
        for line in writer.stdout:
            last = int(line)
            if last >= acknowledged:
                break
        writer.kill()

    with closing(Spool(tmp_path)) as spool:
        found = left_in(spool)
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= last


def test_a_torn_tail_is_cut_off_once_and_counted(tmp_path: Path) -> None:
    """The half of a batch that a death left is named, and does not come back."""
    with closing(Spool(tmp_path)) as spool:
        spool.append([batch(1), batch(2)], NOW_NS)
    (path,) = tmp_path.glob("*.spool")
    os.truncate(path, path.stat().st_size - 7)

    with closing(Spool(tmp_path)) as spool:
        assert left_in(spool) == [1]
        assert spool.losses[Reason.DAMAGED].bytes == batch(2).size - 7
        spool.append([batch(3)], NOW_NS)
    with closing(Spool(tmp_path)) as spool:
        assert left_in(spool) == [1, 3]
        assert spool.losses[Reason.DAMAGED].bytes == 0


def test_beyond_its_bytes_the_oldest_is_given_up_and_named(tmp_path: Path) -> None:
    """A week of outage fills no node's disk."""
    bounds = Bounds(disk_bytes=1_000, segment_bytes=250)
    with closing(Spool(tmp_path, bounds)) as spool:
        for number in range(1, 21):
            spool.append([batch(number)], NOW_NS)

        kept = left_in(spool)
        loss = spool.losses[Reason.BYTES]
        on_disk = sum(each.stat().st_size for each in tmp_path.glob("*.spool"))
    assert kept == list(range(21 - len(kept), 21))
    assert on_disk <= 1_000
    assert loss.records == 20 - len(kept) > 0
    assert loss.bytes == loss.records * batch(1).size
    assert (loss.first_ns, loss.last_ns) == (
        NS_PER_SECOND,
        loss.records * NS_PER_SECOND,
    )


def test_what_is_too_old_is_given_up(tmp_path: Path) -> None:
    """Books of yesterday are closed; late evidence would be refused."""
    bounds = Bounds(age_ns=10 * NS_PER_SECOND, segment_bytes=1)
    with closing(Spool(tmp_path, bounds)) as spool:
        spool.append([batch(1), batch(2)], 2 * NS_PER_SECOND)
        spool.append([batch(12)], 12 * NS_PER_SECOND)

        assert left_in(spool) == [2, 12]
        assert spool.losses[Reason.AGE].records == 1


def test_a_disk_that_is_full_costs_nothing_until_memory_is(tmp_path: Path) -> None:
    """The agent goes on; what fits into memory is written when there is room."""
    bounds = Bounds(memory_bytes=3 * batch(1).size)
    with closing(Spool(tmp_path, bounds)) as spool:
        spool.append([batch(1)], NOW_NS)
        with bounded_files(batch(1).size + 50):
            for number in range(2, 7):
                spool.append([batch(number)], NOW_NS)
            waiting = spool.waiting()
            failures = spool.failures
            during = left_in(spool)
        spool.append([batch(7)], NOW_NS)

        assert failures == 5
        assert not waiting.is_durable
        assert during == [1, 4, 5, 6]
        assert spool.losses[Reason.MEMORY].records == 2
        assert left_in(spool) == [1, 4, 5, 6, 7]
        assert spool.waiting().is_durable
        assert spool.trouble == ""
    with closing(Spool(tmp_path)) as spool:
        assert left_in(spool) == [1, 4, 5, 6, 7]


def test_what_waits_in_memory_can_be_delivered_from_there(tmp_path: Path) -> None:
    """A bad disk on the node is no reason to send nothing."""
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with closing(Spool(blocked / "spool")) as spool:
        spool.append([batch(1), batch(2)], NOW_NS)
        assert left_in(spool) == [1, 2]
        spool.forget(1)

        assert left_in(spool) == [2]
        assert spool.waiting().bytes == batch(2).size
        assert "file" in spool.trouble


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    """A read-only volume is mounted again, and nothing has to be restarted."""
    tmp_path.chmod(0o555)
    tmp_path.parent.chmod(0o755)
    os.seteuid(NOBODY)
    try:
        spool = Spool(tmp_path / "spool")
        spool.append([batch(1)], NOW_NS)
        is_durable = spool.waiting().is_durable
    finally:
        os.seteuid(0)
    tmp_path.chmod(0o755)
    spool.append([batch(2)], NOW_NS)

    assert not is_durable
    assert spool.waiting().is_durable
    assert left_in(spool) == [1, 2]
    spool.close()


def test_a_folder_has_one_spool_at_a_time(tmp_path: Path) -> None:
    """Two agents on a node during an update must not send each other's batches."""
    with closing(Spool(tmp_path)) as first, closing(Spool(tmp_path)) as second:
        second.append([batch(9)], NOW_NS)
        first.append([batch(1)], NOW_NS)

        assert "writes this ledger already" in second.trouble
        assert left_in(first) == [1]
        assert left_in(second) == [9]


def test_a_file_that_vanished_is_counted(tmp_path: Path) -> None:
    """Somebody cleans up by hand; the agent says what it cost."""
    with closing(Spool(tmp_path)) as spool:
        spool.append([batch(1), batch(2)], NOW_NS)
        for each in tmp_path.glob("*.spool"):
            each.unlink()

        assert left_in(spool) == []
        assert spool.losses[Reason.UNREADABLE].records == 2
        spool.append([batch(3)], NOW_NS)
        assert left_in(spool) == [3]
