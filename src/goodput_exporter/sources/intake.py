"""The thread that takes datagrams and exits off the kernel, in order, unparsed."""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from goodput_exporter.sources.datagrams import MAX_BYTES
from goodput_exporter.sources.limits import Bucket, Limits, LogGate
from goodput_exporter.sources.processes import (
    ProcessExit,
    ProcessWatch,
    describe_exit,
)
from goodput_exporter.sources.refusals import ADVICE, Reason, Tally
from goodput_exporter.sources.senders import (
    CREDENTIALS,
    Sender,
    Senders,
    udp_key,
    udp_sender,
    unix_sender,
)

_log = logging.getLogger(__name__)

# One turn at a socket; then exits and the other socket get theirs.
BATCH: Final = 256
# A sweep before an exit ends here even under a flood. The kernel queues at most
# net.unix.max_dgram_qlen datagrams (10 by default, 512 under systemd).
SWEEP: Final = 4096
_CONTROL_BYTES: Final = socket.CMSG_SPACE(CREDENTIALS.size)

Arrival = tuple[bytes, Sender, int]
"""A datagram, who sent it, and when it was read on the ledger's clock."""


class Intake(threading.Thread):
    """
    Reads both sockets and watches processes; keeps what it sees in a queue.

    The kernel queues only about ten Unix datagrams for all ranks together, so
    nothing is parsed here: a datagram costs a read, a bucket and an append.

    Args:
        unix, udp: Bound, non-blocking sockets, or None.
        now_ns: The ledger's clock.
        limits: The bounds.
    """

    def __init__(
        self,
        unix: socket.socket | None,
        udp: socket.socket | None,
        now_ns: Callable[[], int],
        limits: Limits,
    ) -> None:
        super().__init__(name="heartbeat-intake", daemon=True)
        self._unix = unix
        self._udp = udp
        self._now_ns = now_ns
        self._limits = limits
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.watch = ProcessWatch(self._epoll, now_ns, limits.watched_pids)
        self.queue: deque[Arrival | ProcessExit] = deque()
        self.tally = Tally()
        self.arrived = threading.Event()
        self.bytes_out = 0  # written by the drainer only; bytes_in by this thread
        self._bytes_in = 0
        self._unix_senders = Senders(limits)
        self._udp_senders = Senders(limits)
        self._gone: list[int] = []
        self._gate = LogGate(limits.log_lines_per_minute)
        for fd in (self._wake, unix, udp):
            if fd is not None:
                self._epoll.register(fd, select.EPOLLIN)

    def run(self) -> None:
        """Serve sockets and exits until told to stop."""
        while True:
            ready = [fd for fd, _ in self._epoll.poll()]
            for fd in ready:
                self._serve(fd)
            if self._wake in ready:
                self._finish()
                return

    def _finish(self) -> None:
        """Take what the kernel holds at the end: datagrams, then exits."""
        self._read_unix(SWEEP)
        self._read_udp(SWEEP)
        for fd, _ in self._epoll.poll(0):
            self._serve(fd)

    def stop(self) -> None:
        """Take what the kernel still holds, then end the thread."""
        os.eventfd_write(self._wake, 1)
        self.join()
        self.watch.close()
        self._epoll.close()
        os.close(self._wake)

    def _serve(self, fd: int) -> None:
        if self._unix is not None and fd == self._unix.fileno():
            self._read_unix(BATCH)
        elif self._udp is not None and fd == self._udp.fileno():
            self._read_udp(BATCH)
        else:
            self._end(fd)
        self._flush_gone()
        # Once per turn, not per datagram, and not twice: setting it takes a lock.
        # A drain clears it before it looks at the queue, so none is forgotten.
        if not self.arrived.is_set():
            self.arrived.set()

    def _end(self, fd: int) -> None:
        """Queue an exit behind every datagram that was sent before it."""
        ended = self.watch.collect(fd)
        if ended is None:
            return
        self._read_unix(SWEEP, ended.at_ns)
        self._unix_senders.forget_pid(ended.pid)
        self.queue.append(ended)

    def _flush_gone(self) -> None:
        """Queue the exits of senders that were gone before they could be watched."""
        if not self._gone:
            return
        at_ns = self._now_ns()
        self._read_unix(SWEEP, at_ns)
        for pid in set(self._gone):
            self._unix_senders.forget_pid(pid)
            detail = describe_exit(pid, None)
            self.queue.append(ProcessExit(pid, at_ns, None, detail, witnessed=False))
        self._gone.clear()

    def _read_unix(self, most: int, at_ns: int | None = None) -> None:
        """
        Read up to *most* datagrams.

        Args:
            most: After so many the other descriptors get their turn.
            at_ns: When they are taken to arrive; None is the instant of reading.
        """
        if self._unix is None:
            return
        receive = self._unix.recvmsg
        for _ in range(most):
            try:
                # One byte over the bound tells "too big" from "just fits". The
                # control buffer has no room for descriptors: the kernel drops
                # any that a sender attaches.
                data, control, _, _ = receive(MAX_BYTES + 1, _CONTROL_BYTES)
            except BlockingIOError:
                return
            now_ns = self._now_ns() if at_ns is None else at_ns
            credentials = control[0][2] if control else b""
            sender = self._unix_senders.get(credentials)
            if sender is None:
                sender = self._meet_unix(credentials, now_ns)
            self._take(data, sender, now_ns)

    def _read_udp(self, most: int) -> None:
        if self._udp is None:
            return
        receive = self._udp.recvfrom
        for _ in range(most):
            try:
                data, address = receive(MAX_BYTES + 1)
            except BlockingIOError:
                return
            now_ns = self._now_ns()
            key = udp_key(address[0], address[1])
            sender = self._udp_senders.get(key)
            if sender is None:
                bucket = Bucket(self._limits, now_ns)
                sender = udp_sender(address[0], address[1], bucket, now_ns)
                sender = self._meet(self._udp_senders, key, sender, now_ns)
            self._take(data, sender, now_ns)

    def _meet_unix(self, credentials: bytes, now_ns: int) -> Sender | None:
        sender = unix_sender(credentials, Bucket(self._limits, now_ns), now_ns)
        met = self._meet(self._unix_senders, credentials, sender, now_ns)
        if met is not None and met.pid is not None:
            try:
                met.process = self.watch.open(met.pid)
            except ProcessLookupError:
                self._gone.append(met.pid)
        return met

    def _meet(
        self, senders: Senders, key: bytes | str, sender: Sender, now_ns: int
    ) -> Sender | None:
        if senders.has_room(now_ns):
            senders.add(key, sender)
            return sender
        self._refuse(Reason.SENDERS, sender.transport, now_ns)
        return None

    def _take(self, data: bytes, sender: Sender | None, now_ns: int) -> None:
        if sender is None:
            return
        if not sender.bucket.take(now_ns):
            self._refuse(Reason.RATE, sender.name, now_ns)
        elif (
            len(self.queue) >= self._limits.queued_datagrams
            or self._bytes_in - self.bytes_out >= self._limits.queued_bytes
        ):
            self._refuse(Reason.OVERFLOW, sender.transport, now_ns)
        else:
            self._bytes_in += len(data)
            self.queue.append((data, sender, now_ns))

    def _refuse(self, reason: Reason, who: str, now_ns: int) -> None:
        self.tally.refused[reason] += 1
        if self._gate.opens(who, reason, now_ns):
            _log.warning("%s: datagrams refused (%s): %s", who, reason, ADVICE[reason])
