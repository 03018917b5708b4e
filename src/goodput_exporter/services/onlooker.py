"""Looks at containers that hold GPUs and say nothing, and guesses what they do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from goodput_exporter.domain.holdings import Attributed, Holding, Sharing
from goodput_exporter.domain.node_view import HangSuspicion, InferenceView
from goodput_exporter.domain.observations import (
    GpuSample,
    RankExited,
    RankReport,
    RunObservation,
)
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.cgroup_usage import CgroupUsage
from goodput_exporter.sources.inference.guesses import PATIENCE_NS, Guesses
from goodput_exporter.sources.inference.looks import Look, Usage
from goodput_exporter.sources.inference.watched import Container
from goodput_exporter.sources.pod_directory import (
    ContainerRecord,
    PodDirectory,
    PodRecord,
)
from goodput_exporter.sources.workloads.identity import RUN_ID_LABEL
from goodput_exporter.sources.workloads.table import OTHERS

USAGE_NS: Final = 5 * NS_PER_SECOND
"""Some ten files per container; half a window is soon enough to tell waits apart."""
TOLD_NS: Final = 5 * NS_PER_SECOND
"""As often as batches are made."""
MOST_NAMED: Final = 4_096
"""Ranks without a pod whose GPUs are kept in mind, before old ones are forgotten."""
FRESH_NS: Final = 5 * NS_PER_SECOND
"""A GPU whose last sample is older shows nothing of the present."""


class Onlooker:
    """
    Watches the training containers of one node that report nothing themselves.

    The samples of their GPUs are there anyway; the files of their cgroups are read
    every few seconds only.

    Args:
        usage: Reads what containers use.
    """

    def __init__(self, usage: CgroupUsage) -> None:
        self._usage = usage
        self._guesses = Guesses()
        self._asked: tuple[Attributed, PodDirectory] | None = None
        self._containers: dict[str, Container] = {}
        self._pods: dict[str, PodRecord] = {}
        self._named: dict[str, tuple[tuple[str, ...], int]] = {}
        self._stranger_ns: int | None = None
        self._used: dict[str, Usage | None] = {}
        self._used_ns = 0
        self._told_ns = 0
        self._view = InferenceView()

    def look(
        self,
        held: Attributed | None,
        directory: PodDirectory,
        gpus: Iterable[GpuSample],
        now_ns: int,
    ) -> list[RunObservation]:
        """
        Look once, and return what containers would report, every few seconds.

        Args:
            held: Who holds which GPU; None is not known, and the last answer holds.
            directory: The node's pods.
            gpus: The newest sample of each GPU that answers.
            now_ns: The present.
        """
        gone = [] if held is None else self._ask(held, directory, now_ns)
        is_guessing = not self._is_strange(now_ns)
        self._guesses.watch(self._containers.values() if is_guessing else (), now_ns)
        self._read_usage(now_ns)
        fresh = {gpu.uuid: gpu for gpu in gpus if now_ns - gpu.at_ns < FRESH_NS}
        for place, one in self._containers.items():
            seen = tuple(fresh[uuid] for uuid in one.gpus if uuid in fresh)
            if seen:
                at_ns = max(gpu.at_ns for gpu in seen)
                self._guesses.look(place, Look(at_ns, seen, self._used.get(place)))
        return [*gone, *self._reports(now_ns)]

    def hear(self, seen: Iterable[RunObservation], now_ns: int) -> None:
        """
        Note who speaks for himself.

        A rank of which no pod is known may be any pod's, unless it names the GPUs
        that it uses: nobody is guessed at while such a one speaks.
        """
        for one in seen:
            if isinstance(one, RankReport):
                self._hear(one, now_ns)

    def view(self) -> InferenceView:
        """Return who looked like a hang that keeps its GPUs busy when it was told."""
        return self._view

    def _viewed(self) -> InferenceView:
        suspicions = tuple(
            HangSuspicion(
                self._pods[one.container.pod].name,
                one.container.name,
                one.confidence,
                one.ratio,
                one.odd_ones,
            )
            for one in self._guesses.suspicions()
            if one.container.pod in self._pods
        )
        return InferenceView(suspicions, self._guesses.refused)

    def state(self, now_ns: int) -> str:
        """Say in a sentence whom this looks at."""
        if self._is_strange(now_ns):
            return "nobody is guessed at: a rank speaks whose pod and GPUs are unknown"
        return f"containers that hold whole GPUs for training: {len(self._containers)}"

    def _hear(self, report: RankReport, now_ns: int) -> None:
        pods = self._speakers(report, now_ns)
        for pod in pods:
            self._guesses.spoke(pod, report.at_ns, is_bye=report.is_bye)
        if not pods and not report.is_bye:
            self._stranger_ns = now_ns

    def _speakers(self, report: RankReport, now_ns: int) -> set[str]:
        """Return the uids of the pods that a report can be from; empty is unknown."""
        if report.pod is not None:
            found = {
                uid
                for uid, pod in self._pods.items()
                if report.pod in {uid, "/".join(pod.name)}
            }
            # A pod that is known and holds no GPU of ours is nobody's concern here.
            return found or {report.pod}
        # Said when a rank begins, and once a minute.
        uuids, _ = self._named.get(report.incarnation, ((), 0))
        if report.facts is not None and report.facts.gpu_uuids:
            uuids = report.facts.gpu_uuids
        if len(self._named) >= MOST_NAMED:
            self._forget(now_ns)
        self._named[report.incarnation] = uuids, now_ns
        return {
            one.pod for one in self._containers.values() if set(one.gpus) & set(uuids)
        }

    def _forget(self, now_ns: int) -> None:
        self._named = {
            name: (uuids, at_ns)
            for name, (uuids, at_ns) in self._named.items()
            if now_ns - at_ns < PATIENCE_NS
        }

    def _is_strange(self, now_ns: int) -> bool:
        last_ns = self._stranger_ns
        return last_ns is not None and now_ns - last_ns < PATIENCE_NS

    def _ask(
        self, held: Attributed, directory: PodDirectory, now_ns: int
    ) -> list[RankExited]:
        """Find the containers anew where an answer is; return which have ended."""
        asked = self._asked
        if asked is not None and asked[0] is held and asked[1] is directory:
            return []
        self._asked = held, directory
        before = self._containers
        pods = _pods_of(held, directory)
        self._pods = {pod.uid: pod for pod in pods}
        found = containers_of(held.holdings, pods)
        self._containers = {one.place: one for one in found}
        self._usage.keep(one.id for one in found)
        ended = [
            self._guesses.gone(place, *_end_of(one, directory, now_ns))
            for place, one in before.items()
            if place not in self._containers and _is_over(one, directory)
        ]
        return [one for one in ended if one is not None]

    def _read_usage(self, now_ns: int) -> None:
        if now_ns - self._used_ns < USAGE_NS:
            return
        self._used_ns = now_ns
        self._used = {
            place: self._usage.read(one.id, now_ns)
            for place, one in self._containers.items()
        }

    def _reports(self, now_ns: int) -> list[RankReport]:
        if now_ns - self._told_ns < TOLD_NS:
            return []
        self._told_ns = now_ns
        self._view = self._viewed()
        return self._guesses.reports()


def is_training(pod: PodRecord) -> bool:
    """
    Tell whether a pod may be part of a training run.

    What serves or is somebody's desk is none, unless it carries a run id: the same
    words by which the aggregator tells them apart.
    """
    return RUN_ID_LABEL in pod.stated or pod.owner not in OTHERS


def containers_of(
    holdings: Iterable[Holding], pods: Sequence[PodRecord]
) -> list[Container]:
    """
    Return the running containers that hold whole GPUs, of pods that may train.

    Of a GPU that is shared nobody can tell whose work it does, and of a MIG device
    nothing is told: whoever holds one of these is left out.
    """
    known = {pod.name: pod for pod in pods if is_training(pod)}
    gpus: dict[tuple[str, str], list[str]] = {}
    shared: set[tuple[str, str]] = set()
    for one in holdings:
        pod = known.get(one.pod)
        if pod is None:
            continue
        key = pod.uid, one.container
        if one.sharing is not Sharing.NONE:
            shared.add(key)
        gpus.setdefault(key, []).append(one.gpu_uuid)
    return [
        Container(
            pod.uid,
            life.name,
            life.id,
            life.started_ns,
            tuple(gpus[pod.uid, life.name]),
            pod.stated.get(RUN_ID_LABEL),
            pod.name.namespace,
        )
        for pod in known.values()
        for life in pod.containers
        if life.ended_ns is None
        and (pod.uid, life.name) in gpus
        and (pod.uid, life.name) not in shared
    ]


def _pods_of(held: Attributed, directory: PodDirectory) -> list[PodRecord]:
    names = dict.fromkeys(one.pod for one in held.holdings)
    return [pod for name in names if (pod := directory.by_name(name)) is not None]


def _life_of(one: Container, directory: PodDirectory) -> ContainerRecord | None:
    pod = directory.by_uid(one.pod)
    lives = () if pod is None else pod.containers
    return next((life for life in lives if life.id == one.id), None)


def _is_over(one: Container, directory: PodDirectory) -> bool:
    """Tell whether a container has ended; the kubelet may list its GPUs no more."""
    life = _life_of(one, directory)
    return life is None or life.ended_ns is not None


def _end_of(
    one: Container, directory: PodDirectory, now_ns: int
) -> tuple[int, int | None]:
    """Return when a container ended, and its exit code where that was told."""
    life = _life_of(one, directory)
    if life is None or life.ended_ns is None:
        return now_ns, None
    # Dated to the second, so it may lie before what was seen last, never after now.
    return min(now_ns, life.ended_ns + NS_PER_SECOND - 1), life.exit_code
