"""The thread that tells the agent how things stand, and the one lock it holds."""

from __future__ import annotations

import os
import threading
import time

from goodput_sdk._guard import swallow

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    from collections.abc import Callable, Sequence

    from goodput_sdk._addresses import Address
    from goodput_sdk._clock import PhaseClock
    from goodput_sdk._identity import Identity
    from goodput_sdk._transport import Channel

HELLO_EVERY_NS = 60_000_000_000
RECONNECT_EVERY_NS = 30_000_000_000
JITTER = 0.1

# A goodbye may cost the program's exit 50 ms at most; these add up to less.
WAIT_FOR_CHANNEL_S = 0.02
WAIT_FOR_LOCK_S = 0.01
BYE_ATTEMPTS = 4
BYE_PAUSE_S = 0.004


class Life:
    """One incarnation: who it is, its clock, and what it has sent."""

    __slots__ = ("clock", "hello_due_ns", "identity", "seq")

    def __init__(self, identity: Identity, clock: PhaseClock) -> None:
        self.identity = identity
        self.clock = clock
        self.seq = 0
        self.hello_due_ns = clock.start_ns


def connect_socket(addresses: list[Address]) -> Channel | None:
    """Open a channel; the first call imports ``socket``, in the sender's thread."""
    # Both here: json and socket cost more than the rest of the SDK.
    from goodput_sdk import _messages, _transport  # noqa: F401, PLC0415  # warmed here, not in the loop

    return _transport.connect(addresses)


class Sender:
    """
    Sends one life's state at intervals, and at once when the training loop asks.

    The loop's thread never waits for the lock: who cannot have it at once leaves
    the message to the thread that has it.

    Args:
        life: The incarnation to speak for.
        addresses: Where agents may be.
        interval_s: Seconds between two messages, give or take a tenth.
        facts: What every hello carries.
        names: The phases' names; grows when the program names its own.
        connect: Opens a channel; tests pass their own.
        wall: Seconds since the Unix epoch.
    """

    def __init__(  # noqa: PLR0913  # an edge takes values, not a settings object
        self,
        life: Life,
        addresses: list[Address],
        interval_s: float,
        *,
        facts: dict[str, object],
        names: Sequence[str],
        connect: Callable[[list[Address]], Channel | None] = connect_socket,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._facts = facts
        self._said: dict[str, object] = {}
        self._life = life
        self._addresses = addresses
        self._interval_s = interval_s
        self._names = names
        self._connect = connect
        self._wall = wall
        self._channel: Channel | None = None
        self._reconnect_due_ns = life.clock.start_ns
        self._closed = False
        self._lock = threading.Lock()
        self._tried = threading.Event()
        self._wake = threading.Event()

    def start(self) -> None:
        """Start the thread; it dies with the program."""
        threading.Thread(target=self._serve, name="goodput-sdk", daemon=True).start()

    def renew_facts(self, said: dict[str, object]) -> None:
        """Send a hello with what the program *said* of its model, next time."""
        self._said = said
        self._life.hello_due_ns = self._life.clock.start_ns

    def announce(self) -> bool:
        """Send the state now, from the caller's thread, if that takes no waiting."""
        if self._closed or not self._lock.acquire(blocking=False):
            return False
        try:
            return self._send("hb")
        finally:
            self._lock.release()

    def replace(self, life: Life) -> None:
        """End one life as abnormal and speak for the next."""
        self._end(ok=False, successor=life)

    def close(self, *, ok: bool) -> None:
        """Say goodbye and send nothing any more; takes 50 ms at the very most."""
        if not self._closed:
            self._end(ok=ok, successor=None)

    def silence(self) -> None:
        """
        Fall silent without a word: this is a forked child, and not the rank.

        The locks may have been held by a thread that does not exist here.
        """
        self._closed = True
        self._lock = threading.Lock()
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def tick(self) -> None:
        """Do what is due now: look for the agent again, say hello or how it goes."""
        now_ns = self._life.clock.now()
        if self._channel is None or now_ns >= self._reconnect_due_ns:
            self._renew_channel(now_ns)
        with self._lock:
            if not self._closed:
                self._send_due(self._life, now_ns)

    def _serve(self) -> None:
        while not self._closed:
            try:
                self.tick()
            except Exception as error:
                swallow(error)
            self._wake.wait(self._pause_s())
            self._wake.clear()
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _pause_s(self) -> float:
        # Ranks that start together would otherwise meet in the agent's short queue.
        return self._interval_s * (1 + JITTER * (os.urandom(1)[0] / 127.5 - 1))

    def _renew_channel(self, now_ns: int) -> None:
        # Opened outside the lock: a name lookup may hang for as long as it likes.
        # A new socket has a new source port, and may take a better network path.
        try:
            fresh = self._connect(self._addresses)
        finally:
            self._tried.set()
        if fresh is None:
            return
        self._reconnect_due_ns = now_ns + RECONNECT_EVERY_NS
        with self._lock:
            stale, self._channel = self._channel, fresh
        if stale is not None:
            stale.close()

    def _send_due(self, life: Life, now_ns: int) -> None:
        if now_ns < life.hello_due_ns:
            self._send("hb")
            return
        # Moved on before sending: facts renewed meanwhile ask for one hello more.
        life.hello_due_ns = now_ns + HELLO_EVERY_NS
        if not self._send("hello"):
            life.hello_due_ns = now_ns

    def _send(self, kind: str, *, ok: bool | None = None) -> bool:
        channel, life = self._channel, self._life
        if channel is None:
            return False
        from goodput_sdk import _messages  # noqa: PLC0415  # brings json in, once

        life.seq += 1
        message = _messages.compose(
            kind,
            life.seq,
            life.identity,
            life.clock,
            names=self._names,
            facts={**self._facts, **self._said},
            wall=self._wall,
            ok=ok,
        )
        datagram = _messages.encode(message, channel.limit)
        return datagram is not None and channel.send(datagram)

    def _end(self, *, ok: bool, successor: Life | None) -> None:
        # Goodbye and succession under one lock: nothing follows a goodbye.
        if self._channel is None:
            self._tried.wait(WAIT_FOR_CHANNEL_S)
        locked = self._lock.acquire(timeout=WAIT_FOR_LOCK_S)
        try:
            if locked and not self._closed:
                self._say_bye(ok=ok)
        finally:
            if successor is None:
                self._closed = True
            else:
                self._life = successor
            if locked:
                self._lock.release()
        self._wake.set()

    def _say_bye(self, *, ok: bool) -> None:
        # A full queue empties within milliseconds where an agent is alive, and a
        # lost goodbye would make a normal end look like a crash.
        for _ in range(BYE_ATTEMPTS):
            if self._channel is None or self._send("bye", ok=ok):
                return
            time.sleep(BYE_PAUSE_S)
