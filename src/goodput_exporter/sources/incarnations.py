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
from goodput_exporter.sources.tracks import Track, begin, clamp, refuse_the_impossible

# No honest sender is faster; a leap of seq beyond it is no loss of ours.
MAX_SENDS_PER_SECOND: Final = 20


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
        refuse_the_impossible(track, message.seq, up_ns, cum_ns)
        flaws = self._name(track, said, at_ns)
        self._claims.claim(track.name, sender.claimant)
        if track.is_fresh:
            up_ns, clamped = begin(track, at_ns, up_ns, cum_ns)
        else:
            self._count_loss(track, message.seq, at_ns)
            up_ns, clamped = clamp(track, at_ns, up_ns, cum_ns)
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
