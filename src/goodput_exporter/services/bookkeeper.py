"""Runs and their books: observations in, one commit a tick, views of what it holds."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from goodput_exporter.domain.causes import Correction
from goodput_exporter.domain.describe import Around
from goodput_exporter.domain.fold import Fold, Observation
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.rollups import GroupView
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import NodeCause, RunView
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError, LedgerError
from goodput_exporter.ledger.gpu_lines import NO_GPUS
from goodput_exporter.ledger.ledger import Batch, Ledger
from goodput_exporter.services.committing import Committing
from goodput_exporter.services.correcting import correct
from goodput_exporter.services.deciding import Deciding
from goodput_exporter.services.gpu_bookkeeper import GpuBookkeeper, GpuPart
from goodput_exporter.services.group_totals import GroupTotals
from goodput_exporter.services.node_failures import NodeFailures
from goodput_exporter.services.routing import Router
from goodput_exporter.services.shelf import DAY_NS, RUNS, Shelf
from goodput_exporter.services.standstill import Standstill

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
        self._deciding = Deciding(self._shelf, rules, at_once)
        self._committing = Committing(
            ledger, self._shelf, self._groups, self._node_failures, gpus
        )
        self._silence_ns = silence_ns
        self._backlog: deque[tuple[Observation, str]] = deque(maxlen=BACKLOG)
        self._standstill = standstill
        self._up_to_date_ns = 0
        self._is_behind = False
        self._unread = 0

    @property
    def is_committing(self) -> bool:
        """Tell whether the ledger took what the last tick gave it."""
        return not self._is_behind

    @property
    def refused(self) -> int:
        """Return how many reports found no room for their run."""
        return self._shelf.refused

    @property
    def entries(self) -> int:
        """Return how many entries the ledger took."""
        return self._committing.entries

    @property
    def commits(self) -> int:
        """Return how often the ledger took something."""
        return self._committing.commits

    @property
    def failures(self) -> int:
        """Return how often the ledger could not be written, or read."""
        return self._committing.failures + self._unread

    @property
    def setbacks(self) -> int:
        """Return how often a run went back to its last commit, or a part was lost."""
        return self._shelf.setbacks + self._committing.left_out

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
                owner = self._shelf.owner_of(run.key)
            except LedgerCorruptError:
                continue  # said where the run itself was taken up
            booked = [(run.key, one) for one in self._shelf.segments(run.key, lately)]
            self._groups.remember(booked, {run.key: owner}, now_ns)

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
        correct(self._shelf, self._ledger, key, said, now_ns)

    def write_down(self, key: RunKey, now_ns: int) -> None:
        """
        Commit what was decided of one run, without letting time pass for it.

        Raises:
            LedgerError: The ledger took nothing.
        """
        self._committing.write_down(key, now_ns)

    def _look_at_clock(self, now_ns: int) -> None:
        """Wait for others' words as after a start where nobody could be heard."""
        if self._standstill is None or not self._standstill.is_over(now_ns):
            return
        self._shelf.come_back(now_ns)
        if self._gpus is not None:
            self._gpus.come_back(now_ns)

    def _go_on(self, now_ns: int, meta: dict[str, str]) -> bool:
        if not self._committing.retry() or not self._route_all(now_ns):
            return False
        batch, part = self._decide(now_ns, meta)
        is_news = batch.states or batch.heard or batch.meta or part.gpus is not NO_GPUS
        return not is_news or self._committing.commit(batch, part)

    def _route_all(self, now_ns: int) -> bool:
        """Give every observation to its run; what the ledger cannot tell now waits."""
        while self._backlog:
            seen, agent = self._backlog.popleft()
            try:
                self._shelf.route(seen, agent, now_ns)
            except LedgerError as exc:
                self._backlog.appendleft((seen, agent))
                self._unread += 1
                _log.warning("the ledger cannot be read, the tick waits: %s", exc)
                return False
        return True

    def _decide(self, now_ns: int, meta: dict[str, str]) -> tuple[Batch, GpuPart]:
        batch = self._deciding.decide(now_ns)
        part = GpuPart() if self._gpus is None else self._gpus.decide(now_ns)
        return replace(batch, meta={**meta, **part.meta}, gpus=part.gpus), part
