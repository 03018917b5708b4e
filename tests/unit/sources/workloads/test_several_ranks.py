"""Pods with several containers that train, and jobs with fewer pods than allowed."""

from __future__ import annotations

from tests.fakes.cluster import Pod, Raw, Story, date, job, told, trainer


def pod_of(*states: Raw) -> Raw:
    """Return a pod whose containers have four GPUs each, as they are."""
    raw = Pod("train-0", job()).bound(1)
    names = [f"trainer-{index}" for index in range(len(states))]
    raw["spec"]["containers"] = [{**trainer(4), "name": name} for name in names]
    raw["status"] |= {
        "phase": "Running",
        "containerStatuses": [
            {"name": name, "containerID": name, "state": state}
            for name, state in zip(names, states, strict=True)
        ],
    }
    return raw


def runs(at: int = 9) -> Raw:
    """Return the state of a container that runs."""
    return {"running": {"startedAt": date(at)}}


def over(at: int, code: int) -> Raw:
    """Return the state of a container that ended."""
    ended = {"exitCode": code, "startedAt": date(9), "finishedAt": date(at)}
    return {"terminated": {**ended, "reason": "Error" if code else "Completed"}}


def test_the_first_container_that_fails_takes_its_pod_down() -> None:
    """The others only notice later that it is gone."""
    story = Story().see(9, job(), pod_of(runs(), runs())).begin()
    story.see(80, pod_of(over(70, 134), over(50, 139)))

    assert story.since == ["50 down 0/8 (signal 11)"]


def test_a_container_that_is_done_first_ends_nothing() -> None:
    """The pod trains until the last of them is done."""
    story = Story().see(9, job(), pod_of(runs(), runs())).begin()
    story.see(51, pod_of(over(50, 0), runs()))
    assert story.since == []

    story.see(71, pod_of(over(50, 0), over(70, 0)))

    assert story.since == ["70 running 0/8"]


def test_a_job_asks_for_no_more_pods_than_it_has_to_complete() -> None:
    """Its controller makes no more, however many may run at a time."""
    train = job(pods=4)
    train["spec"]["completions"] = 2

    assert Story().see(0, train).lines == told("0 queued 0/16")
