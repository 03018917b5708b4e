"""Every object that matters, by who it is, and the run that each belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.sources.loose import Fields
from goodput_exporter.sources.workloads import nodes, pod_words, pods, workload
from goodput_exporter.sources.workloads.devices import Claim, claimed
from goodput_exporter.sources.workloads.entry import Entry, Use
from goodput_exporter.sources.workloads.history import dated, learn
from goodput_exporter.sources.workloads.identity import key_of, run_id_of
from goodput_exporter.sources.workloads.nodes import NodeRecord
from goodput_exporter.sources.workloads.owners import Owners, Ref
from goodput_exporter.sources.workloads.pods import PodRecord
from goodput_exporter.sources.workloads.run import Run, take_over
from goodput_exporter.sources.workloads.table import LWS
from goodput_exporter.sources.workloads.workload import WorkRecord


@dataclass(slots=True)
class Register:
    """
    What is known of a cluster.

    Args:
        cluster: Its name in run keys.
        run_id_label: Label or annotation that states a run id.
        team_labels: Labels that name a team, the first that is there.
        owners: Who owns whom.
        pods, works: By uid; pods that may hold GPUs, workloads of every kind.
        nodes: By name.
        runs: By key.
        key_of: The run of every pod and workload; None for no training.
        on_node: Pods by node.
        stated: Run ids that objects state, by uid.
        reported: Run ids that ranks report, by their top owner's uid.
        sizes: GPUs of claims, by namespace, and the claims' uids.
        touched: Runs that something has changed for.
        moved: Runs that lost an object to another run, with that run.
    """

    cluster: str
    run_id_label: str
    team_labels: tuple[str, ...] = ()
    owners: Owners = field(default_factory=Owners)
    pods: dict[str, PodRecord] = field(default_factory=dict)
    works: dict[str, WorkRecord] = field(default_factory=dict)
    nodes: dict[str, NodeRecord] = field(default_factory=dict)
    runs: dict[RunKey, Run] = field(default_factory=dict)
    key_of: dict[str, RunKey | None] = field(default_factory=dict)
    on_node: defaultdict[str, set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    stated: dict[str, str] = field(default_factory=dict)
    reported: dict[str, str] = field(default_factory=dict)
    sizes: dict[tuple[str, Claim], tuple[str, int]] = field(default_factory=dict)
    touched: set[RunKey] = field(default_factory=set)
    moved: dict[RunKey, RunKey | None] = field(default_factory=dict)

    def take_pod(self, ref: Ref, raw: Fields, seen_ns: int) -> bool:
        """Note a pod as it is now; return False if it can hold no GPU."""
        record = self.pods.get(ref.uid)
        if record is None:
            record = pods.record_of(raw, ref, seen_ns, self.team_labels)
            if not record.ask.is_any:
                self._note_link(ref, raw)
                return False
            self.pods[ref.uid] = record
        node = record.node
        pods.refresh(record, raw, seen_ns)
        if record.node != node:
            self.on_node.get(node, set()).discard(ref.uid)
            self.on_node[record.node].add(ref.uid)
        was_gated = pods.is_gated(record)
        learn(
            record.words,
            pod_words.words_of(raw, record.created_ns, seen_ns, was_gated=was_gated),
        )
        record.is_over = record.is_over or pods.is_over(raw)
        self._place(ref, raw, run_id_of(raw, (), self.run_id_label), seen_ns)
        return True

    def _note_link(self, ref: Ref, raw: Fields) -> None:
        """Keep who owns the leader of a group: its workers are owned by it."""
        labels = raw.get("metadata")
        stated = labels.get("labels") if isinstance(labels, dict) else None
        if isinstance(stated, dict) and LWS + "name" in stated:
            self.owners.put(ref, raw)

    def drop_pod(self, uid: str, seen_ns: int, *, is_estimated: bool) -> bool:
        """Note that a pod's object is deleted; return False if it was not known."""
        record = self.pods.get(uid)
        if record is None:
            self.owners.drop(uid)
            return False
        learn(record.words, [pods.gone(record, seen_ns)])
        record.is_gone = record.is_over = True
        record.is_estimated = is_estimated
        self.touch(uid)
        if self.key_of.get(uid) is None:
            self.forget([uid])
        return True

    def take_work(self, ref: Ref, raw: Fields, entry: Entry, seen_ns: int) -> None:
        """Note a workload, or a queue's word on one, as it is now."""
        record = self.works.get(ref.uid)
        if record is None:
            record = workload.record_of(raw, ref, entry, seen_ns)
            self.works[ref.uid] = record
        parts = list(entry.parts(raw))
        workload.refresh(record, raw, parts, seen_ns)
        self._place(ref, raw, run_id_of(raw, parts, self.run_id_label), seen_ns)

    def drop_work(self, uid: str, seen_ns: int, *, is_estimated: bool) -> bool:
        """Note that a workload's object is deleted."""
        record = self.works.get(uid)
        if record is None:
            return False
        own_ns = record.told_ns
        record.gone_ns = dated(own_ns, record.created_ns, seen_ns)
        record.is_estimated = is_estimated and own_ns is None
        self.touch(uid)
        if self.key_of.get(uid) is None:
            self.forget([uid])
        return True

    def take_node(self, name: str, raw: Fields, seen_ns: int) -> None:
        """Note a node as it is now."""
        if nodes.refresh(self.nodes.setdefault(name, NodeRecord(name)), raw, seen_ns):
            self._touch_node(name)

    def drop_node(self, name: str, uid: str, seen_ns: int) -> bool:
        """Note that a node is gone, and its pods with it; not its successor's."""
        node = self.nodes.get(name)
        if node is None or node.uid not in {None, uid}:
            return False
        nodes.removed(node, seen_ns)
        self._touch_node(name)
        if not self.on_node.get(name):
            del self.nodes[name]
        return True

    def take_lease(self, name: str, raw: Fields, seen_ns: int) -> None:
        """Note until when a node's kubelet vouches for it."""
        nodes.lease(self.nodes.setdefault(name, NodeRecord(name)), raw, seen_ns)

    def take_claim(self, ref: Ref, raw: Fields) -> None:
        """Note how many GPUs a claim is for."""
        place = (ref.namespace, Claim(ref.kind, ref.name))
        before, size = self.size(*place), claimed(raw)
        self.sizes[place] = ref.uid, size
        if before != size:
            self.touched |= {key for key in self.runs if key.namespace == ref.namespace}

    def drop_claim(self, ref: Ref) -> None:
        """Forget a claim that no pod holds, and not its successor of the same name."""
        claim = Claim(ref.kind, ref.name)
        if self.sizes.get((ref.namespace, claim), ("", 0))[0] != ref.uid:
            return
        users = (
            pod
            for pod in self.pods.values()
            if claim in pod.ask.claims and pod.ref.namespace == ref.namespace
        )
        if next(users, None) is None:
            self.sizes.pop((ref.namespace, claim), None)

    def _place(self, ref: Ref, raw: Fields, run_id: str, seen_ns: int) -> None:
        """Find the run of an object, and of all that it owns where that may change."""
        is_new = self.owners.put(ref, raw)
        is_new |= self.stated.get(ref.uid, "") != run_id
        if run_id:
            self.stated[ref.uid] = run_id
        else:
            self.stated.pop(ref.uid, None)
        if is_new:
            for uid in list(self.owners.below(ref.uid)):
                self._assign(uid, seen_ns)
        self.touch(ref.uid)

    def _assign(self, uid: str, seen_ns: int) -> None:
        record = self.pods.get(uid) or self.works.get(uid)
        if record is None:
            return
        chain = self.owners.chain(record.ref)
        reported = self.reported.get(chain[-1].uid, "")
        key = key_of(chain, self.cluster, self._stated_by, reported)
        is_known = uid in self.key_of
        before = self.key_of.get(uid)
        self.key_of[uid] = key
        if is_known and before == key:
            return
        if before is not None:
            _members(self.runs[before], record).pop(uid, None)
            self.moved[before] = key
            self.touched.add(before)
        if key is not None:
            run = self.runs.setdefault(key, Run(key, seen_ns=seen_ns))
            if before is not None:
                take_over(run, self.runs[before], seen_ns)
            _members(run, record)[uid] = record
            self.touched.add(key)

    def _stated_by(self, uid: str) -> str:
        return self.stated.get(uid, "")

    def report(self, uid: str, run_id: str, began_ns: int) -> str:
        """
        Note which run a pod's rank says it is of, where nothing else says it.

        A label decides before it, and so does what was reported first. A run that
        other owners' pods are of at present is theirs: to be of it, a label that its
        owner may set has to say so. Its process began at *began_ns*.

        Returns:
            The uid of the top owner that it names from now on; ``""`` if none.
        """
        chain = self.owners.chain(self.pods[uid].ref)
        top = chain[-1]
        if any(map(self._stated_by, (ref.uid for ref in chain))):
            return ""
        if top.uid in self.reported or self.key_of.get(uid) is None:
            return ""
        wanted = self.runs.get(RunKey(self.cluster, top.namespace, run_id))
        if wanted is not None and any(
            not pod.is_over and self.owners.chain(pod.ref)[-1].uid != top.uid
            for pod in wanted.pods.values()
        ):
            return ""
        self.name_run(top.uid, run_id, began_ns)
        return top.uid

    def name_run(self, top: str, run_id: str, seen_ns: int) -> None:
        """Name the run of all that an object owns, now and when it comes."""
        self.reported[top] = run_id
        for uid in list(self.owners.below(top)):
            self._assign(uid, seen_ns)

    def touch(self, uid: str) -> None:
        """Note that the run of an object has to be looked at."""
        key = self.key_of.get(uid)
        if key is not None:
            self.touched.add(key)

    def _touch_node(self, name: str) -> None:
        for uid in self.on_node.get(name, ()):
            self.touch(uid)

    def forget(self, uids: Iterable[str]) -> None:
        """Forget objects that are gone and that no run needs any more."""
        for uid in uids:
            pod = self.pods.pop(uid, None)
            if pod is not None:
                self._leave_node(pod)
            self.works.pop(uid, None)
            self.key_of.pop(uid, None)
            self.stated.pop(uid, None)
            self.reported.pop(uid, None)
            self.owners.drop(uid)

    def _leave_node(self, pod: PodRecord) -> None:
        here = self.on_node.get(pod.node)
        if here is None:
            return
        here.discard(pod.ref.uid)
        if not here:
            del self.on_node[pod.node]
            node = self.nodes.get(pod.node)
            if node is not None and node.is_gone:
                del self.nodes[pod.node]

    def size(self, namespace: str, claim: Claim) -> int:
        """Return how many GPUs a claim is for, as far as is known."""
        return self.sizes.get((namespace, claim), ("", 0))[1]

    def devices(self, pod: PodRecord) -> int:
        """Return the GPUs that a pod asks for, those of its claims included."""
        claims = (self.size(pod.ref.namespace, claim) for claim in pod.ask.claims)
        return pod.ask.devices + sum(claims)

    def holding(self, name: str) -> Iterator[PodRecord]:
        """Yield the pods that hold devices of a node: bound, and not over."""
        for uid in sorted(self.on_node.get(name, ())):
            pod = self.pods[uid]
            if not pod.is_over and not pod.is_gone:
                yield pod


def _members(run: Run, record: PodRecord | WorkRecord) -> dict[str, object]:
    """Return those of a run's objects among which a record belongs."""
    if isinstance(record, PodRecord):
        return run.pods  # type: ignore[return-value]  # one map per kind of record
    if record.entry.use is Use.QUEUES:
        return run.queues  # type: ignore[return-value]  # see above
    return run.works  # type: ignore[return-value]  # see above
