"""Whom the agent guesses at: silent containers of training pods, and nobody else."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from goodput_exporter.domain.allocations import PodName
from goodput_exporter.domain.holdings import Attributed, Holding, Sharing
from goodput_exporter.domain.observations import (
    GpuSample,
    ModelFacts,
    RankExited,
    RankReport,
    RunObservation,
)
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase
from goodput_exporter.services.agent_views import suspects
from goodput_exporter.services.onlooker import Onlooker, containers_of
from goodput_exporter.sources.cgroup_usage import CgroupUsage
from goodput_exporter.sources.pod_directory import (
    ContainerRecord,
    PodDirectory,
    PodRecord,
)
from tests.fakes.gpu_traces import START_NS

ID = "ab" * 32
NAME = PodName("ml", "llama-0")
LIFE = ContainerRecord("train", ID, START_NS)
POD = PodRecord(NAME, "uid-0", owner=("batch", "Job"), containers=(LIFE,))
HELD = Holding(NAME, "uid-0", "train", "GPU-0", frozenset(), Fraction(1), Sharing.NONE)


def held(*holdings: Holding) -> Attributed:
    """Return who holds what."""
    return Attributed(holdings, {}, {})


def gpu(second: int, *, busy: float = 1.0, watts: float = 350.0) -> GpuSample:
    """Return what an A100 with a context shows."""
    return GpuSample(
        0,
        "GPU-0",
        "NVIDIA A100-SXM4-80GB",
        START_NS + second * NS_PER_SECOND,
        busy_ratio=busy,
        memory_used_bytes=40 * 2**30,
        memory_total_bytes=80 * 2**30,
        power_watts=60.0 if second < 5 else watts,
        power_limit_watts=400.0,
    )


class Node:
    """A node of one GPU, whose kubelet and ranks say what they are told to."""

    def __init__(self, folder: Path) -> None:
        self.onlooker = Onlooker(CgroupUsage(folder, folder))
        self.held: Attributed | None = held(HELD)
        self.pods = PodDirectory([POD])
        self.second = 0

    def lives(
        self, seconds: int, *said: RankReport, watts: float = 350.0
    ) -> list[RunObservation]:
        """Let time go by; ranks say the same each second."""
        found: list[RunObservation] = []
        for _ in range(seconds):
            self.second += 1
            now_ns = START_NS + self.second * NS_PER_SECOND
            self.onlooker.hear([replace(one, at_ns=now_ns) for one in said], now_ns)
            sample = gpu(self.second, watts=watts)
            found += self.onlooker.look(self.held, self.pods, [sample], now_ns)
        return found


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Give a node on which one training pod says nothing."""
    return Node(tmp_path)


def rank(pod: str | None, **changes: object) -> RankReport:
    """Return what a rank says."""
    said = RankReport(
        "a1" * 8, 1, START_NS, 10, Phase.TRAIN_STEP, 1, {Phase.TRAIN_STEP: 10}, pod=pod
    )
    return replace(said, **changes)  # type: ignore[arg-type]  # any of its fields


def test_a_silent_pod_is_guessed_at(node: Node) -> None:
    """Its reports are marked, come every few seconds, and name no step."""
    reports = [one for one in node.lives(60) if isinstance(one, RankReport)]

    assert 8 <= len(reports) <= 12
    newest = reports[-1]
    assert (newest.source, newest.pod, newest.namespace) == ("inferred", "uid-0", "ml")
    assert newest.phase is Phase.TRAIN_STEP
    assert newest.step is None


@pytest.mark.parametrize("said_as", ["ml/llama-0", "uid-0"])
def test_a_pod_that_speaks_is_not_guessed_at(node: Node, said_as: str) -> None:
    """The first word ends the guessing, by whichever name the pod is known."""
    before = node.lives(30)
    after = node.lives(30, rank(said_as))

    assert before
    assert after == []


def test_another_pods_word_is_its_own(node: Node) -> None:
    """A pod without a GPU of ours may speak as it likes."""
    assert node.lives(30, rank("ml/other"))


def test_a_stranger_may_be_anybody(node: Node) -> None:
    """Without a pod and GPUs nobody knows who speaks, so nobody is guessed at."""
    silenced = node.lives(30, rank(None))
    state = node.onlooker.state(START_NS + node.second * NS_PER_SECOND)
    again = node.lives(100)

    assert silenced == []
    assert "whose pod and GPUs are unknown" in state
    assert again


def test_a_stranger_is_known_by_its_gpus(node: Node) -> None:
    """A rank that names its GPU speaks for whoever holds it, from then on."""
    node.lives(1)
    hello = rank(None, facts=ModelFacts(gpu_uuids=("GPU-0",)))
    node.lives(1, hello)

    assert node.lives(30, rank(None)) == []
    assert "for training: 1" in node.onlooker.state(START_NS)


def test_a_container_that_ends_is_told_with_its_exit_code(node: Node) -> None:
    """The kubelet says how it ended; its next life is another incarnation."""
    node.lives(60)
    over = replace(LIFE, ended_ns=START_NS + 58 * NS_PER_SECOND, exit_code=137)
    heir = ContainerRecord("train", "cd" * 32, START_NS + 60 * NS_PER_SECOND)
    node.pods = PodDirectory([replace(POD, containers=(over, heir))])
    seen = node.lives(30)

    [end] = [one for one in seen if isinstance(one, RankExited)]
    after = {one.incarnation for one in seen if isinstance(one, RankReport)}
    assert end.exit_code == 137
    assert end.incarnation not in after
    assert after


def test_a_pod_that_is_gone_has_ended_nobody_knows_how(node: Node) -> None:
    """Its end lies between the last look and now."""
    node.lives(60)
    node.held, node.pods = held(), PodDirectory()
    [end] = [one for one in node.lives(2) if isinstance(one, RankExited)]

    assert end.exit_code is None
    assert end.since_ns is not None


def test_a_kubelet_that_is_away_ends_nobody(node: Node) -> None:
    """Not known is not nobody: what was known holds."""
    node.lives(30)
    node.held = None

    assert not any(isinstance(one, RankExited) for one in node.lives(30))


def test_a_hang_at_full_load_is_suspected(node: Node) -> None:
    """Busy GPUs that draw little more than at idle do not train."""
    node.lives(90)
    calm = node.onlooker.view().suspicions
    node.lives(90, watts=110.0)
    [suspect] = node.onlooker.view().suspicions

    assert [one.ratio for one in calm] == [0.0]
    assert (suspect.pod, suspect.container) == (NAME, "train")
    assert (suspect.ratio, suspect.confidence) == (1.0, "medium")
    assert [one["pod"] for one in suspects(node.onlooker)] == ["ml/llama-0"]


def test_a_driver_that_hangs_shows_nothing(node: Node) -> None:
    """An old sample that is repeated is no look at the present."""
    node.lives(30)
    now_ns = START_NS + 60 * NS_PER_SECOND
    last = node.onlooker.look(node.held, node.pods, [gpu(30)], now_ns)
    later = node.onlooker.look(
        node.held, node.pods, [gpu(30)], now_ns + 10 * NS_PER_SECOND
    )

    told = [one.at_ns for one in (*last, *later) if isinstance(one, RankReport)]
    assert len(set(told)) == 1


@pytest.mark.parametrize(
    ("pod", "holding", "is_watched"),
    [
        (POD, HELD, True),
        (replace(POD, owner=None), HELD, True),
        (replace(POD, owner=("apps", "ReplicaSet")), HELD, False),
        (replace(POD, owner=("kubeflow.org", "Notebook")), HELD, False),
        (
            replace(
                POD,
                owner=("apps", "ReplicaSet"),
                stated={"goodput-exporter/run-id": "llama"},
            ),
            HELD,
            True,
        ),
        (POD, replace(HELD, sharing=Sharing.TIME_SLICING), False),
        (POD, replace(HELD, sharing=Sharing.MIG, parts=frozenset({"MIG-1"})), False),
        (POD, replace(HELD, container="sidecar"), False),
        (replace(POD, containers=(replace(LIFE, ended_ns=1),)), HELD, False),
    ],
)
def test_only_whole_gpus_of_training_are_judged(
    pod: PodRecord,
    holding: Holding,
    is_watched: bool,  # noqa: FBT001 - a table's column
) -> None:
    """A server, a desk, or a part of a GPU would be guessed at wrongly."""
    assert bool(containers_of([holding], [pod])) == is_watched
