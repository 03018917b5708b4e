"""Whose run a node's ranks are of: by the pod that the kernel vouches for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.observations import (
    Delivered,
    GpuReading,
    RankExited,
    RankReport,
)
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.services.held_ranks import META as HELD
from goodput_exporter.services.held_ranks import OfRank, decode_held, encode_held
from goodput_exporter.services.sharding import Shard
from goodput_exporter.sources.workloads.lookups import pod_named, pod_of, runs_on
from goodput_exporter.sources.workloads.tracker import Tracker

META: Final = "named/"
"""Names in the ledger's meta begin with this: a top owner's uid follows."""
PATIENCE_NS: Final = 10 * NS_PER_SECOND
"""How long a rank waits for its pod to be seen: watches are behind by less."""
MOST_KNOWN: Final = 200_000
MOST_HELD: Final = 50_000


@dataclass(slots=True)
class NamingCounts:
    """
    What was decided against what senders say of themselves.

    Args:
        refused_claims: Incarnations that named a run which is not theirs; they are
            booked as themselves.
        unplaced: Incarnations whose pod nobody knew within the patience.
        elsewhere: Observations of runs that another shard books.
        dropped: Observations that came while too many waited for their pod.
    """

    refused_claims: int = 0
    unplaced: int = 0
    elsewhere: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """Something of an incarnation whose pod is not known yet."""

    node: str
    seen: OfRank


class Naming:
    """
    Gives every report the run of its pod, and keeps what is another shard's.

    The label decides, else what the SDK says, else the pod's top owner. A pod that
    names the run of other pods is booked as itself. A rank whose pod was not seen
    yet waits for it, for a while. Its agent is told meanwhile that the ledger has
    what it said, so the ledger has: with the news, until the pod is known.

    Args:
        tracker: Knows the pods.
        shard: Which runs are ours.
        cluster, namespace: Of runs that no pod tells the name of.
        patience_ns: How long a rank waits for its pod.
    """

    def __init__(
        self,
        tracker: Tracker,
        shard: Shard,
        *,
        cluster: str,
        namespace: str,
        patience_ns: int = PATIENCE_NS,
    ) -> None:
        self._tracker = tracker
        self._shard = shard
        self._cluster, self._namespace = cluster, namespace
        self._patience_ns = patience_ns
        self._known: OrderedDict[str, RunKey] = OrderedDict()
        self._held: OrderedDict[str, tuple[int, list[Held]]] = OrderedDict()
        self._holding = 0
        self._news: dict[str, str] = {}
        self._changed: set[str] = set()
        self._written: set[str] = set()
        self.gpu_names: dict[str, str] = {}
        self.counts = NamingCounts()

    def resume(self, meta: Mapping[str, str], now_ns: int) -> None:
        """Go on with the names that ranks have given their runs, and who waits."""
        for name, run_id in meta.items():
            if name.startswith(META):
                self._tracker.register.name_run(name.removeprefix(META), run_id, 0)
        for node, seen in decode_held(meta):
            self._written.add(node)
            for each in seen:
                self._hold(Held(node, each), now_ns)

    def know(self, incarnations: Iterable[str], key: RunKey) -> None:
        """Go on with ranks whose run an earlier life of ours has found."""
        for incarnation in incarnations:
            self._remember(incarnation, key)

    def news(self) -> dict[str, str]:
        """Return what a later life must know, until it is settled."""
        waiting: dict[str, list[OfRank]] = {node: [] for node in self._changed}
        for _, held in self._held.values():
            for each in held:
                if each.node in waiting:
                    waiting[each.node].append(each.seen)
        said = {
            HELD + node: encode_held(node, seen)
            for node, seen in waiting.items()
            if seen or node in self._written
        }
        return {**self._news, **said}

    def settle(self, *, is_committed: bool) -> None:
        """Tell whether the news so far is in the ledger."""
        if not is_committed:
            return
        self._news.clear()
        waiting = {each.node for _, held in self._held.values() for each in held}
        self._written -= self._changed - waiting
        self._written |= self._changed & waiting
        self._changed.clear()

    def named(
        self, seen: Iterable[object], node: str, now_ns: int
    ) -> list[Observation]:
        """
        Return what can be booked now of an agent's delivery.

        Args:
            seen: As delivered.
            node: The one that the agent may speak for. Its deliveries are named by
                it, as placements do; only so is it known whose word is awaited.
            now_ns: The present.
        """
        found: list[Observation] = []
        for each in seen:
            match each:
                case RankReport() | RankExited():
                    found += self._of_rank(Held(node, each), now_ns)
                case Delivered():
                    found.append(Delivered(node, each.through_ns))
                case Evidence():
                    found.append(each)
                case GpuReading():
                    if self.gpu_names.get(each.uuid) != each.name:
                        self.gpu_names = {**self.gpu_names, each.uuid: each.name}
                case _:
                    pass  # what a GPU says is for its own node's page
        return found

    def ripe(self, now_ns: int) -> Iterator[tuple[str, list[Observation]]]:
        """Yield by node what has waited for a pod that is known now, or too long."""
        for incarnation, (since_ns, held) in list(self._held.items()):
            is_late = now_ns - since_ns >= self._patience_ns
            key = self._find(held, is_late=is_late)
            if key is None:
                continue
            del self._held[incarnation]
            self._holding -= len(held)
            self._changed |= {each.node for each in held}
            self._remember(incarnation, key)
            ready = [one for each in held for one in self._given(each.seen, key)]
            yield held[0].node, ready

    def _of_rank(self, new: Held, now_ns: int) -> list[Observation]:
        incarnation = new.seen.incarnation
        key = self._known.get(incarnation)
        if key is None:
            self._hold(new, now_ns)
            return []
        self._known.move_to_end(incarnation)
        return self._given(new.seen, key)

    def _hold(self, new: Held, now_ns: int) -> None:
        waiting = self._held.setdefault(new.seen.incarnation, (now_ns, []))[1]
        if self._holding >= MOST_HELD:
            self.counts.dropped += 1
            return
        waiting.append(new)
        self._holding += 1
        self._changed.add(new.node)

    def _find(self, held: list[Held], *, is_late: bool) -> RunKey | None:
        """Return the run of an incarnation; None while its pod may yet be seen."""
        report = next((h.seen for h in held if isinstance(h.seen, RankReport)), None)
        node = held[0].node if held else ""
        if report is None:
            # An exit alone: an earlier life of ours knew the incarnation.
            return RunKey(self._cluster, self._namespace, "") if is_late else None
        if report.pod is None:
            return self._by_node(report, node)
        uid = pod_named(self._tracker.register, node, report.pod)
        if uid:
            return self._by_pod(report, uid)
        if not is_late:
            return None
        self.counts.unplaced += 1
        return self._by_word(report, self._namespace_of(report.pod))

    def _by_pod(self, report: RankReport, uid: str) -> RunKey:
        register = self._tracker.register
        said = report.run_id
        key = register.key_of.get(uid)
        if key is not None and said and said != key.run:
            top = register.report(uid, said, report.at_ns - report.up_ns)
            if top:
                self._news[META + top] = said
            elif not self._is_labelled(uid):
                self.counts.refused_claims += 1
        identity = pod_of(register, uid)
        if identity is None:
            return self._by_word(report, register.pods[uid].ref.namespace)
        return identity.key

    def _is_labelled(self, uid: str) -> bool:
        """Tell whether a label names a pod's run, so that the SDK need not."""
        register = self._tracker.register
        chain = register.owners.chain(register.pods[uid].ref)
        return any(register.stated.get(ref.uid) for ref in chain)

    def _by_node(self, report: RankReport, node: str) -> RunKey:
        """Name a rank of which no pod is known, by the runs that its node has."""
        here = sorted(runs_on(self._tracker.register, node))
        named = [key for key in here if key.run == report.run_id]
        if named:
            return named[0]
        if len(here) == 1 and not report.run_id:
            return here[0]
        return self._by_word(report, self._namespace)

    def _by_word(self, report: RankReport, namespace: str) -> RunKey:
        """Take a rank at its word, unless that is the run of pods elsewhere."""
        itself = f"unnamed-{report.incarnation}"
        key = RunKey(self._cluster, namespace, report.run_id or itself)
        run = self._tracker.register.runs.get(key)
        if run is not None and run.pods:
            self.counts.refused_claims += 1
            return RunKey(self._cluster, namespace, itself)
        return key

    def _namespace_of(self, pod: str) -> str:
        namespace, slash, _ = pod.partition("/")
        return namespace if slash else self._namespace

    def _remember(self, incarnation: str, key: RunKey) -> None:
        if key.run:
            self._known[incarnation] = key
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def _given(self, seen: RankReport | RankExited, key: RunKey) -> list[Observation]:
        """Return an observation as its run's; nothing where another shard books it."""
        if key.run and not self._shard.owns(key):
            self.counts.elsewhere += 1
            return []
        if isinstance(seen, RankReport):
            seen.run_id, seen.namespace = key.run, key.namespace
        return [seen]
