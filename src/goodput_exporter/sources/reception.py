"""What the exporter makes of one datagram or exit, without a socket or a thread."""

from __future__ import annotations

import logging
from typing import Final

from goodput_exporter.clock import Clock
from goodput_exporter.domain.observations import (
    RankExited,
    RankReport,
    RunObservation,
)
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.datagrams import decode, phases_of, report_of
from goodput_exporter.sources.identity import Identities
from goodput_exporter.sources.incarnations import Incarnations
from goodput_exporter.sources.limits import Limits, LogGate
from goodput_exporter.sources.messages import Message
from goodput_exporter.sources.processes import Process, ProcessExit
from goodput_exporter.sources.refusals import (
    ADVICE,
    Drop,
    Flaw,
    Reason,
    RefusedError,
    Tally,
)
from goodput_exporter.sources.senders import Sender, owner_of

_log = logging.getLogger(__name__)

# A datagram of this kernel waits at most this long in its queue. Outside of it
# the sender's clock is another one (Kata, gVisor, a time namespace).
MAX_TRANSIT_NS: Final = 10 * NS_PER_SECOND
MIN_TRANSIT_NS: Final = -1_000_000
# /proc counts a start in ticks of 10 ms; words sent two of them before it are odd.
START_SLACK_NS: Final = 20_000_000


class Reception:
    """
    Turns what arrived into observations; keeps the incarnations and the counts.

    Args:
        clock: The ledger's clock.
        limits: What one sender, and all of them together, may cost.
        identities: Ties senders to pods; None where there are none.
    """

    def __init__(
        self, clock: Clock, limits: Limits, identities: Identities | None = None
    ) -> None:
        self._clock = clock
        self._identities = identities
        self._incarnations = Incarnations(limits)
        self._gate = LogGate(limits.log_lines_per_minute)
        self.tally = Tally()

    def accept(
        self, data: bytes, sender: Sender, received_ns: int
    ) -> list[RunObservation]:
        """
        Return the report in one datagram, or nothing; count either.

        Args:
            data: As read from the socket.
            sender: Who sent it.
            received_ns: When it was read, on the ledger's clock.
        """
        try:
            self._identify(sender, received_ns)
            message, drops = decode(data)
            report = self._report(message, sender, received_ns)
        except RefusedError as refusal:
            self.tally.refused[refusal.reason] += 1
            self._complain(sender, refusal, received_ns)
            return []
        if drops:
            self.tally.drop(drops)
            self._complain_of_drops(sender, drops, received_ns)
        self.tally.accepted[sender.transport] += 1
        return [report]

    def _identify(self, sender: Sender, now_ns: int) -> None:
        if self._identities is None or self._identities.settle(sender, now_ns):
            return
        raise RefusedError(Reason.IDENTITY, f"no pod is known of {sender.name} yet")

    def _report(self, message: Message, sender: Sender, received_ns: int) -> RankReport:
        at_ns, flaws = self._position(message.mo, sender.process, received_ns)
        cum_ns, odd = phases_of(message)
        track, wrong = self._incarnations.admit(message, sender, at_ns, cum_ns)
        for flaw in flaws + odd + wrong:
            self.tally.flaws[flaw] += 1
        return report_of(
            message,
            at_ns=track.at_ns,
            up_ns=track.up_ns,
            cum_ns=cum_ns,
            run_id=track.run_id,
            verified=sender.is_vouched,
            pid=sender.pid,
            pod=None if sender.pod is None else "/".join(sender.pod.name),
        )

    def _position(
        self, mono_s: float | None, process: Process | None, received_ns: int
    ) -> tuple[int, tuple[Flaw, ...]]:
        """
        Return when a message was sent, on the ledger's clock.

        The sender's CLOCK_MONOTONIC is ours on one kernel, and then tells how
        long the datagram waited. Where it cannot be ours, the instant of
        reading stands in. Nobody speaks before it starts, so a clock that says
        so is odd (a time namespace), and no proof that the sender is gone: its
        process is watched for that. Wall clocks are never used.
        """
        if mono_s is None:
            return received_ns, ()
        sent_ns = self._clock.from_monotonic(round(mono_s * NS_PER_SECOND))
        started_ns = None if process is None else process.started_ns
        is_born = started_ns is None or sent_ns >= started_ns - START_SLACK_NS
        if is_born and MIN_TRANSIT_NS <= received_ns - sent_ns <= MAX_TRANSIT_NS:
            return min(sent_ns, received_ns), ()
        return received_ns, (Flaw.CLOCK,)

    def exits(self, ended: ProcessExit) -> list[RunObservation]:
        """Return the ends of the incarnations that lived in a process."""
        owner = owner_of(ended.pid)
        if not ended.witnessed:
            return self._ends(owner, ended.at_ns, ended.detail)
        return [
            RankExited(track.inc, ended.at_ns, ended.exit_code, ended.detail)
            for track in self._incarnations.end(owner)
        ]

    def _ends(self, owner: str, at_ns: int, detail: str) -> list[RunObservation]:
        """Report an end that nobody saw: somewhere after the last message."""
        return [
            RankExited(track.inc, at_ns, None, detail, since_ns=track.at_ns)
            for track in self._incarnations.end(owner)
        ]

    def remember(self, incarnation: str, process: Process) -> None:
        """Tie an incarnation of an earlier exporter to its watched process."""
        self._incarnations.remember(incarnation, process, self._clock.now_ns())

    def restore_claim(self, incarnation: str, run_id: str, uid: int | None) -> None:
        """Give a remembered incarnation's run back to the user that owned it."""
        self._incarnations.restore_claim(incarnation, run_id, uid)

    def process_of(self, incarnation: str) -> Process | None:
        """Return the watched process that an incarnation lives in."""
        track = self._incarnations.get(incarnation)
        return None if track is None else track.process

    def counted(self) -> Tally:
        """Return the counts so far."""
        self.tally.lost = self._incarnations.lost
        return self.tally

    def _complain(self, sender: Sender, refusal: RefusedError, now_ns: int) -> None:
        # Late and repeated datagrams are normal life; counting them is enough.
        if refusal.reason is Reason.DUPLICATE:
            return
        if self._gate.opens(sender.name, refusal.reason, now_ns):
            _log.warning(
                "%s: datagram refused (%s); %s",
                sender.name,
                refusal,
                ADVICE[refusal.reason],
            )

    def _complain_of_drops(
        self, sender: Sender, drops: tuple[Drop, ...], now_ns: int
    ) -> None:
        name, flaw = drops[0]
        if self._gate.opens(sender.name, flaw, now_ns):
            _log.warning(
                "%s: %d fields left out, the first is %s (%s); the rest is kept; "
                "see the wire format for its type and range",
                sender.name,
                len(drops),
                name,
                flaw,
            )
