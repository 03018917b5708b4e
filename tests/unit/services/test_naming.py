"""Whose run a rank is of: its pod's, whatever it says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.observations import Delivered, RankExited, RankReport
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.services.naming import PATIENCE_NS, Naming
from goodput_exporter.services.sharding import Shard, shard_of
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.cluster import Pod, Raw, Story, job, meta, ns
from tests.fakes.observations import report

NOW_NS = ns(100)


def running(name: str, job_name: str = "", node: str = "n1", ip: str = "") -> list[Raw]:
    """Return a Job's running pod, and the Job."""
    owner = job(job_name or name)
    pod = Pod(f"{name}-0", owner)
    pod.bound(1, node)
    return [owner, pod.running(10, ip or f"10.0.0.{len(name)}")]


def scene(*raws: Raw, shard: Shard | None = None) -> tuple[Naming, Tracker]:
    """Return who names ranks in a cluster of these objects."""
    story = Story().see(10, *raws)
    named = Naming(story.tracker, shard or Shard(), cluster="c1", namespace="default")
    return named, story.tracker


def rank(pod: str | None, run_id: str | None = None, number: int = 1) -> RankReport:
    """Return what a rank says, and what the agent knows of its pod."""
    return replace(report(number, 5), pod=pod, run_id=run_id)


def heard(
    naming: Naming, *seen: object, node: str = "n1", now_ns: int = NOW_NS
) -> list[Observation]:
    """Return what can be booked of a delivery."""
    found = naming.named(seen, node, now_ns)
    return found + [one for _, ready in naming.ripe(now_ns) for one in ready]


def run_of(found: list[Observation]) -> tuple[str | None, str | None]:
    """Return the namespace and the run of the only report."""
    [one] = found
    assert isinstance(one, RankReport)
    return one.namespace, one.run_id


@pytest.mark.parametrize("pod", ["llama-0", "ml/llama-0", "10.0.0.5"])
def test_a_rank_is_of_its_pods_run(pod: str) -> None:
    """By the pod's uid, its name, or its address on the node."""
    naming, _ = scene(*running("llama"))

    assert run_of(heard(naming, rank(pod))) == ("ml", "llama")


def test_what_the_sdk_says_names_a_run_that_no_label_names() -> None:
    """And the workload's own time goes on under that name."""
    naming, tracker = scene(*running("train"))

    assert run_of(heard(naming, rank("train-0", "llama"))) == ("ml", "llama")
    assert {key.run for key, run in tracker.register.runs.items() if run.pods} == {
        "llama"
    }
    assert naming.news() == {"named/train": "llama"}


def test_a_label_decides_before_the_sdk() -> None:
    """Who made the workload knows better than what runs in it."""
    owner = job(metadata=meta("train", labels={"goodput-exporter/run-id": "gpt"}))
    pod = Pod("train-0", owner)
    pod.bound(1)
    naming, _ = scene(owner, pod.running(10))

    assert run_of(heard(naming, rank("train-0", "llama"))) == ("ml", "gpt")
    assert naming.counts.refused_claims == 0


def test_a_pod_that_claims_another_pods_run_is_booked_as_itself() -> None:
    """By the run's name, or by its workload's uid."""
    naming, _ = scene(*running("llama"), *running("thief"), *running("other"))

    assert run_of(heard(naming, rank("llama-0", "llama"))) == ("ml", "llama")
    assert run_of(heard(naming, rank("thief-0", "llama", 2))) == ("ml", "thief")
    assert naming.counts.refused_claims == 1


def test_a_rank_without_a_pod_cannot_take_a_run_elsewhere() -> None:
    """It is taken at its word, in a namespace of its own, where nobody is hurt."""
    naming, _ = scene(*running("llama", node="n2"))
    loose = Naming(naming._tracker, Shard(), cluster="c1", namespace="ml")  # noqa: SLF001 - the same cluster

    assert run_of(heard(naming, rank(None, "mine"))) == ("default", "mine")
    namespace, run = run_of(heard(loose, rank(None, "llama", 2)))
    assert (namespace, run) == ("ml", "unnamed-0000000000000002")
    assert loose.counts.refused_claims == 1


def test_a_rank_without_a_pod_is_of_its_nodes_only_run() -> None:
    """On the host's network an address names nobody."""
    naming, _ = scene(*running("llama"))

    assert run_of(heard(naming, rank(None))) == ("ml", "llama")


def test_a_pod_of_another_node_names_nobody() -> None:
    """An agent speaks for its own node only."""
    naming, _ = scene(*running("llama", node="n2"))

    assert heard(naming, rank("llama-0", "x")) == []
    late = heard(naming, now_ns=NOW_NS + PATIENCE_NS)
    assert run_of(late) == ("default", "x")
    assert naming.counts.unplaced == 1


def test_a_rank_waits_for_its_pod_and_nothing_of_it_is_lost() -> None:
    """The watch may be behind the agent by a moment; order is kept."""
    naming, tracker = scene()
    first, last = rank("llama-0"), replace(rank("llama-0"), seq=9)
    gone = RankExited(first.incarnation, NOW_NS, 1)

    assert heard(naming, first, last, gone) == []
    for raw in running("llama"):
        tracker.change("added", raw, NOW_NS)
    found = heard(naming, now_ns=NOW_NS + NS_PER_SECOND)

    assert found == [first, last, gone]
    assert first.run_id == "llama"


def test_a_name_that_a_rank_gave_outlives_us() -> None:
    """After a restart the pods come before the rank's next word."""
    before, _ = scene(*running("train"))
    heard(before, rank("train-0", "llama"))
    after, tracker = scene()

    after.resume(before.news(), NOW_NS)
    for raw in running("train"):
        tracker.change("added", raw, NOW_NS)

    assert {key.run for key in tracker.register.runs} == {"llama"}


def test_what_waits_for_its_pod_outlives_us() -> None:
    """
    Its agent was told that the ledger has it, and will not send it again.

    A rank may have said all that it ever says: its last report, and its exit.
    """
    before, _ = scene()
    told = rank("llama-0", "llama")
    gone = RankExited(told.incarnation, NOW_NS, 1)
    heard(before, told, gone)
    ledger = before.news()
    after, tracker = scene()

    after.resume(ledger, NOW_NS)
    for raw in running("llama"):
        tracker.change("added", raw, NOW_NS)
    found = heard(after)

    assert found == [replace(told, namespace="ml"), gone]
    assert after.news() == {"held/n1": ""}
    after.settle(is_committed=True)
    assert after.news() == {}


def test_who_waits_is_written_again_until_it_is_committed() -> None:
    """A commit that fails leaves the news as it was; nothing is written twice."""
    naming, _ = scene()
    heard(naming, rank("llama-0"))
    news = naming.news()

    naming.settle(is_committed=False)
    assert naming.news() == news
    assert list(news) == ["held/n1"]
    naming.settle(is_committed=True)
    assert naming.news() == {}


def test_a_rank_whose_pod_is_known_writes_nothing_down() -> None:
    """It never waited beyond a tick."""
    naming, _ = scene(*running("llama"))

    assert heard(naming, rank("llama-0")) != []
    assert naming.news() == {}


def test_what_waits_and_cannot_be_read_stops_nobody() -> None:
    """It was changed outside of this program."""
    naming, _ = scene(*running("llama"))

    naming.resume({"held/n1": "????", "held/n2": ""}, NOW_NS)

    assert run_of(heard(naming, rank("llama-0"))) == ("ml", "llama")


def test_an_exit_alone_is_of_the_run_that_the_ledger_knows() -> None:
    """After a restart of ours its report was before it, in an earlier batch."""
    naming, _ = scene()
    told = rank("llama-0")
    gone = RankExited(told.incarnation, NOW_NS, 1)

    naming.know([told.incarnation], RunKey("c1", "ml", "llama"))

    assert heard(naming, gone) == [gone]


def test_another_shards_runs_are_left_to_it() -> None:
    """Every agent pushes to every shard; each takes its own."""
    _, tracker = scene(*running("llama"), *running("gpt"))
    keys = [key for key in tracker.register.runs if tracker.register.runs[key].pods]
    seen = [rank("llama-0"), rank("gpt-0", None, 2)]
    shards = [Shard(index, 3) for index in range(3)]

    taken = [
        {run_of([one])[1] for one in heard(scene_of(tracker, each), *seen)}
        for each in shards
    ]

    wanted = [{key.run for key in keys if shard_of(key, 3) == n} for n in range(3)]
    assert taken == wanted


def scene_of(tracker: Tracker, shard: Shard) -> Naming:
    """Return who names ranks for one shard."""
    return Naming(tracker, shard, cluster="c1", namespace="default")


def test_a_delivery_is_named_by_its_node_as_placements_name_it() -> None:
    """Only so is it known whose word a run waits for; evidence passes as it is."""
    naming, _ = scene()
    told = Evidence(NOW_NS, Kind.EVENT, "Pod/Preempted", "pod/ml/p", "kubernetes")

    found = heard(naming, Delivered("agent", NOW_NS), told)

    assert found == [Delivered("n1", NOW_NS), told]
