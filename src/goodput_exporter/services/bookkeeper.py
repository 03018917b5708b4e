"""Runs and their books: observations in, one commit a tick, views of what it holds."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from goodput_exporter.domain.advance import advance
from goodput_exporter.domain.bookings import Booking
from goodput_exporter.domain.causes import Correction, correct_cause
from goodput_exporter.domain.describe import Around, counted_of
from goodput_exporter.domain.fold import Fold, Observation, incident_of
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.placement import Owner
from goodput_exporter.domain.rollups import GroupView
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import NodeCause, RunView
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import (
    AccountingError,
    BadInputError,
    LedgerCorruptError,
    LedgerError,
)
from goodput_exporter.ledger.gpu_lines import NO_GPUS
from goodput_exporter.ledger.heard import encode_heard
from goodput_exporter.ledger.ledger import Batch, Ledger
from goodput_exporter.ledger.state import decode_state, encode_state
from goodput_exporter.services.gpu_bookkeeper import GpuBookkeeper, GpuPart
from goodput_exporter.services.group_totals import GroupTotals
from goodput_exporter.services.node_failures import NodeFailures
from goodput_exporter.services.routing import Router
from goodput_exporter.services.shelf import DAY_NS, RUNS, Shelf
from goodput_exporter.services.spending import spent_on
from goodput_exporter.services.standstill import Standstill
from goodput_exporter.services.tended import Tended, give_turns

AT_ONCE: Final = 250
"""Runs that one tick decides, writes down and shows anew. So many take 0.4 s, each of
20 ranks; more of them take turns, and what is heard of the others meanwhile is kept
behind their states, so that nobody who delivered it has to wait."""
BACKLOG: Final = 200_000
"""Observations kept while the ledger fails, the newest. Each report carries the
whole state of its rank, so what falls out costs resolution and no time; only a
process that both began and ended in it goes unseen."""
NOT_WRITTEN: Final = (
    "The ledger takes no entries, so these figures stand still; look at the "
    "exporter's log and at the disk under the ledger."
)

_log = logging.getLogger(__name__)


class Bookkeeper:
    """
    The runs of one cluster or machine.

    A figure is shown only after the ledger has committed it, so a counter
    can never go back, whenever this process is killed.

    Args:
        ledger: Where bookings go; this is its only writer.
        rules: The settings of the folds.
        cluster, namespace: Of runs that no workload owns.
        node: The node that these are on; what is seen of it may explain their ends.
        silence_ns: From when on a rank counts as silent in views.
        retention_ns: How long a finished run stays in sight once its end is
            written down.
        gpus: The cluster book, committed with the runs'; None keeps none.
        most_runs: Runs in memory at once; reports of further ones are refused
            and counted, and taken again when a run has left.
        at_once: Runs that a tick looks at; of more, each has its turn.
        standstill: Notices that ticks failed to come; None where they come as a
            story or a simulation likes.
    """

    def __init__(  # noqa: PLR0913 - services take values, each named at the call
        self,
        ledger: Ledger,
        rules: Rules,
        *,
        cluster: str,
        namespace: str,
        silence_ns: int,
        retention_ns: int,
        most_runs: int = RUNS,
        node: str = "",
        gpus: GpuBookkeeper | None = None,
        at_once: int = AT_ONCE,
        standstill: Standstill | None = None,
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._router = Router(cluster, namespace, node)
        self._shelf = Shelf(ledger, self._router, retention_ns, most_runs)
        self._groups = GroupTotals()
        self._node_failures = NodeFailures()
        self._gpus = gpus
        self._gpu_part = GpuPart()
        self._silence_ns = silence_ns
        self._backlog: deque[tuple[Observation, str]] = deque(maxlen=BACKLOG)
        self._unsent: Batch | None = None
        self._tries = 0
        self._standstill = standstill
        self._up_to_date_ns = 0
        self._at_once = at_once
        self._ticks = 0
        self._is_behind = False
        self.entries = 0
        self.commits = 0
        self.failures = 0
        self.setbacks = 0

    @property
    def is_committing(self) -> bool:
        """Tell whether the ledger took what the last tick gave it."""
        return not self._is_behind

    @property
    def refused(self) -> int:
        """Return how many reports found no room for their run."""
        return self._shelf.refused

    def resume(self, now_ns: int) -> list[Fold]:
        """
        Take up the runs that were open when an earlier life of this program ended.

        Returns:
            Their folds, so that the caller can look after their processes.
        """
        if self._standstill is not None:
            self._standstill.went_well(now_ns)
        found = self._ledger.resume()
        for damage in found.damaged:
            _log.error("a run could not be resumed: %s", damage)
        for key, state in found.states.items():
            try:
                self._shelf.take_up(key, state, now_ns)
            except LedgerCorruptError:
                _log.exception("run %s could not be resumed; it begins anew", key)
        open_now = [tended.fold for tended in self._shelf.runs.values()]
        self._shelf.take_up_finished(now_ns)
        self._groups.resume(found.meta)
        self._node_failures.resume(found.meta)
        self._remember_groups(now_ns)
        if self._gpus is not None:
            self._gpus.resume(self._ledger, now_ns)
        return open_now

    def _remember_groups(self, now_ns: int) -> None:
        """Read the groups' last day again, of runs that are over, too."""
        lately = Span(now_ns - DAY_NS, now_ns)
        for run in self._ledger.runs():
            if (run.last_ns or 0) < lately.start_ns:
                continue
            try:
                owner = self._owner_of(run.key)
            except LedgerCorruptError:
                continue  # said where the run itself was taken up
            booked = [(run.key, one) for one in self._shelf.segments(run.key, lately)]
            self._groups.remember(booked, {run.key: owner}, now_ns)

    def _owner_of(self, key: RunKey) -> Owner:
        tended = self._shelf.runs.get(key)
        if tended is not None:
            return tended.fold.owner
        state = self._ledger.state_of(key)
        return Owner() if state is None else decode_state(state).owner

    def incarnations(self) -> list[str]:
        """
        Return the incarnations that live, as far as is known.

        Of those whose reports wait for their instant to be decided nothing is known.
        """
        new = (
            seen.incarnation
            for seen, _ in self._backlog
            if isinstance(seen, RankReport) and seen.role == "trainer"
        )
        return list(dict.fromkeys((*self._shelf.incarnations(), *new)))

    def take(self, observations: Iterable[Observation], agent: str = "") -> None:
        """
        Take what sources saw; nothing is decided before the next tick.

        Args:
            observations: In the order in which they came.
            agent: Who delivered them, where that is another program: its runs
                seal no further than it has delivered.
        """
        self._backlog.extend((seen, agent) for seen in observations)

    def tick(self, now_ns: int, meta: Mapping[str, str] | None = None) -> bool:
        """
        Decide, write down, and only then publish.

        While the ledger fails, observations wait and nothing else happens.

        Returns:
            Whether the ledger is up to date.
        """
        self._look_at_clock(now_ns)
        self._is_behind = not self._go_on(now_ns, dict(meta or {}))
        if not self._is_behind:
            self._up_to_date_ns = now_ns
            if self._standstill is not None:
                self._standstill.went_well(now_ns)
        return not self._is_behind

    def views(self, now_ns: int, gpu_names: Mapping[str, str]) -> tuple[RunView, ...]:
        """
        Return what may be shown of every run in sight.

        Of more runs than a tick looks at, each is shown as it was at its last turn.
        While the ledger fails it is what was known when it last took something:
        observations wait unread, and silence would be read into their absence.
        """
        if not self._is_behind:
            self._shelf.forget(now_ns)
        at_ns = self._up_to_date_ns if self._is_behind else now_ns
        around = Around(at_ns, self._silence_ns, gpu_names)
        views = [
            tended.show(around, self._rules)
            if tended.is_due or tended.view is None
            else tended.view
            for tended in self._shelf.runs.values()
        ]
        if self._is_behind:
            return tuple(replace(v, notes=(*v.notes, NOT_WRITTEN)) for v in views)
        return tuple(views)

    def groups(self, now_ns: int) -> tuple[GroupView, ...]:
        """Return what may be shown of the groups that runs are in."""
        return self._groups.views(now_ns)

    def node_failures(self) -> dict[NodeCause, int]:
        """Return the failures that began on each node, by cause."""
        return self._node_failures.view()

    def correct(self, key: RunKey, said: Correction, now_ns: int) -> None:
        """
        Let a person's word on an incident's cause stand; the next tick commits it.

        Args:
            key: The run, in memory or long over.
            said: The correction.
            now_ns: The present.

        Raises:
            BadInputError: There is no such run, or no such incident of it.
            LedgerError: The ledger cannot be read.
        """
        if key not in self._shelf.runs:
            if self._ledger.state_of(key) is None:
                raise BadInputError(_not_to_correct(key, self._ledger))
            if not self._shelf.open(key, now_ns):
                msg = f"run {key} cannot be taken up now: memory is full of runs"
                raise BadInputError(msg)
        tended = self._shelf.runs[key]
        spent = None
        if incident_of(tended.fold, said.incident) is None:
            spent = spent_on(key, self._ledger.bookings(key), said.incident)
        if not correct_cause(tended.fold, said, spent):
            msg = (
                f"run {key} has no incident {said.incident}; it has had "
                f"{tended.fold.interruptions}"
            )
            raise BadInputError(msg)
        tended.changed = tended.is_urgent = True

    def write_down(self, key: RunKey, now_ns: int) -> None:
        """
        Commit what was decided of one run, without letting time pass for it.

        Raises:
            LedgerError: The ledger took nothing.
        """
        fold = self._shelf.runs[key].fold
        pending, fold.book.pending = fold.book.pending, []
        batch = Batch(
            booked_ns=now_ns,
            bookings=[(key, booking) for booking in pending],
            states={key: encode_state(fold)},
            closed=frozenset() if fold.ended_ns is None else frozenset({key}),
        )
        self._ledger.append(batch)

    def _look_at_clock(self, now_ns: int) -> None:
        """Wait for others' words as after a start where nobody could be heard."""
        if self._standstill is None or not self._standstill.is_over(now_ns):
            return
        self._shelf.come_back(now_ns)
        if self._gpus is not None:
            self._gpus.come_back(now_ns)

    def _go_on(self, now_ns: int, meta: dict[str, str]) -> bool:
        if self._unsent is not None and not self._commit(self._unsent):
            return False
        if not self._route_all(now_ns):
            return False
        batch = self._decide(now_ns, meta)
        return batch is None or self._commit(batch)

    def _route_all(self, now_ns: int) -> bool:
        """Give every observation to its run; what the ledger cannot tell now waits."""
        while self._backlog:
            seen, agent = self._backlog.popleft()
            try:
                self._shelf.route(seen, agent, now_ns)
            except LedgerError as exc:
                self._backlog.appendleft((seen, agent))
                self.failures += 1
                _log.warning("the ledger cannot be read, the tick waits: %s", exc)
                return False
        return True

    def _decide(self, now_ns: int, meta: dict[str, str]) -> Batch | None:
        bookings: list[tuple[RunKey, Booking]] = []
        states: dict[RunKey, bytes] = {}
        heard: dict[RunKey, bytes] = {}
        closed: set[RunKey] = set()
        self._ticks += 1
        give_turns(self._shelf.runs.values(), self._ticks, self._at_once)
        for key, tended in self._shelf.runs.items():
            if tended.is_at_rest:
                continue
            if not tended.is_due:
                words = self._write_heard(key, tended)
                heard |= {} if words is None else {key: words}
                continue
            decided = self._decide_one(key, tended, now_ns)
            if decided is None:
                continue
            pending, states[key] = decided
            bookings += [(key, booking) for booking in pending]
            if tended.fold.ended_ns is not None:
                closed.add(key)
        if self._gpus is not None:
            self._gpu_part = self._gpus.decide(now_ns)
            meta = {**meta, **self._gpu_part.meta}
        if not states and not heard and not meta and self._gpu_part.gpus is NO_GPUS:
            return None
        return Batch(
            booked_ns=now_ns,
            bookings=bookings,
            states=states,
            heard=heard,
            closed=frozenset(closed),
            meta=meta,
            gpus=self._gpu_part.gpus,
        )

    def _write_heard(self, key: RunKey, tended: Tended) -> bytes | None:
        """Encode what a run was told that waits for its turn, if anything."""
        if not tended.heard:
            return None
        try:
            words = encode_heard(tended.heard)
        except AccountingError:
            self._set_back(key, tended)
            return None
        tended.heard = []
        return words

    def _decide_one(
        self, key: RunKey, tended: Tended, now_ns: int
    ) -> tuple[list[Booking], bytes] | None:
        """Advance one run; a fault in it costs what it saw since its last commit."""
        fold = tended.fold
        try:
            advance(fold, now_ns, self._rules)
            pending, fold.book.pending = fold.book.pending, []
            if not pending and not tended.changed:
                return None
            state = encode_state(fold)
        except Exception:  # noqa: BLE001 - one run's fault must not stop the others
            self._set_back(key, tended)
            return None
        tended.heard, tended.is_urgent, tended.has_news = [], False, False
        tended.changed = bool(fold.inbox or fold.exits or fold.turns or fold.placements)
        return pending, state

    def _set_back(self, key: RunKey, tended: Tended) -> None:
        _log.exception("run %s cannot go on; back to its last commit", key)
        self.setbacks += 1
        tended.set_back()

    def _commit(self, batch: Batch) -> bool:
        owners = {key: self._shelf.runs[key].fold.owner for key in batch.states}
        batch = self._node_failures.added_to(self._groups.added_to(batch, owners))
        try:
            self._ledger.append(batch)
        except AccountingError:
            keys = [*batch.states, *batch.heard]
            if len(keys) > 1:
                return self._commit_apart(batch, keys)
            if not keys:
                self.setbacks += 1
                _log.exception("what is of no run cannot be stored and is left out")
                return True
            for key in keys:
                self._set_back(key, self._shelf.runs[key])
            # What is of no run must be durable before anybody is answered.
            return self._commit(_only(batch, set(), is_first=True))
        except LedgerError as exc:
            self.failures += 1
            if self._unsent is None:
                self._tries = 1
                _log.exception(
                    "the ledger took nothing; %d entries wait", len(batch.bookings)
                )
            else:
                self._tries += 1
                # At each doubling: the log may lie on the disk that is full.
                if self._tries.bit_count() == 1:
                    _log.warning(
                        "the ledger takes nothing, tried %d times: %s", self._tries, exc
                    )
            self._unsent = batch
            return False
        if self._unsent is not None:
            _log.info("the ledger takes entries again")
        self._unsent = None
        self.commits += 1
        self.entries += len(batch.bookings)
        self._publish(batch, owners)
        return True

    def _commit_apart(self, batch: Batch, keys: list[RunKey]) -> bool:
        """Commit run by run: what can never be stored costs its own run only."""
        for number, key in enumerate(keys):
            if not self._commit(_only(batch, {key}, is_first=number == 0)):
                rest = set(keys[number:])
                self._unsent = _only(batch, rest, is_first=number == 0)
                return False
        return True

    def _publish(self, batch: Batch, owners: Mapping[RunKey, Owner]) -> None:
        self._groups.publish(batch, owners)
        self._node_failures.publish(batch)
        if self._gpus is not None:
            self._gpus.publish(self._gpu_part)
        booked: dict[RunKey, list[Booking]] = {key: [] for key in batch.states}
        for key, booking in batch.bookings:
            booked[key].append(booking)
        for key, words in batch.heard.items():
            self._shelf.runs[key].later.append(words)
        for key, state in batch.states.items():
            tended = self._shelf.runs[key]
            tended.state, tended.later = state, []
            tended.published.add(booked[key], batch.booked_ns)
            tended.published.counted = counted_of(tended.fold)
            tended.closed_ns = batch.booked_ns if key in batch.closed else None


def _only(batch: Batch, keys: set[RunKey], *, is_first: bool) -> Batch:
    """Return what a batch holds of some runs; the first has what is of none."""
    return replace(
        batch,
        bookings=[(key, booking) for key, booking in batch.bookings if key in keys],
        states={key: state for key, state in batch.states.items() if key in keys},
        heard={key: words for key, words in batch.heard.items() if key in keys},
        closed=batch.closed & keys,
        gpus=batch.gpus if is_first else NO_GPUS,
    )


def _not_to_correct(key: RunKey, ledger: Ledger) -> str:
    """Say why no cause of a run without a state can be corrected."""
    if any(run.key == key for run in ledger.runs()):
        return (
            f"run {key} has entries in the ledger and no state to go on from, so "
            "nothing can be booked for it; if it was not imported so, restore a "
            "backup that has its state"
        )
    return f"run {key} is not in the ledger; look for its name in the API"
