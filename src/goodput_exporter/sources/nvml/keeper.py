"""Keeps one NVML child alive: started, listened to, replaced, let go on request."""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import select
import threading
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from goodput_exporter.sources.nvml.host import Host
from goodput_exporter.sources.nvml.known import Known
from goodput_exporter.sources.nvml.notices import Notices
from goodput_exporter.sources.nvml.outage import WRONG_LIBRARY, Outage, outage_of
from goodput_exporter.sources.nvml.process import ChildProcess
from goodput_exporter.sources.nvml.revocation import Revocation
from goodput_exporter.sources.nvml.roster import NS_PER_SECOND
from goodput_exporter.sources.nvml.search import LOADER, Library, link_nodes
from goodput_exporter.sources.nvml.wire import Listed, Message, Orders, Unavailable

LOG: Final = logging.getLogger(__name__)

FROM_OUTSIDE: Final = frozenset({"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"})
"""Signals that somebody sends; no GPU is to blame for them."""

MOST_STUCK: Final = 4
"""Children that survive SIGKILL (uninterruptible sleep) before we add no more."""

GATHER_SECONDS: Final = 0.1
"""How long messages gather before they are read: to wake up costs more than they do."""

LONGEST_PAUSE: Final = 32
"""In units of *reinit_seconds*: starting a child costs some 0.1 s of CPU."""


class Ending(enum.Enum):
    """What follows the end of a child."""

    AGAIN = "again"  # start anew at once: without a GPU, or with another library
    LATER = "later"  # NVML as a whole is to blame: back off
    CLOSED = "closed"  # we were told to stop, or to let go


class Keeper:
    """
    A thread, and a child process that it replaces when it dies or is stuck.

    Args:
        known: What the child says goes there.
        orders: What it is asked for.
        host: The doors to the machine.
        revocation: Whom to tell of refused starts.
        init_seconds: How long NVML may take to come up.
        reinit_seconds: The first pause before it is tried again.
        poll_seconds: How often deadlines are looked at.
    """

    def __init__(  # noqa: PLR0913  # doors and durations, by keyword
        self,
        known: Known,
        orders: Orders,
        host: Host,
        revocation: Revocation,
        *,
        init_seconds: float,
        reinit_seconds: float,
        poll_seconds: float,
    ) -> None:
        self.started = 0
        self.abandoned = 0
        self._known = known
        self._orders = orders
        self._host = host
        self._revocation = revocation
        self._init_seconds = init_seconds
        self._reinit_seconds = reinit_seconds
        self._poll_seconds = poll_seconds
        self._notices = Notices()
        self._noted_ns = 0
        self._children: list[ChildProcess] = []
        self._turn = 0  # which of the libraries is next
        self._untried = 0  # how many of them have not been tried in a row
        self._closing = threading.Event()
        self._paused_until: float | None = None
        self._nudge = threading.Event()
        self._let_go = threading.Event()
        self._wake_read_fd, self._wake_write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._keep, name="nvml", daemon=True)
        self._thread.start()

    @property
    def stuck(self) -> int:
        """How many children do not die, in uninterruptible sleep as it seems."""
        # One that has just ended is reaped with the next start.
        return sum(child.is_alive() for child in tuple(self._children))

    def release(self, pause_seconds: float, timeout_seconds: float) -> bool:
        """Let go of NVML for a while; tell whether no child holds it any more."""
        self._let_go.clear()
        self._paused_until = time.monotonic() + pause_seconds
        self._wake()
        return self._let_go.wait(timeout_seconds)

    def resume(self) -> None:
        """Take NVML up again."""
        self._paused_until = None
        self._wake()

    def close(self) -> None:
        """Stop the thread and the child, waiting for neither longer than 2 s."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake()
        self._thread.join(timeout=2.0)
        if not self._thread.is_alive():
            os.close(self._wake_read_fd)
            os.close(self._wake_write_fd)

    def _wake(self) -> None:
        self._nudge.set()
        with contextlib.suppress(BlockingIOError):  # full: it will wake up anyway
            os.write(self._wake_write_fd, b"x")

    def _sleep(self, seconds: float) -> None:
        self._nudge.wait(seconds)
        self._nudge.clear()

    @property
    def _is_paused(self) -> bool:
        until = self._paused_until
        return until is not None and time.monotonic() < until

    def _keep(self) -> None:
        """Keep one child alive: the whole life of the thread."""
        pause_seconds = self._reinit_seconds
        while not self._closing.is_set():
            if self._is_paused:
                self._rest()
                continue
            is_full = self._count_stuck() >= MOST_STUCK
            ending = Ending.LATER if is_full else self._serve()
            if ending is Ending.LATER:
                self._sleep(pause_seconds)
                longest_seconds = LONGEST_PAUSE * self._reinit_seconds
                pause_seconds = min(2 * pause_seconds, longest_seconds)
            if self._known.outage is None:
                pause_seconds = self._reinit_seconds
        for child in self._children:
            # Whoever closes us waits 2 s at most; a loaded machine buries slowly.
            child.ending(timeout_seconds=1.5)

    def _rest(self) -> None:
        """Hold nothing until the pause is over; the newest child is dead by then."""
        detail = "NVML was let go of on request; GPUs are not read until it is resumed"
        self._known.out(Outage(None, detail, "paused"))
        for child in self._children:
            child.ending(timeout_seconds=1.0)
        if self._count_stuck() == 0:
            self._let_go.set()
        until = self._paused_until
        if until is not None:
            # A child that does not die is looked at again and again.
            left_seconds = max(0.0, until - time.monotonic())
            self._sleep(min(left_seconds, 1.0) if self._children else left_seconds)

    def _serve(self) -> Ending:
        """Start one child, listen to it as long as it is of use, let it go."""
        libraries = self._host.libraries() or [LOADER]
        library = libraries[self._turn % len(libraries)]
        nodes = self._host.nodes()
        delays = self._known.restart(library, libraries, nodes)
        orders = msgspec.structs.replace(
            self._orders, delays=delays, library=library.path
        )
        try:
            if self._host.linked_dev is not None:
                link_nodes(nodes, self._host.linked_dev)
            child = self._host.start_child(orders, self._host.environment)
        except OSError as exc:
            return self._down(f"the NVML child cannot be started ({exc})")
        self.started += 1
        try:
            return self._listen(child, libraries)
        finally:
            child.abandon()
            self._children.append(child)

    def _listen(self, child: ChildProcess, libraries: Sequence[Library]) -> Ending:
        self._drain()
        started_ns = looked_ns = time.monotonic_ns()
        is_up = False
        while not (self._closing.is_set() or self._is_paused):
            messages = child.receive(self._poll_seconds, self._wake_read_fd)
            if messages is None:
                return self._ended(child)
            for message in messages:
                is_up = is_up or isinstance(message, Listed)
                if isinstance(message, Unavailable):
                    return self._unavailable(message, libraries)
                self._take(message)
            select.select([self._wake_read_fd], [], [], GATHER_SECONDS)
            now_ns = time.monotonic_ns()
            if now_ns - looked_ns < self._poll_seconds * NS_PER_SECOND:
                continue  # every GPU speaks for itself; look at all of them more rarely
            looked_ns = now_ns
            self._note(now_ns)
            if is_up and self._is_stuck(now_ns):
                return Ending.AGAIN
            if not is_up and now_ns - started_ns > self._init_seconds * NS_PER_SECOND:
                self.abandoned += 1
                return self._down(
                    f"driver unresponsive: NVML did not come up within "
                    f"{self._init_seconds:g} s; does the kernel log name the driver?",
                    "driver_unresponsive",
                )
        return Ending.CLOSED

    def _drain(self) -> None:
        """Forget that we were woken: else no select would sleep again."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read_fd, 4096)

    def _take(self, message: Message) -> None:
        self._known.take(message)
        if isinstance(message, Listed):
            self._revocation.started()
            self._untried = 0
            LOG.info("NVML lists %d GPUs, driver %s", message.count, message.driver)

    def _unavailable(
        self, message: Unavailable, libraries: Sequence[Library]
    ) -> Ending:
        """Say why NVML does not start; try the next library where that may help."""
        self._known.out(outage_of(message, self._host.gpus_on_bus()))
        has_nodes = any(self._host.nodes())
        self._revocation.refused(message.code, has_nodes=has_nodes)
        if message.code not in WRONG_LIBRARY:
            return Ending.LATER
        self._turn += 1
        self._untried = (self._untried or len(libraries)) - 1
        return Ending.AGAIN if self._untried else Ending.LATER

    def _ended(self, child: ChildProcess) -> Ending:
        """Find out why a child ended by itself, and whom to blame."""
        how = child.ending(timeout_seconds=1.0)
        if how is None:
            return self._down("the NVML child ended without a word")
        is_blamed = how not in FROM_OUTSIDE and self._known.blame_in_flight(
            f"reading it ended the NVML child ({how})"
        )
        if is_blamed:
            return Ending.AGAIN
        return self._down(f"the NVML child ended ({how}); it is started again")

    def _is_stuck(self, now_ns: int) -> bool:
        """Return whether the child is of no more use, and count it then."""
        if self._count_stuck() >= MOST_STUCK or not self._known.blame_stuck(now_ns):
            return False
        self.abandoned += 1
        return True

    def _count_stuck(self) -> int:
        """Return how many former children are still there; reaps the others."""
        self._children = [child for child in self._children if child.is_alive()]
        return len(self._children)

    def _down(self, detail: str, kind: str = "error") -> Ending:
        self._known.out(Outage(up=False, detail=detail, kind=kind))
        return Ending.LATER

    def _note(self, now_ns: int) -> None:
        if now_ns - self._noted_ns >= self._orders.interval_seconds * NS_PER_SECOND:
            self._noted_ns = now_ns
            self._notices.note(self._known.read())
