"""What is remembered of each incarnation: enough to refuse what cannot be true."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase
from goodput_exporter.sources.claims import Claims, Name, is_unnamed
from goodput_exporter.sources.limits import Limits
from goodput_exporter.sources.messages import Message
from goodput_exporter.sources.processes import Process
from goodput_exporter.sources.refusals import Flaw, Reason, RefusedError
from goodput_exporter.sources.senders import Sender, owner_of

# How far a sender's clock may run ahead of ours: 2 % and one second.
RATE_PERCENT: Final = 2
SLACK_NS: Final = NS_PER_SECOND
# No honest sender is faster; a leap of seq beyond it is no loss of ours.
MAX_SENDS_PER_SECOND: Final = 20


class Track:
    """
    One incarnation, as last accepted.

    Args:
        inc: Its id.
        owner: Who may speak for it.
        pid: The process it lives in, where the kernel said so.
        process: The same, where its exit is watched.
        is_vouched: The kernel or the network says who its owner is.
    """

    __slots__ = (
        "at_ns", "cum_ns", "ended", "first_at_ns", "first_up_ns", "inc", "is_vouched",
        "name", "owner", "pid", "process", "rank", "seq", "up_ns",
    )  # fmt: skip

    def __init__(
        self,
        inc: str,
        owner: str,
        pid: int | None,
        process: Process | None,
        *,
        is_vouched: bool,
    ) -> None:
        self.inc = inc
        self.owner = owner
        self.pid = pid
        self.process = process
        self.is_vouched = is_vouched
        self.name: Name | None = None
        self.rank: int | None = None
        self.seq = -1
        self.first_at_ns = 0
        self.first_up_ns = 0
        self.at_ns = 0
        self.up_ns = 0
        self.cum_ns: dict[Phase, int] = {}
        self.ended = False

    @property
    def run_id(self) -> str | None:
        """Return the run that it has named."""
        return None if self.name is None else self.name[1]

    @property
    def is_fresh(self) -> bool:
        """Return whether no message of it has been accepted yet."""
        return self.seq < 0


class Incarnations:
    """
    The incarnations known now, within bounds.

    Args:
        limits: How many, per owner and in all, and how many run names.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tracks: dict[str, Track] = {}
        self._by_owner: dict[str, dict[str, Track]] = {}
        self._claims = Claims(limits.runs)
        self._swept_ns: int | None = None
        self.lost = 0

    def admit(
        self, message: Message, sender: Sender, at_ns: int, cum_ns: dict[Phase, int]
    ) -> tuple[Track, tuple[Flaw, ...]]:
        """
        Take a message into its incarnation's track, clamped to what can be true.

        Args:
            message: Decoded; only its identity, order and age are read.
            sender: Who sent it.
            at_ns: Its position on the ledger's clock.
            cum_ns: Its cumulative time per phase; changed in place if clamped.

        Returns:
            The track, whose position, age and phases are this message's now,
            and what was wrong with a message that is kept.

        Raises:
            RefusedError: It contradicts what is known, or there is no room.
        """
        track = self._tracks.get(message.inc)
        # Before anything is kept or changed: a stranger leaves no trace. Saying
        # no name is no way in either, for the incarnation's own name counts.
        said = None if message.run is None else (sender.namespace, message.run)
        named = None if track is None else track.name
        self._claims.check(named or said, message.inc, sender.claimant)
        if track is None:
            track = self._open(message, sender, at_ns)
        elif track.owner != sender.owner:
            self._hand_over(track, sender)
        up_ns = round(message.up * NS_PER_SECOND)
        _refuse_the_impossible(track, message.seq, up_ns, cum_ns)
        flaws = self._name(track, said, at_ns)
        self._claims.claim(track.name, sender.claimant)
        if track.is_fresh:
            up_ns, clamped = _begin(track, at_ns, up_ns, cum_ns)
        else:
            self._count_loss(track, message.seq, at_ns)
            up_ns, clamped = _clamp(track, at_ns, up_ns, cum_ns)
        flaws += clamped
        track.seq, track.up_ns, track.cum_ns = message.seq, up_ns, cum_ns
        # Two transit delays may swap two positions; seq has the right order.
        track.at_ns = max(track.at_ns, at_ns)
        track.rank = message.rank
        track.ended = message.t == "bye"
        return track, flaws

    def _open(self, message: Message, sender: Sender, at_ns: int) -> Track:
        own = self._by_owner.get(sender.owner, {})
        if len(own) >= self._limits.incarnations_per_sender:
            for track in [t for t in own.values() if self._is_over(t, at_ns)]:
                self._evict(track)
        if len(self._tracks) >= self._limits.incarnations:
            self._sweep(at_ns)
        if (
            len(self._by_owner.get(sender.owner, {}))
            >= self._limits.incarnations_per_sender
            or len(self._tracks) >= self._limits.incarnations
        ):
            raise RefusedError(Reason.INCARNATIONS, f"inc {message.inc}")
        track = Track(
            message.inc,
            sender.owner,
            sender.pid,
            sender.process,
            is_vouched=sender.is_vouched,
        )
        return self._add(track)

    def _add(self, track: Track) -> Track:
        self._tracks[track.inc] = track
        self._by_owner.setdefault(track.owner, {})[track.inc] = track
        return track

    def _hand_over(self, track: Track, sender: Sender) -> None:
        """Let a verified sender take what nobody verified held; never else."""
        if track.is_vouched or not sender.is_vouched or track.ended:
            raise RefusedError(Reason.SENDER, f"inc {track.inc}")
        self._disown(track)
        track.owner, track.pid = sender.owner, sender.pid
        track.process, track.is_vouched = sender.process, True
        self._by_owner.setdefault(track.owner, {})[track.inc] = track

    def _name(self, track: Track, said: Name | None, at_ns: int) -> tuple[Flaw, ...]:
        """Keep the first run id of an incarnation: one life serves one run."""
        if said is None or (track.name is not None and said[1] == track.name[1]):
            return ()
        if track.name is not None:
            return (Flaw.RUN_CHANGED,)
        if not self._claims.has_room(said):
            self._sweep(at_ns, keep=track)
            if not self._claims.has_room(said):
                if track.is_fresh and track.process is None:
                    self._evict(track)
                raise RefusedError(Reason.RUNS, f"run {said[1]}")
        self._claims.keep(said)
        track.name = said
        return ()

    def _count_loss(self, track: Track, seq: int, at_ns: int) -> None:
        """Count the gap in ``seq``, as far as time allows for so many sends."""
        missing = seq - track.seq - 1
        if not missing:
            return
        elapsed_ns = max(0, at_ns - track.at_ns)
        possible = MAX_SENDS_PER_SECOND * (1 + elapsed_ns // NS_PER_SECOND)
        self.lost += min(missing, possible)

    def remember(self, inc: str, process: Process, at_ns: int) -> None:
        """Take up an incarnation that an earlier life of the exporter knew."""
        track = self._tracks.get(inc)
        if track is None:
            owner = owner_of(process.pid)
            track = self._add(Track(inc, owner, process.pid, process, is_vouched=True))
            track.at_ns = at_ns

    def restore_claim(self, inc: str, run_id: str, uid: int | None) -> None:
        """Give a remembered incarnation its run name back, and the run its owner."""
        if is_unnamed(run_id, inc):
            return
        track = self._tracks[inc]
        if track.name is None:
            # Beyond the bound on names too: the ledger knew it as alive.
            track.name = ("", run_id)
            self._claims.keep(track.name)
        self._claims.claim(track.name, uid)

    def get(self, inc: str) -> Track | None:
        """Return what is known of an incarnation."""
        return self._tracks.get(inc)

    def end(self, owner: str) -> list[Track]:
        """
        Mark a gone owner's incarnations as ended.

        Returns:
            Those whose end this is: the newest, and others of another rank that
            have not said bye. An older one of the same rank ended when the loop
            was restarted in its process.
        """
        own = list(self._by_owner.pop(owner, {}).values())
        if not own:
            return []
        newest = own[-1]
        place = (newest.run_id, newest.rank)
        others = [
            track
            for track in own[:-1]
            if not track.ended and (track.run_id, track.rank) != place
        ]
        for track in own:
            track.ended = True
        return [*others, newest]

    def _is_over(self, track: Track, now_ns: int) -> bool:
        """
        Return whether a track may be forgotten.

        Never the newest of a process that is watched: silence of a live process
        is no end, and its exit must find the incarnation it belongs to.
        """
        own = self._by_owner.get(track.owner)
        if track.process is not None and own and next(reversed(own)) == track.inc:
            return False
        return now_ns - track.at_ns > self._limits.silent_after_ns

    def _sweep(self, now_ns: int, keep: Track | None = None) -> None:
        """Forget what is over; at most once a second, for it reads every track."""
        if self._swept_ns is not None and now_ns - self._swept_ns < NS_PER_SECOND:
            return
        self._swept_ns = now_ns
        for track in list(self._tracks.values()):
            if track is not keep and self._is_over(track, now_ns):
                self._evict(track)

    def _evict(self, track: Track) -> None:
        del self._tracks[track.inc]
        self._disown(track)
        self._claims.drop(track.name)

    def _disown(self, track: Track) -> None:
        own = self._by_owner.get(track.owner)
        if own is not None and own.pop(track.inc, None) is not None and not own:
            del self._by_owner[track.owner]

    def __len__(self) -> int:
        """Return how many incarnations are kept."""
        return len(self._tracks)


def _refuse_the_impossible(
    track: Track, seq: int, up_ns: int, cum_ns: dict[Phase, int]
) -> None:
    if track.ended:
        raise RefusedError(Reason.ENDED, f"inc {track.inc}")
    if seq <= track.seq:
        raise RefusedError(Reason.DUPLICATE, f"inc {track.inc} seq {seq}")
    if up_ns < track.up_ns:
        detail = f"inc {track.inc}: up went from {track.up_ns} ns to {up_ns} ns"
        raise RefusedError(Reason.BACKWARDS, detail)
    for phase, ns in track.cum_ns.items():
        if cum_ns.get(phase, 0) < ns:
            detail = f"inc {track.inc}: {phase.value} was {ns} ns before"
            raise RefusedError(Reason.BACKWARDS, detail)


def _begin(
    track: Track, at_ns: int, up_ns: int, cum_ns: dict[Phase, int]
) -> tuple[int, tuple[Flaw, ...]]:
    """Take a first message: no incarnation is older than its process."""
    flaws: tuple[Flaw, ...] = ()
    if track.process is not None and track.process.started_ns is not None:
        track.first_at_ns = track.process.started_ns
        up_ns, flaws = _clamp(track, at_ns, up_ns, cum_ns)
    track.first_at_ns, track.first_up_ns = at_ns, up_ns
    return up_ns, flaws


def _clamp(
    track: Track, at_ns: int, up_ns: int, cum_ns: dict[Phase, int]
) -> tuple[int, tuple[Flaw, ...]]:
    """
    Limit an incarnation's age to what our clock allows since its first message.

    Counted from the first message and not from the last: a queue that waited
    while the exporter was frozen arrives at one instant, and must not be taken
    for a lie; and one second is granted once, not with every message.
    """
    elapsed_ns = max(0, at_ns - track.first_at_ns)
    allowed_ns = elapsed_ns + elapsed_ns * RATE_PERCENT // 100 + SLACK_NS
    limit_ns = track.first_up_ns + allowed_ns
    if up_ns <= limit_ns:
        return up_ns, ()
    growth_ns = max(0, limit_ns - track.up_ns)
    for phase, ns in cum_ns.items():
        cum_ns[phase] = min(ns, track.cum_ns.get(phase, 0) + growth_ns)
    return max(limit_ns, track.up_ns), (Flaw.CLAMPED,)
