"""Runs and their books: observations in, one commit a tick, views of what it holds."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.advance import advance
from goodput_exporter.domain.bookings import Booking
from goodput_exporter.domain.causes import Correction, correct_cause
from goodput_exporter.domain.describe import Around, Published, counted_of, view_of
from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.fold import Fold, Observation, incident_of, observe
from goodput_exporter.domain.observations import Delivered, RankExited, RankReport
from goodput_exporter.domain.placement import Owner, Placement
from goodput_exporter.domain.rolling import HOUR_NS
from goodput_exporter.domain.rollups import (
    GroupKey,
    GroupView,
    Rollups,
    decode,
    encode,
)
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.tail import tail_of
from goodput_exporter.errors import (
    AccountingError,
    BadInputError,
    LedgerCorruptError,
    LedgerError,
)
from goodput_exporter.ledger.ledger import Batch, Ledger
from goodput_exporter.ledger.state import decode_state, encode_state
from goodput_exporter.services.routing import Router
from goodput_exporter.services.spending import spent_on

BACKLOG: Final = 200_000
"""Observations kept while the ledger fails, the newest. Each report carries the
whole state of its rank, so what falls out costs resolution and no time; only a
process that both began and ended in it goes unseen."""
RUNS: Final = 2_000
"""Runs in memory at once: ten times what one machine trains; a sender that makes
up run ids ends here, and each of them costs about 5 kB and 0.1 ms a tick."""
STRAYS: Final = 1_000
"""Incarnations remembered beyond those that matter, before a clean-up pays."""
GROUP: Final = "group/"
"""Names in the ledger's meta begin so: the totals of a group of runs."""
DAY_NS: Final = 24 * HOUR_NS
NOT_WRITTEN: Final = (
    "The ledger takes no entries, so these figures stand still; look at the "
    "exporter's log and at the disk under the ledger."
)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tended:
    """
    One run in memory: its fold, its last committed state, what may be shown.

    Args:
        changed: The fold holds something that is not in *state*.
        closed_ns: When the end of the run was written down.
        view: The last one; exposition keeps what it made of the same object.
        shown: What that view rests on.
    """

    fold: Fold
    state: bytes
    published: Published = field(default_factory=Published)
    changed: bool = True
    closed_ns: int | None = None
    view: RunView | None = None
    shown: tuple[bytes, Mapping[str, str], int] | None = None


def _basis(
    view: RunView, tended: Tended, around: Around
) -> tuple[bytes, Mapping[str, str], int]:
    """Return what a view rests on; for a run that is over, time does not count."""
    at_ns = around.now_ns if view.ended_ns is None else view.ended_ns
    return tended.state, around.gpu_names, at_ns


def _only(batch: Batch, keys: set[RunKey]) -> Batch:
    """Return what a batch holds of some runs."""
    return replace(
        batch,
        bookings=[(key, booking) for key, booking in batch.bookings if key in keys],
        states={key: state for key, state in batch.states.items() if key in keys},
        closed=batch.closed & keys,
    )


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
        most_runs: Runs in memory at once; reports of further ones are refused
            and counted, and taken again when a run has left.
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
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._router = Router(cluster, namespace, node)
        self._agents: dict[str, set[RunKey]] = {}
        self._silence_ns = silence_ns
        self._retention_ns = retention_ns
        self._most_runs = most_runs
        self._runs: dict[RunKey, Tended] = {}
        self._backlog: deque[tuple[Observation, str]] = deque(maxlen=BACKLOG)
        self._unsent: Batch | None = None
        self._rollups = Rollups()
        self._up_to_date_ns = 0
        self._is_behind = False
        self._is_full = False
        self.entries = 0
        self.commits = 0
        self.failures = 0
        self.refused = 0
        self.setbacks = 0

    @property
    def is_committing(self) -> bool:
        """Tell whether the ledger took what the last tick gave it."""
        return not self._is_behind

    def resume(self, now_ns: int) -> list[Fold]:
        """
        Take up the runs that were open when an earlier life of this program ended.

        Returns:
            Their folds, so that the caller can look after their processes.
        """
        found = self._ledger.resume()
        for damage in found.damaged:
            _log.error("a run could not be resumed: %s", damage)
        for key, state in found.states.items():
            try:
                self._take_up(key, state, now_ns)
            except LedgerCorruptError:
                _log.exception("run %s could not be resumed; it begins anew", key)
        open_now = [tended.fold for tended in self._runs.values()]
        self._take_up_finished(now_ns)
        self._take_up_groups(found.meta, now_ns)
        return open_now

    def groups(self, now_ns: int) -> tuple[GroupView, ...]:
        """Return what may be shown of the groups that runs are in."""
        return self._rollups.views(now_ns)

    def _take_up_groups(self, meta: Mapping[str, str], now_ns: int) -> None:
        """Go on with the groups' totals, and read their last day again."""
        for name, stored in meta.items():
            if name.startswith(GROUP):
                kind, _, value = name.removeprefix(GROUP).partition("/")
                self._rollups.totals[GroupKey(kind, value)] = decode(json.loads(stored))
        lately = Span(now_ns - DAY_NS, now_ns)
        for run in self._ledger.runs():
            if (run.last_ns or 0) < lately.start_ns:
                continue
            try:
                owner = self._owner_of(run.key)
            except LedgerCorruptError:
                continue  # reported where the run itself was taken up
            booked = [(run.key, one) for one in self._segments(run.key, lately)]
            self._rollups.remember(booked, {run.key: owner}, now_ns)

    def _owner_of(self, key: RunKey) -> Owner:
        if key in self._runs:
            return self._runs[key].fold.owner
        state = self._ledger.state_of(key)
        return Owner() if state is None else decode_state(state).owner

    def _take_up_finished(self, now_ns: int) -> None:
        """Keep in sight what has just ended: its last figures may be scraped yet."""
        for run in self._ledger.runs():
            is_recent = now_ns - (run.last_ns or 0) <= self._retention_ns
            if not run.closed or not is_recent or run.key in self._runs:
                continue
            state = self._ledger.state_of(run.key)
            if state is None:
                continue
            try:
                self._take_up(run.key, state, now_ns)
            except LedgerCorruptError:
                _log.exception("run %s is over; its state cannot be read", run.key)
                continue
            self._runs[run.key].changed = False
            self._runs[run.key].closed_ns = run.last_ns

    def incarnations(self) -> list[str]:
        """Return the incarnations that live, as far as is known."""
        return [
            name
            for tended in self._runs.values()
            for name, life in tended.fold.lives.items()
            if life.is_alive
        ]

    def take(self, observations: Iterable[Observation], agent: str = "") -> None:
        """
        Take what sources saw; nothing is decided before the next tick.

        Args:
            observations: In the order in which they came.
            agent: Who delivered them, where that is another program: its runs
                seal no further than it has delivered.
        """
        self._backlog.extend((seen, agent) for seen in observations)

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
        if key not in self._runs:
            if self._ledger.state_of(key) is None:
                msg = f"run {key} is not in the ledger; look for its name in the API"
                raise BadInputError(msg)
            if not self._open(key, now_ns):
                msg = f"run {key} cannot be taken up now: {self._most_runs} runs are"
                raise BadInputError(msg)
        tended = self._runs[key]
        spent = None
        if incident_of(tended.fold, said.incident) is None:
            spent = spent_on(key, self._ledger.bookings(key), said.incident)
        if not correct_cause(tended.fold, said, spent):
            msg = (
                f"run {key} has no incident {said.incident}; it has had "
                f"{tended.fold.interruptions}"
            )
            raise BadInputError(msg)
        tended.changed = True

    def write_down(self, key: RunKey, now_ns: int) -> None:
        """
        Commit what was decided of one run, without letting time pass for it.

        Raises:
            LedgerError: The ledger took nothing.
        """
        fold = self._runs[key].fold
        pending, fold.book.pending = fold.book.pending, []
        batch = Batch(
            booked_ns=now_ns,
            bookings=[(key, booking) for booking in pending],
            states={key: encode_state(fold)},
            closed=frozenset() if fold.ended_ns is None else frozenset({key}),
        )
        self._ledger.append(batch)

    def tick(self, now_ns: int, meta: Mapping[str, str] | None = None) -> bool:
        """
        Decide, write down, and only then publish.

        While the ledger fails, observations wait and nothing else happens.

        Returns:
            Whether the ledger is up to date.
        """
        self._is_behind = not self._go_on(now_ns, dict(meta or {}))
        if not self._is_behind:
            self._up_to_date_ns = now_ns
        return not self._is_behind

    def views(self, now_ns: int, gpu_names: Mapping[str, str]) -> tuple[RunView, ...]:
        """
        Return what may be shown of every run in sight.

        While the ledger fails it is what was known when it last took something:
        observations wait unread, and silence would be read into their absence.
        """
        self._forget(now_ns)
        at_ns = self._up_to_date_ns if self._is_behind else now_ns
        around = Around(at_ns, self._silence_ns, gpu_names)
        views = [self._view(tended, around) for tended in self._runs.values()]
        if self._is_behind:
            return tuple(replace(v, notes=(*v.notes, NOT_WRITTEN)) for v in views)
        return tuple(views)

    def _view(self, tended: Tended, around: Around) -> RunView:
        known = tended.view
        if known is not None and tended.shown == _basis(known, tended, around):
            return known
        # A copy of what is committed, driven on to now; the fold itself may be
        # further than the ledger.
        ahead = decode_state(tended.state)
        tail = tail_of(ahead, around.now_ns, self._rules, self._silence_ns)
        view = view_of(ahead, tail, tended.published, self._rules, around)
        tended.view, tended.shown = view, _basis(view, tended, around)
        return view

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
                self._route(seen, agent, now_ns)
            except LedgerError as exc:
                self._backlog.appendleft((seen, agent))
                self.failures += 1
                _log.warning("the ledger cannot be read, the tick waits: %s", exc)
                return False
        return True

    def _route(self, seen: Observation, agent: str, now_ns: int) -> None:
        match seen:
            case RankReport():
                self._route_report(seen, agent, now_ns)
            case RankExited():
                key = self._router.run_of(seen.incarnation)
                self._give([] if key is None else [key], seen)
            case Placement():
                if seen.key in self._runs or self._open(seen.key, now_ns):
                    lately = self._router.locate(seen)
                    self._give([seen.key], seen, *lately)
            case Evidence():
                self._give(self._router.runs_about(seen), seen)
            case Delivered():
                self._give(self._agents.get(seen.agent, ()), seen)

    def _route_report(self, seen: RankReport, agent: str, now_ns: int) -> None:
        if seen.role != "trainer":
            return
        key = self._router.run_of_report(seen)
        if key not in self._runs and not self._open(key, now_ns):
            return
        if agent:
            self._agents.setdefault(agent, set()).add(key)
        lately = self._router.bind(seen.incarnation, key)
        self._give([key], seen, *lately)

    def _give(self, keys: Iterable[RunKey], *seen: Observation) -> None:
        for tended in (self._runs[key] for key in keys if key in self._runs):
            for each in seen:
                observe(tended.fold, each)
            tended.changed = True

    def _open(self, key: RunKey, now_ns: int) -> bool:
        """Begin a run or go on with one; False where there is no room for it."""
        if len(self._runs) >= self._most_runs:
            self._refuse(key)
            return False
        self._is_full = False
        try:
            state = self._ledger.state_of(key)
            if state is not None:
                self._take_up(key, state, now_ns)
                _log.info("run %s goes on", key)
                return True
            fold = Fold(key)
        except LedgerCorruptError:
            fold = self._anew(key)
            _log.exception("run %s has a damaged state and begins anew", key)
        self._runs[key] = Tended(fold, encode_state(fold))
        return True

    def _refuse(self, key: RunKey) -> None:
        self.refused += 1
        if not self._is_full:
            _log.warning(
                "run %s is refused: %d runs are in memory already; look for a job "
                "that makes up run ids (GOODPUT_RUN_ID)",
                key,
                len(self._runs),
            )
        self._is_full = True

    def _anew(self, key: RunKey) -> Fold:
        """Begin a run again behind its last entry: no instant is booked twice."""
        fold = Fold(key)
        ends = [segment.span.end_ns for segment in self._segments(key, None)]
        if ends:
            fold.opened_ns = fold.line_ns = max(ends)
        return fold

    def _segments(self, key: RunKey, window: Span | None) -> list[Segment]:
        try:
            return list(self._ledger.segments(key, window))
        except LedgerCorruptError:
            _log.exception("run %s: its earlier entries cannot be read", key)
            return []

    def _take_up(self, key: RunKey, state: bytes, now_ns: int) -> None:
        fold = decode_state(state)
        fold.resumed_ns = now_ns
        tended = Tended(fold, state)
        lately = Span(now_ns - DAY_NS, now_ns)
        booked: list[Booking] = [*self._segments(key, lately), *fold.book.decided_since]
        tended.published.add(booked, now_ns)
        tended.published.counted = counted_of(fold)
        self._runs[key] = tended
        for name in fold.lives:
            self._router.bind(name, key)
        if fold.placed is not None:
            self._router.locate(fold.placed)
        for agent in fold.delivered:
            self._agents.setdefault(agent, set()).add(key)

    def _decide(self, now_ns: int, meta: dict[str, str]) -> Batch | None:
        bookings: list[tuple[RunKey, Booking]] = []
        states: dict[RunKey, bytes] = {}
        closed: set[RunKey] = set()
        for key, tended in self._runs.items():
            fold = tended.fold
            if fold.ended_ns is not None and not tended.changed:
                continue
            decided = self._decide_one(key, tended, now_ns)
            if decided is None:
                continue
            pending, states[key] = decided
            bookings += [(key, booking) for booking in pending]
            if tended.fold.ended_ns is not None:
                closed.add(key)
        if not states and not meta:
            return None
        return Batch(
            booked_ns=now_ns,
            bookings=bookings,
            states=states,
            closed=frozenset(closed),
            meta=meta,
        )

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
        tended.changed = bool(fold.inbox or fold.exits or fold.turns)
        return pending, state

    def _set_back(self, key: RunKey, tended: Tended) -> None:
        _log.exception("run %s cannot go on; back to its last commit", key)
        self.setbacks += 1
        tended.fold = decode_state(tended.state)
        tended.fold.inbox, tended.fold.exits = [], []

    def _commit(self, batch: Batch) -> bool:
        batch = self._with_totals(batch)
        try:
            self._ledger.append(batch)
        except AccountingError:
            if len(batch.states) > 1:
                return self._commit_apart(batch)
            for key in batch.states:
                self._set_back(key, self._runs[key])
            return True
        except LedgerError as exc:
            self.failures += 1
            if self._unsent is None:
                _log.exception(
                    "the ledger took nothing; %d entries wait", len(batch.bookings)
                )
            else:
                _log.warning("the ledger still takes nothing: %s", exc)
            self._unsent = batch
            return False
        if self._unsent is not None:
            _log.info("the ledger takes entries again")
        self._unsent = None
        self.commits += 1
        self.entries += len(batch.bookings)
        self._publish(batch)
        return True

    def _with_totals(self, batch: Batch) -> Batch:
        """Commit what the groups of runs come to together with what makes it so."""
        owners = {key: self._runs[key].fold.owner for key in batch.states}
        own = {k: v for k, v in batch.meta.items() if not k.startswith(GROUP)}
        ahead = self._rollups.ahead(batch.bookings, owners)
        totals = {
            f"{GROUP}{group}": json.dumps(encode(totals), separators=(",", ":"))
            for group, totals in ahead.items()
        }
        return replace(batch, meta={**own, **totals})

    def _commit_apart(self, batch: Batch) -> bool:
        """Commit run by run: what can never be stored costs its own run only."""
        keys = list(batch.states)
        for number, key in enumerate(keys):
            if not self._commit(_only(batch, {key})):
                self._unsent = _only(batch, set(keys[number:]))
                return False
        return True

    def _publish(self, batch: Batch) -> None:
        owners = {key: self._runs[key].fold.owner for key in batch.states}
        self._rollups.totals.update(self._rollups.ahead(batch.bookings, owners))
        self._rollups.remember(batch.bookings, owners, batch.booked_ns)
        booked: dict[RunKey, list[Booking]] = {key: [] for key in batch.states}
        for key, booking in batch.bookings:
            booked[key].append(booking)
        for key, state in batch.states.items():
            tended = self._runs[key]
            tended.state = state
            tended.published.add(booked[key], batch.booked_ns)
            tended.published.counted = counted_of(tended.fold)
            tended.closed_ns = batch.booked_ns if key in batch.closed else None

    def _forget(self, now_ns: int) -> None:
        """Let finished runs go out of sight; the ledger keeps them."""
        gone = {
            key
            for key, tended in self._runs.items()
            if not (tended.closed_ns is None or tended.changed or self._is_behind)
            and now_ns - tended.closed_ns > self._retention_ns
        }
        for key in gone:
            del self._runs[key]
        self._router.forget(gone)
        for agent in list(self._agents):
            self._agents[agent] -= gone
            if not self._agents[agent]:
                del self._agents[agent]
        lives = sum(len(tended.fold.lives) for tended in self._runs.values())
        if self._router.incarnations > 2 * lives + STRAYS:
            self._router.keep(
                {
                    name: key
                    for key, tended in self._runs.items()
                    for name in tended.fold.lives
                }
            )
