"""Which of several replicas writes: one holds a Lease, the others wait for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Final, Protocol

from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.sources.kubernetes.leases import Lease

RENEWALS: Final = 6
"""Renewals within one lease: two may fail in a row, and a third be slow."""
LOOKS: Final = 12
"""Looks within one lease of a replica that waits: what it sees late, it takes late."""
SAFE_SHARE: Final = 2 / 3
"""Of a lease after its last renewal, the part in which its holder believes in it."""
TAKEN_SHARE: Final = 3 / 4
"""Of a lease after a renewal was seen, the part after which another takes it. The
rest of the lease is for seeing it late, and for opening the ledger: the whole of a
take-over fits into one lease. What is between the two parts is for clocks that run
faster, and for a tick under way; a longer one still holds the ledger's lock."""

_log = logging.getLogger(__name__)


class Leases(Protocol):
    """Where the Lease is; ``LeaseDoor`` of the cluster, or a test's own."""

    def now(self) -> str:
        """Return the present as a Lease writes it."""

    def read(self) -> Lease:
        """Return the Lease."""

    def write(self, lease: Lease) -> Lease | None:
        """Write it in place of the version that was read; None if that is gone."""


class Leading(Protocol):
    """Says who leads."""

    @property
    def is_leader(self) -> bool:
        """Tell whether it is us, for certain."""

    @property
    def leader(self) -> str:
        """Return the leader's name; empty where nobody knows."""

    def start(self) -> None:
        """Begin to stand for it."""

    def stop(self) -> None:
        """Let go of it."""


@dataclass(frozen=True, slots=True)
class Alone:
    """Leads for ever: there is no other replica."""

    leader: str = ""
    is_leader: bool = True

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


class Elector(threading.Thread):
    """
    Stands for a Lease, and renews it while it is ours.

    As client-go has it: a Lease is free once it has not changed for a time on *our*
    clock, so clocks need not agree. It is counted from when the change was *read*, so
    a slow answer only adds to it. Whoever holds the Lease believes so for a shorter
    time after it *began* to renew it, and no longer, whatever hangs.

    Args:
        leases: The Lease.
        name: Ours; a replica that comes back under it goes on at once.
        seconds: How long it holds.
        monotonic: A clock in seconds that never goes back.
    """

    def __init__(
        self,
        leases: Leases,
        name: str,
        *,
        seconds: float,
        monotonic: Callable[[], float],
    ) -> None:
        super().__init__(name="elector", daemon=True)
        self._leases = leases
        self._me = name
        self._seconds = seconds
        self._monotonic = monotonic
        self._stop_asked = threading.Event()
        self._seen = Lease()
        self._seen_at = monotonic()
        self._ours_until = 0.0
        self._is_lost = False

    @property
    def is_leader(self) -> bool:
        """Tell whether it is us, for certain."""
        return self._monotonic() < self._ours_until

    @property
    def leader(self) -> str:
        """Return who held the Lease when it was last read."""
        return self._seen.holder

    def run(self) -> None:
        """Stand for the Lease until told to stop."""
        while not self._stop_asked.is_set():
            try:
                self.step()
            except SourceUnavailableError as exc:
                self._say_once(exc)
            except Exception:  # noqa: BLE001 - this thread's one, with traceback
                _log.exception("the lease cannot be looked after; it is tried again")
            self._stop_asked.wait(self.pause_seconds())

    def step(self) -> None:
        """
        Look at the Lease once; take or renew it if it is free or ours.

        Raises:
            SourceUnavailableError: The cluster does not answer.
        """
        began = self._monotonic()
        found = self._leases.read()
        if _differs(found, self._seen) or not found.version:
            self._seen, self._seen_at = found, self._monotonic()
        if not self._is_free():
            self._ours_until = 0.0
            return
        written = self._leases.write(self._ours(found))
        if written is None:
            self._ours_until = 0.0
            return
        was_leader = self._ours_until > 0
        self._seen, self._seen_at = written, began
        self._ours_until = began + self._seconds * SAFE_SHARE
        self._is_lost = False
        if not was_leader:
            _log.info("this replica leads", extra={"replica": self._me})

    def pause_seconds(self) -> float:
        """Return how long until the next look: no later than the Lease is free."""
        if self.is_leader:
            return self._seconds / RENEWALS
        left_s = self._free_at() - self._monotonic()
        often_s = self._seconds / LOOKS
        return min(left_s, often_s) if left_s > 0 else often_s

    def stop(self) -> None:
        """Stand no more; the Lease is let go, so that nobody has to wait it out."""
        was_leader = self.is_leader
        self._stop_asked.set()
        if self.is_alive():
            self.join(self._seconds)
        self._ours_until = 0.0
        if was_leader:
            try:
                self._leases.write(replace(self._seen, holder="", seconds=1))
            except SourceUnavailableError as exc:
                _log.warning("the lease could not be let go, it runs out: %s", exc)

    def _is_free(self) -> bool:
        """Tell whether the Lease as it was seen may be taken by us."""
        is_nobodys = self._seen.holder in {"", self._me}
        return is_nobodys or self._monotonic() >= self._free_at()

    def _free_at(self) -> float:
        """Return when another's Lease may be taken, if it does not change."""
        longest_s = max(self._seen.seconds, self._seconds)
        return self._seen_at + longest_s * TAKEN_SHARE

    def _ours(self, found: Lease) -> Lease:
        now = self._leases.now()
        is_new = found.holder != self._me
        return Lease(
            self._me,
            ceil(self._seconds),
            now,
            now if is_new else found.acquired,
            found.transitions + (is_new and bool(found.version)),
            found.version,
        )

    def _say_once(self, exc: Exception) -> None:
        if not self._is_lost:
            _log.warning("the lease cannot be had now: %s", exc)
        self._is_lost = True


def _differs(one: Lease, other: Lease) -> bool:
    """Tell whether a Lease was renewed, or changed hands."""
    return (one.holder, one.renewed, one.version) != (
        other.holder,
        other.renewed,
        other.version,
    )
