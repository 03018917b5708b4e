"""The agent's buffer: on disk where that works, in memory where not, never endless."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Final

from goodput_exporter.errors import AccountingError, LedgerError
from goodput_exporter.ledger.lock import WriterLock
from goodput_exporter.ledger.spool.figures import Bounds, Loss, Reason, Waiting
from goodput_exporter.ledger.spool.records import MOST_PAYLOAD_BYTES, Record
from goodput_exporter.ledger.spool.segment import Segment, sync_folder

SUFFIX: Final = ".spool"

_log = logging.getLogger(__name__)

Place = tuple[Record, Segment | None, int]
"""A batch, the file that holds it and where it ends there; None is in memory."""


class Spool:
    """
    Batches in the order in which they were made, until somebody has them.

    No trouble with the disk leaves it: what cannot be written waits in memory and
    is tried again with the next batch. One thread uses it; any may read ``waiting``
    and the counts.

    Args:
        folder: Where the files lie; made if need be. One spool has it at a time.
        bounds: How much may wait.
    """

    def __init__(self, folder: Path, bounds: Bounds | None = None) -> None:
        self._folder = folder
        self._bounds = bounds or Bounds()
        self._segments: deque[Segment] = deque()
        self._memory: deque[Record] = deque()
        self._memory_bytes = 0
        self._shown: list[Place] = []
        self._lock: WriterLock | None = None
        self._number = 0
        self.losses = {reason: Loss() for reason in Reason}
        self.failures = 0
        self.trouble = ""
        self._try(self._open)

    def append(self, records: Sequence[Record], now_ns: int) -> None:
        """
        Keep batches, all of them with one wait for the disk.

        Args:
            records: Made after all earlier ones.
            now_ns: For the bound on age.
        """
        self._shown = []
        for record in records:
            if len(record.payload) > MOST_PAYLOAD_BYTES:
                self._lose(Reason.TOO_BIG, record)
                continue
            self._memory.append(record)
            self._memory_bytes += record.size
        self._try(self._write)
        self._keep_bounds(now_ns)

    def oldest(self, most_bytes: int) -> list[Record]:
        """Return the oldest batches of up to so many bytes, one at least if any."""
        self._shown = []
        room = most_bytes
        for place in self._places():
            room -= place[0].size
            if self._shown and room < 0:
                break
            self._shown.append(place)
        return [record for record, _, _ in self._shown]

    def forget(self, count: int) -> None:
        """
        Let go of the first *count* batches that ``oldest`` has just returned.

        Raises:
            AccountingError: It did not return so many, or others came since.
        """
        if count > len(self._shown):
            msg = f"{count} batches to forget, and {len(self._shown)} were shown"
            raise AccountingError(msg)
        for record, segment, end in self._shown[:count]:
            if segment is None:
                self._take_from_memory()
            else:
                segment.pass_by(record, end)
        del self._shown[:count]
        self._discard_delivered()

    def waiting(self) -> Waiting:
        """Return what has not been delivered yet."""
        segments, memory = list(self._segments), list(self._memory)
        made = [each.first_ns for each in segments if each.records]
        made += [record.made_ns for record in memory[:1]]
        return Waiting(
            records=sum(each.records for each in segments) + len(memory),
            bytes=sum(each.size for each in segments) + self._memory_bytes,
            oldest_ns=min(made, default=None),
            is_durable=not memory,
        )

    def close(self) -> None:
        """Let another spool have the folder; what waits on disk stays there."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _places(self) -> Iterator[Place]:
        for segment in list(self._segments):
            for record, end in self._read(segment):
                yield record, segment, end
        for record in self._memory:
            yield record, None, 0

    def _read(self, segment: Segment) -> list[tuple[Record, int]]:
        """Read what is wanted of a file; count what has gone since it was written."""
        try:
            found = segment.read()
        except OSError as exc:
            self._say(f"{segment.path} cannot be read: {exc}")
            found = []
        lacking = segment.records - len(found)
        if lacking:
            size = segment.size - sum(record.size for record, _ in found)
            loss = self.losses[Reason.UNREADABLE]
            loss.add(lacking, size, segment.first_ns, segment.last_ns)
            self._say(f"{segment.path}: {lacking} batches of it cannot be read back")
            segment.records = len(found)
        return found

    def _open(self) -> None:
        """Take up what earlier lives left."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = WriterLock(self._folder / "spool")
        try:
            paths = sorted(self._folder.glob(f"*{SUFFIX}"))
        except OSError:
            lock.release()
            raise
        self._lock = lock
        for path in paths:
            self._take_up(path)

    def _take_up(self, path: Path) -> None:
        number = path.name.removesuffix(SUFFIX)
        if not number.isdecimal():
            return
        self._number = max(self._number, int(number))
        try:
            segment, damaged_bytes = Segment.found(path)
        except OSError as exc:
            self.losses[Reason.UNREADABLE].bytes += _size_of(path)
            self._say(f"{path} cannot be taken up ({exc}); it is left where it is")
            return
        if damaged_bytes:
            self.losses[Reason.DAMAGED].bytes += damaged_bytes
            self._say(
                f"{path}: {damaged_bytes} bytes are no whole batch, the trace of a "
                f"death while writing or of a bad disk; {segment.records} are whole"
            )
        self._segments.append(segment)
        self._discard_delivered()

    def _write(self) -> None:
        """Bring to the disk what waits in memory."""
        if self._lock is None:
            self._open()
        while self._memory:
            segment = self._newest()
            some = _fitting(self._memory, self._bounds.segment_bytes - segment.end)
            segment.append(some)
            for _ in some:
                self._take_from_memory()

    def _newest(self) -> Segment:
        if self._segments and self._segments[-1].end < self._bounds.segment_bytes:
            return self._segments[-1]
        path = self._folder / f"{self._number + 1:012d}{SUFFIX}"
        path.touch(mode=0o600)
        sync_folder(self._folder)
        self._number += 1
        self._segments.append(Segment(path))
        return self._segments[-1]

    def _keep_bounds(self, now_ns: int) -> None:
        bounds, before_ns = self._bounds, now_ns - self._bounds.age_ns
        self._give_up(
            Reason.AGE,
            takewhile(lambda each: each.last_ns < before_ns, list(self._segments)),
        )
        over = sum(each.end for each in self._segments) - bounds.disk_bytes
        for segment in list(self._segments):
            if over <= 0:
                break
            over -= segment.end
            self._give_up(Reason.BYTES, [segment])
        while self._memory and self._memory[0].made_ns < before_ns:
            self._lose(Reason.AGE, self._take_from_memory())
        while self._memory_bytes > bounds.memory_bytes:
            self._lose(Reason.MEMORY, self._take_from_memory())

    def _give_up(
        self, reason: Reason, segments: Iterator[Segment] | list[Segment]
    ) -> None:
        for segment in segments:
            count, size = segment.records, segment.size
            if count:
                self.losses[reason].add(count, size, segment.first_ns, segment.last_ns)
                self._say(f"{count} batches, {size} bytes, are given up: {reason}")
            self._discard(segment)

    def _lose(self, reason: Reason, record: Record) -> None:
        loss = self.losses[reason]
        loss.add(1, record.size, record.made_ns, record.made_ns)
        if loss.records == 1:
            self._say(f"a batch is given up ({reason}); further ones only count")

    def _take_from_memory(self) -> Record:
        record = self._memory.popleft()
        self._memory_bytes -= record.size
        return record

    def _discard_delivered(self) -> None:
        for segment in list(self._segments):
            if segment.records:
                break
            if segment.end:
                self._discard(segment)

    def _discard(self, segment: Segment) -> None:
        """Free a file's space; the only one is kept, to be written again."""
        try:
            if len(self._segments) == 1:
                segment.clear()
                return
            segment.path.unlink(missing_ok=True)
        except OSError as exc:
            self._fail(exc)  # after a restart, what is in it is sent once more
        self._segments.remove(segment)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (OSError, LedgerError) as exc:
            self._fail(exc)
            return
        if self.trouble:
            _log.info("the spool in %s takes batches again", self._folder)
        self.trouble = ""

    def _fail(self, exc: Exception) -> None:
        self.failures += 1
        if not self.trouble:
            self._say(
                f"it cannot be written ({exc}); batches wait in memory, the newest "
                f"{self._bounds.memory_bytes} bytes; check its volume and the rights"
            )
        self.trouble = str(exc)

    def _say(self, what: str) -> None:
        _log.warning("the spool in %s: %s", self._folder, what)


def _fitting(records: deque[Record], room: int) -> list[Record]:
    """Return the first records, until they fill *room*; at least one."""
    some: list[Record] = []
    for record in records:
        some.append(record)
        room -= record.size
        if room <= 0:
            break
    return some


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
