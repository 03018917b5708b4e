"""From a pod up to the workload that a person made, in every kind's own way."""

from __future__ import annotations

import copy

import pytest

from goodput_exporter.domain.placement import Stage
from goodput_exporter.sources.workloads.lookups import holders, pod_of
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.chains import SEEN_NS, Chain, chains, final
from tests.fakes.cluster import Pod, Raw, job, meta, ns, owned_by

TRAINING = [chain for chain in chains() if chain.expect["kind"] is not None]
JOBSET = next(chain for chain in TRAINING if chain.name == "jobset")


def heard(objects: list[Raw], **more: object) -> Tracker:
    """Return a tracker that has seen some objects."""
    tracker = Tracker("c1", **more)  # type: ignore[arg-type]  # a test's own words
    for raw in objects:
        tracker.change("added", raw, SEEN_NS)
    return tracker


@pytest.mark.parametrize("chain", TRAINING, ids=lambda chain: chain.name)
def test_every_kind_has_its_root_its_size_and_its_ranks(chain: Chain) -> None:
    """The run is the top owner's; its pods are numbered as the kind numbers them."""
    tracker = heard(chain.objects)
    expect, pod = chain.expect, chain.objects[-1]["metadata"]["uid"]

    [(run, placement)] = final(tracker).items()

    assert run == expect["uid"]
    owner = placement.owner
    assert (owner.kind, owner.name) == (expect["kind"], expect["name"])
    assert placement.asked == expect["asked"]
    assert placement.is_elastic is expect["elastic"]
    assert owner.queue == expect.get("queue")
    identity = pod_of(tracker.register, pod)
    assert identity is not None
    assert (identity.index, identity.world) == (expect["index"], expect["asked"])
    assert not tracker.faults


def test_a_deployment_is_no_training_run() -> None:
    """Its pod holds GPUs all the same, for the cluster's book."""
    [served] = [chain for chain in chains() if chain.expect["kind"] is None]
    tracker = heard(served.objects)

    assert final(tracker) == {}
    [holder] = holders(tracker.register)
    assert (holder.key, holder.devices) == (None, 8)


@pytest.mark.parametrize("missing", [1, 2])
def test_what_may_not_be_read_degrades_to_the_nearest_known_owner(missing: int) -> None:
    """Without the JobSet its name and uid are known from the Job that it owns."""
    [(run, placement)] = final(heard(JOBSET.objects[missing:])).items()

    owner = JOBSET.objects[missing - 1]["metadata"]
    assert run == owner["uid"]
    assert placement.owner.name == owner["name"]


def test_a_run_waits_for_an_owner_that_is_followed_but_not_for_ever() -> None:
    """Pods come first in a list; without its owner a run would be named wrongly."""
    followed = {("jobset.x-k8s.io", "JobSet")}
    tracker = heard(JOBSET.objects[1:], followed=followed, patience_ns=5)

    assert final(tracker, SEEN_NS + 4) == {}
    assert len(final(tracker, SEEN_NS + 5)) == 1


def test_an_owner_that_comes_late_takes_its_run_over() -> None:
    """The run that was named after a part of it ends, and says where it went."""
    tracker = heard(JOBSET.objects[2:])
    final(tracker)
    for raw in JOBSET.objects[:2]:
        tracker.change("added", raw, SEEN_NS)

    found = final(tracker)

    part, whole = JOBSET.objects[1]["metadata"]["uid"], JOBSET.expect["uid"]
    assert found[part].reason == f"MovedTo/{whole}"
    assert found[part].ended is not None
    assert found[whole].asked == 64
    assert list(tracker.register.runs) == [found[whole].key]


def test_a_cycle_of_owners_ends_where_it_closes() -> None:
    """Nobody makes one on purpose; nothing hangs on it."""
    one, two = job("one"), job("two")
    one["metadata"]["ownerReferences"] = [owned_by(two)]
    two["metadata"]["ownerReferences"] = [owned_by(one)]

    assert final(heard([one, two, Pod("p", one).bound(1)]))


def test_a_chain_longer_than_six_owners_is_cut() -> None:
    """Whoever nests deeper gets a run per part, and no endless search."""
    links = [job("j0")]
    for depth in range(1, 10):
        links.append(job(f"j{depth}", metadata=meta(f"j{depth}", owner=links[-1])))
    tracker = heard([*links, Pod("p", links[-1]).bound(1)])

    identity = pod_of(tracker.register, "p")
    assert identity is not None
    assert identity.key.run == "j4"


def test_a_leader_without_gpus_does_not_hide_its_group() -> None:
    """Its workers name the group themselves."""
    [chain] = [one for one in TRAINING if one.name == "leaderworkerset"]
    objects = copy.deepcopy(chain.objects)
    objects[2]["spec"]["containers"][0]["resources"] = {}

    assert chain.expect["uid"] in final(heard(objects))
    assert chain.expect["uid"] in final(heard(objects[::-1]))


RUN_ID = "goodput-exporter/run-id"


@pytest.mark.parametrize("place", ["label", "annotation", "template", "variable"])
def test_a_run_id_ties_workloads_together(place: str) -> None:
    """A Job submitted again with the same run id goes on with the same run."""
    raw = job()
    if place == "label":
        raw["metadata"]["labels"] = {RUN_ID: "llama-7"}
    elif place == "annotation":
        raw["metadata"]["annotations"] = {RUN_ID: "llama-7"}
    elif place == "template":
        raw["spec"]["template"]["metadata"]["labels"][RUN_ID] = "llama-7"
    else:
        env = [{"name": "GOODPUT_RUN_ID", "value": "llama-7"}]
        raw["spec"]["template"]["spec"]["containers"][0]["env"] = env
    again = copy.deepcopy(raw)
    again["metadata"] |= {"uid": "second", "creationTimestamp": "2026-03-01T01:00:00Z"}

    tracker = heard([raw, Pod("p", raw).bound(1)])
    tracker.change("deleted", raw, ns(600))
    tracker.change("added", again, ns(3601))

    [(run, placement)] = final(tracker).items()
    assert run == "llama-7"
    assert placement.owner.uid == "second"
    assert placement.asked == 8


def test_a_team_is_read_from_the_labels_that_are_allowed() -> None:
    """The first label on the list that is there; no other one is looked at."""
    raw = job(metadata=meta("train", labels={"team": "nlp", "secret": "x"}))
    tracker = heard([raw, Pod("p", raw).bound(1)], team_labels=("org/team", "team"))

    assert final(tracker)["train"].owner.team == "nlp"


def test_a_job_without_gpus_is_no_run() -> None:
    """Nothing is booked for it, however long it runs."""
    raw = job()
    raw["spec"]["template"]["spec"]["containers"][0]["resources"] = {}

    assert final(heard([raw])) == {}


def test_a_suspended_workload_is_a_run_before_it_has_pods() -> None:
    """What it asks for stands in its template."""
    [placement] = final(heard([job(suspend=True)])).values()

    assert (placement.stage, placement.asked) == (Stage.QUEUED, 8)


def test_an_empty_status_is_a_known_start() -> None:
    """Ask 40: an object without conditions appears."""
    raw = job()
    raw["status"] = {}

    [placement] = final(heard([raw])).values()
    assert placement.stage is Stage.QUEUED
