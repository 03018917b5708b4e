"""Heartbeats of training processes: what they say, and when they end."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from goodput_exporter.clock import Clock
from goodput_exporter.domain.observations import RunObservation
from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.sources.identity import Identities, Pods
from goodput_exporter.sources.intake import Intake
from goodput_exporter.sources.limits import Limits
from goodput_exporter.sources.processes import ProcessExit, start_ticks_of
from goodput_exporter.sources.reception import Reception
from goodput_exporter.sources.refusals import Counts, merge
from goodput_exporter.sources.senders import uid_of
from goodput_exporter.sources.sockets import (
    DIRECTORY_MODE,
    SOCKET_MODE,
    UnixSocket,
    open_udp,
)

DEFAULT_LIMITS: Final = Limits()


class HeartbeatSource:
    """
    Reports of ranks and exits of their processes, in the order they were seen.

    Args:
        clock: The ledger's clock.
        unix_path: Where jobs find the Unix socket, or None.
        udp: Host and port of the UDP socket, or None; port 0 lets the kernel
            choose.
        limits: What one sender, and all of them together, may cost.
        pods: Who knows this node's pods, and with them the senders'; None is nobody.
        socket_mode, directory_mode: Of the socket file and of its directory,
            if that must be made.

    Raises:
        SourceUnavailableError: A socket cannot be bound.
    """

    def __init__(  # noqa: PLR0913 - a source takes values, not settings
        self,
        clock: Clock,
        *,
        unix_path: Path | None = None,
        udp: tuple[str, int] | None = None,
        limits: Limits = DEFAULT_LIMITS,
        pods: Pods | None = None,
        socket_mode: int = SOCKET_MODE,
        directory_mode: int = DIRECTORY_MODE,
    ) -> None:
        self._unix = (
            None
            if unix_path is None
            else UnixSocket(unix_path, socket_mode, directory_mode)
        )
        try:
            self._udp = None if udp is None else open_udp(*udp)
        except SourceUnavailableError:
            if self._unix is not None:
                self._unix.close()
            raise
        identities = None if pods is None else Identities(pods)
        self._reception = Reception(clock, limits, identities)
        self._is_closed = False
        self._intake = Intake(
            None if self._unix is None else self._unix.socket,
            self._udp,
            clock.now_ns,
            limits,
        )
        self._intake.start()

    @property
    def udp_address(self) -> tuple[str, int] | None:
        """Return where the UDP socket is bound, or None without one."""
        if self._udp is None or self._is_closed:
            return None
        host, port, *_ = self._udp.getsockname()
        return host, port

    def drain(self) -> list[RunObservation]:
        """
        Return what was seen since the last call, in the order it was seen.

        A process's exit comes after every datagram that it sent. After
        ``close`` one more call returns what was queued.

        Raises:
            SourceUnavailableError: The reading thread has died; a bug of ours.
        """
        if not self._is_closed and not self._intake.is_alive():
            msg = "the heartbeat thread has died; see the traceback above, and restart"
            raise SourceUnavailableError(msg)
        self._intake.arrived.clear()
        seen: list[RunObservation] = []
        for _ in range(len(self._intake.queue)):
            item = self._intake.queue.popleft()
            if isinstance(item, ProcessExit):
                seen.extend(self._reception.exits(item))
            else:
                data, sender, received_ns = item
                self._intake.bytes_out += len(data)
                seen.extend(self._reception.accept(data, sender, received_ns))
        return seen

    def wait(self, seconds: float) -> bool:
        """Wait for news since the last drain, at most so long; return if any came."""
        return self._intake.arrived.wait(seconds)

    def watch(
        self, incarnation: str, pid: int, start_ticks: int, run_id: str | None = None
    ) -> bool:
        """
        Watch the process of an incarnation that an earlier exporter knew.

        Args:
            incarnation: Its id, from the ledger.
            pid: What ``identity`` returned then, in the same boot.
            start_ticks: The same.
            run_id: Its run, which is its user's again; None where it said none.

        Returns:
            False if that process is gone, or its pid is another process's now,
            or it cannot be watched.
        """
        if start_ticks_of(pid) != start_ticks:
            return False
        # Between two looks at the start time, so that it is this process's.
        uid = uid_of(pid)
        try:
            process = self._intake.watch.open(pid)
        except ProcessLookupError:
            return False
        if process is None or process.start_ticks != start_ticks:
            return False
        self._reception.remember(incarnation, process)
        if run_id is not None:
            self._reception.restore_claim(incarnation, run_id, uid)
        return True

    def identity(self, incarnation: str) -> tuple[int, int] | None:
        """
        Return the pid and start time by which ``watch`` finds a process again.

        The start time is in clock ticks since the boot; None if the incarnation
        is not known, not verified or not watched.
        """
        process = self._reception.process_of(incarnation)
        if process is None or process.start_ticks is None:
            return None
        return process.pid, process.start_ticks

    def counts(self) -> Counts:
        """Return what was counted since the start, for the exporter's own health."""
        return merge(
            (self._intake.tally, self._reception.counted()),
            unwatched=self._intake.watch.unwatched,
        )

    def close(self) -> None:
        """Stop reading and remove the socket; a last ``drain`` loses nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._intake.stop()
        if self._unix is not None:
            self._unix.close()
        if self._udp is not None:
            self._udp.close()
