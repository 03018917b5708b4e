"""Faults as the API shows them, and where the run's pods stand then, to the second."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.evidence import Kind
from goodput_exporter.domain.placement import Ended, Stage
from tests.fakes.cluster import (
    Pod,
    Raw,
    Story,
    condition,
    date,
    job,
    line,
    meta,
    node,
    ns,
    told,
)

JOB = job()


def training(at: int = 10, pods: int = 1) -> tuple[Story, list[Pod]]:
    """Return a Job whose pods, one on each node, run from *at* seconds on."""
    story = Story().see(0.1, job(pods=pods))
    crew = [Pod(f"train-{index}", JOB) for index in range(pods)]
    for index, pod in enumerate(crew):
        name = f"n{index + 1}"
        story.see(1, node(name), pod.bound(1, name))
        story.see(at, pod.running(at, f"10.0.0.{index + 1}"))
    assert story.lines[-1] == f"{at} running {8 * pods}/{8 * pods}"
    return story.begin(), crew


def test_21_a_pod_that_goes_before_it_ran_costs_no_running_time() -> None:
    """It was there, waiting, and is gone; a deletion without a pod is counted."""
    story, pod = Story(), Pod("train-0", JOB, 5)
    story.see(5, job()).see(5.2, pod.raw)
    story.gone(9.5, pod.raw)
    story.gone(10, Pod("never-seen").raw)

    assert story.lines == told("""
        0 queued 0/8
        5 scheduling 0/8
        9.5 scheduling 0/8 (Deleted)
    """)
    assert story.tracker.refused["Pod", "deleted before it was seen"] == 1


def test_22_the_same_name_again_is_another_run() -> None:
    """The old pod, still going, stays with the old Job by the uid of its owner."""
    story, [pod] = training()
    again = job(metadata=meta("train", 60, uid="train-again"))
    story.see(50, pod.told(50)).gone(51, JOB)
    story.see(60.1, again).see(60.2, Pod("train-0", again, 60, uid="second").raw)
    story.gone(75, pod.raw)

    lines: dict[str, list[str]] = {run: [] for run in ("train", "train-again")}
    for one in story.placements:
        lines[one.key.run].append(line(one))
    assert lines["train"][-1] == "75 down 0/8 (Deleted) ended deleted"
    assert lines["train-again"] == told("""
        60 queued 0/8
        60 scheduling 0/8
    """)


def test_23_a_pod_made_anew_under_its_old_name_is_another_life() -> None:
    """A StatefulSet's pod has a new uid: down until it exists, then a restart."""
    story, [pod] = training()
    second = Pod("train-0", JOB, 70, uid="second")
    story.see(60.5, pod.told(60, grace=0)).gone(61, pod.raw)
    story.see(70.1, second.raw).see(72, second.bound(72)).see(80.2, second.running(80))

    assert story.since == told("""
        61 down 0/8 (Deleted)
        70 scheduling 0/8
        72 provisioning 0/8 (ContainerCreating)
        80 running 8/8 by pod
    """)


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [(137, "OOMKilled", "OOMKilled"), (143, "Error", "signal 15"), (1, "", "exit 1")],
)
def test_24_a_container_that_starts_again_is_down_meanwhile(
    code: int, reason: str, says: str
) -> None:
    """The kubelet's dates are taken, not ours."""
    story, [pod] = training()
    story.see(101.7, pod.crashed(100, code, reason)).see(112.3, pod.running(111))

    assert story.since == told(f"""
        100 down 0/8 ({says})
        111 running 8/8 by container
    """)
    assert Kind.CONTAINER_RESTART in {one.kind for one in story.evidence}


def test_24_a_restart_that_was_seen_only_afterwards_is_dated_as_it_was() -> None:
    """One version of the pod tells of both lives."""
    story, [pod] = training()
    pod.crashed(100, 1)
    story.see(115, pod.running(111))

    assert story.since == told("""
        100 down 0/8 (exit 1)
        111 running 8/8 by container
    """)


def test_25_a_new_container_is_a_restart_whatever_the_counter_says() -> None:
    """The kubelet may forget the last state; the container's id is another one."""
    story, [pod] = training()
    story.see(120, pod.running(118))

    assert story.since == ["118 running 8/8 by container"]


def test_26_pods_of_a_silent_node_are_missing_while_they_say_running() -> None:
    """The node's own transition dates it; the pods go much later."""
    story, [pod, _] = training(pods=2)
    story.see(141.5, node("n1", "Unknown", 140))
    story.see(441, pod.says("DisruptionTarget", "True", 440, "DeletionByTaintManager"))
    story.see(442, pod.told(440))
    fresh = Pod("train-2", JOB, 445)
    story.see(445, fresh.raw).see(447, fresh.bound(447, "n3"))
    story.see(460, fresh.running(460, "10.0.0.3")).gone(900, pod.raw)

    assert story.since == told("""
        140 down 8/16 (NodeLost)
        445 scheduling 8/16
        447 provisioning 8/16 (ContainerCreating)
        460 running 16/16 by pod
    """)
    assert "Ready=Unknown" in {one.reason for one in story.evidence}


def test_26_a_lost_node_is_charged_until_its_last_lease_ran_out() -> None:
    """The control plane notices later than the lease tells."""
    story, _ = training()
    lease = {
        "kind": "Lease",
        "metadata": {"name": "n1", "namespace": "kube-node-lease", "uid": "l1"},
        "spec": {"renewTime": date(90), "leaseDurationSeconds": 40},
    }
    story.see(91, lease).see(141, node("n1", "Unknown", 140))

    assert story.since == ["130 down 0/8 (NodeLost)"]


def test_26_a_node_that_comes_back_brings_its_pods_without_a_restart() -> None:
    """The containers went on; only we could not see them."""
    story, _ = training()
    story.see(141, node("n1", "Unknown", 140)).see(171, node("n1", "True", 170))

    assert story.since == told("""
        140 down 0/8 (NodeLost)
        170 running 8/8
    """)


def test_27_a_node_that_vanished_in_a_gap_takes_its_pods_with_it() -> None:
    """Both were last there at 200 s; nobody saw them go."""
    story, [pod] = training()
    story.gone(200, node("n1"), pod.raw, estimated=True)

    assert story.since == ["200 down 0/8 (NodeLost) estimated"]
    assert Kind.NODE_DELETED in {one.kind for one in story.evidence}


@pytest.mark.parametrize(
    ("reason", "phase_reason"),
    [
        ("TerminationByKubelet", "Evicted"),
        ("EvictionByEvictionAPI", ""),
        ("PreemptionByScheduler", ""),
    ],
)
def test_29_to_31_a_disruption_ends_the_pod_and_says_why(
    reason: str, phase_reason: str
) -> None:
    """The run is down from the container's end on, with the reason in evidence."""
    story, [pod] = training()
    pod.says("DisruptionTarget", "True", 95, reason)
    story.see(100.5, pod.over(100, "Failed", 143, phase_reason)).gone(101, pod.raw)
    fresh = Pod("train-1", JOB, 103)
    story.see(103, fresh.raw)

    assert story.since == told(f"""
        100 down 0/8 ({phase_reason or "signal 15"})
        103 scheduling 0/8
    """)
    assert reason in {one.reason for one in story.evidence}


def kueue(*conditions: Raw) -> Raw:
    """Return the queue's word on the Job."""
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "Workload",
        "metadata": meta("job-train", owner=JOB),
        "spec": {"queueName": "team-a"},
        "status": {"conditions": list(conditions)},
    }


def test_32_a_queue_that_takes_its_quota_back_suspends_the_run() -> None:
    """The pods carry no mark of it; the time until re-admission is suspended."""
    story, [pod] = training()
    story.see(100.2, kueue(condition("Evicted", "True", 100, "Preempted")))
    story.see(100.4, job(suspend=True), pod.told(100)).gone(115, pod.raw)
    story.see(700.1, kueue(condition("Admitted", "True", 700)), job())
    second = Pod("train-1", JOB, 701)
    story.see(701, second.raw)

    assert story.since == told("""
        115 suspended 0/8 (Preempted)
        700 suspended 0/8 (Suspended)
        700.1 scheduling 0/8 (PodsNotCreated)
        701 scheduling 0/8
    """)
    assert story.placements[-1].owner.queue == "team-a"
    assert "Evicted/Preempted" in {one.reason for one in story.evidence}


def test_33_a_suspended_job_is_queued_until_it_is_let_in() -> None:
    """It has no pods, and nothing of it is down."""
    story = Story().see(3, job(suspend=True))
    resumed = condition("Suspended", "False", 300, "JobResumed")
    story.see(300.5, job(conditions=[resumed])).see(301, Pod("train-0", JOB, 301).raw)

    assert story.lines == told("""
        0 queued 0/8 (Suspended)
        300 queued 0/8
        301 scheduling 0/8
    """)


def jobset(restarts: int = 0) -> Raw:
    """Return a JobSet of two jobs with one pod each."""
    spec = {"parallelism": 1, "completions": 1, "template": job()["spec"]["template"]}
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": meta("set"),
        "spec": {
            "replicatedJobs": [{"name": "w", "replicas": 2, "template": {"spec": spec}}]
        },
        "status": {"restarts": restarts},
    }


@pytest.mark.parametrize("is_counted", [True, False])
def test_34_a_jobset_that_begins_anew_restarts_once(*, is_counted: bool) -> None:
    """By its counter, or by the label on its pods where that comes too late."""
    attempt = "jobset.sigs.k8s.io/restart-attempt"
    story = Story().see(0, jobset())
    for life, at in ((0, 10), (1, 100)):
        names = [f"set-w-{index}-{life}" for index in range(2)]
        jobs = [job(name, metadata=meta(name, at, owner=jobset())) for name in names]
        pods = [
            Pod(f"{one['metadata']['name']}-0", one, at, labels={attempt: str(life)})
            for one in jobs
        ]
        story.see(at, *jobs, *(pod.bound(at) for pod in pods))
        story.see(at + 5, *(pod.running(at + 5) for pod in pods))
        if life == 0:
            story.gone(90, *(pod.raw for pod in pods), *jobs)
        if is_counted:
            story.see(91, jobset(1))

    assert story.lines[-1] == "105 running 16/16 by workload"
    assert sum(one.how is not None for one in story.placements) == 1


def test_35_a_restart_inside_the_pod_is_nothing_here() -> None:
    """Torchrun starts its processes again and no object changes."""
    story, [pod] = training()
    story.see(200, pod.raw, job())

    assert story.since == []


def test_36_a_job_that_grows_asks_for_more_from_then_on() -> None:
    """A declared-elastic run goes on with fewer; growing is no restart of a pod."""
    annotated = meta("train", annotations={"kueue.x-k8s.io/elastic-job": "true"})
    small, large = (job(pods=pods, metadata=annotated) for pods in (1, 2))
    first, second = Pod("train-0", small), Pod("train-1", small, 50, gate="elastic")
    story = Story().see(0, small, first.bound(1)).see(10, first.running(10))
    story.see(49.5, large).see(50, second.raw).see(60, second.ungated())
    story.see(61, second.bound(61)).see(70, second.running(70))
    story.see(90, small).gone(95, second.raw)

    assert story.lines[-7:] == told("""
        49.5 scheduling 8/16 (PodsNotCreated) elastic
        50 suspended 8/16 (SchedulingGated) elastic
        60 scheduling 8/16 elastic
        61 provisioning 8/16 (ContainerCreating) elastic
        70 running 16/16 by elastic elastic
        90 running 16/8 elastic
        95 running 8/8 elastic
    """)


def test_37_a_pod_that_does_not_go_is_believed_for_a_minute() -> None:
    """Its grace was over at 130 s; a kubelet that lives would have killed it."""
    story, [pod] = training()
    story.see(100, pod.told(100, grace=30)).wait(189).wait(191)

    assert story.since == ["190 down 0/8 (StuckTerminating)"]


def test_38_deleting_the_pod_ends_nothing_and_deleting_the_job_ends_the_run() -> None:
    """The run ends with its last container, not with the order."""
    story, [pod] = training()
    story.see(100, pod.told(100)).gone(110, pod.raw)
    second = Pod("train-1", JOB, 111)
    story.see(111, second.bound(111)).see(120, second.running(120))
    story.gone(200, JOB).see(201, second.told(200)).gone(215, second.raw)

    assert story.since == told("""
        110 down 0/8 (Deleted)
        111 provisioning 0/8 (ContainerCreating)
        120 running 8/8 by pod
        215 down 0/8 (Deleted) ended deleted
    """)
    assert not story.tracker.register.runs


def test_39_an_image_that_does_not_come_is_provisioning() -> None:
    """The kubelet's word is the reason; it has no date of its own."""
    story, pod = Story(), Pod("train-0", JOB)
    story.see(0.1, job(), pod.bound(1)).see(30.5, pod.waiting("ErrImagePull"))
    story.see(45, pod.waiting("ImagePullBackOff"))

    assert story.lines[-2:] == told("""
        30.5 provisioning 0/8 (ErrImagePull)
        45 provisioning 0/8 (ImagePullBackOff)
    """)


def test_39_a_pod_that_the_kubelet_refuses_never_ran() -> None:
    """Its devices are not there; the controller makes another one."""
    story, pod = Story(), Pod("train-0", JOB)
    pod.bound(1)
    pod.says("Ready", "False", 2)
    story.see(2.5, job(), pod.over(2, "Failed", reason="UnexpectedAdmissionError"))
    story.see(5, Pod("train-1", JOB, 5).raw)

    assert story.lines[-2:] == told("""
        2 scheduling 0/8 (UnexpectedAdmissionError)
        5 scheduling 0/8
    """)
    assert story.placements[-1].stage is Stage.SCHEDULING


@pytest.mark.parametrize(
    ("kind", "ended"), [("Complete", Ended.SUCCEEDED), ("Failed", Ended.FAILED)]
)
def test_a_terminal_condition_ends_the_run_once(kind: str, ended: Ended) -> None:
    """What is swept up afterwards says nothing more."""
    story, [pod] = training()
    phase = "Succeeded" if ended is Ended.SUCCEEDED else "Failed"
    pod.over(300, phase, 0 if ended is Ended.SUCCEEDED else 1)
    done = job(conditions=[condition(kind, "True", 302)])
    story.see(302.5, pod.raw, done).gone(400, pod.raw).gone(401, done)

    assert [(one.at_ns, one.ended) for one in story.placements if one.ended] == [
        (ns(302), ended)
    ]
    assert not story.tracker.register.runs
