"""What runs have waited stays on the page, over restarts, until they leave it."""

from __future__ import annotations

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.services.sharding import Shard
from goodput_exporter.services.waited import Waited
from goodput_exporter.sources.workloads.waits import Wait
from tests.fakes.cluster import Pod, Story, job, ns

KEY = RunKey("c1", "ml", "train")


def pending(story: Story) -> Pod:
    """Let a Job's pod wait for a node from second 1 on."""
    owner = job()
    pod = Pod("train-0", owner)
    story.see(1, owner, pod.unschedulable(1))
    return pod


def test_a_wait_goes_on_growing_over_a_restart() -> None:
    """The next life adds to what was committed, from the last placement on."""
    first = Story()
    pod = pending(first)
    last = first.placements[-1]
    before = Waited(first.tracker, Shard())
    before.look(ns(50), [KEY])
    shown = dict(before.shown()[KEY])

    second = Story()
    second.tracker.remember(last)
    after = Waited(second.tracker, Shard())
    after.resume(before.news())
    second.see(60, job(), pod.raw)
    after.look(ns(60), [KEY])

    assert shown[Wait.UNSCHEDULABLE] == ns(50) - ns(0)
    assert after.shown()[KEY][Wait.UNSCHEDULABLE] == ns(60) - ns(0)


def test_a_run_that_is_over_keeps_its_waits_until_it_leaves_the_page() -> None:
    """Its counters must not vanish before Prometheus has seen the last of them."""
    story = Story()
    pod = pending(story)
    waited = Waited(story.tracker, Shard())
    waited.look(ns(20), [KEY])
    story.gone(21, pod.raw, job())

    waited.look(ns(40), [KEY])
    kept = dict(waited.shown())
    waited.look(ns(41), [])

    assert kept[KEY][Wait.UNSCHEDULABLE] >= ns(20) - ns(0)
    assert KEY not in waited.shown()


def test_slots_are_used_again() -> None:
    """The ledger's meta stays as small as there were runs at a time."""
    story = Story()
    waited = Waited(story.tracker, Shard())
    for number in range(5):
        owner = job(f"run-{number}")
        pod = Pod(f"run-{number}-0", owner)
        story.see(10 * number + 1, owner, pod.unschedulable(10 * number + 1))
        story.see(10 * number + 3, pod.bound(10 * number + 3))
        waited.look(ns(10 * number + 4), [RunKey("c1", "ml", f"run-{number}")])
        story.gone(10 * number + 5, pod.raw, owner)
        waited.look(ns(10 * number + 7), [])

    assert set(waited.news()) == {"waited/0"}


def test_another_shards_runs_are_not_kept() -> None:
    """It keeps them itself."""
    story = Story()
    pending(story)
    shards = [Waited(story.tracker, Shard(index, 3)) for index in range(3)]
    for one in shards:
        one.look(ns(20), [KEY])

    assert sorted(len(one.shown()) for one in shards) == [0, 0, 1]


def test_a_slot_that_cannot_be_read_costs_its_run_only() -> None:
    """It is said, and used again."""
    story = Story()
    waited = Waited(story.tracker, Shard())

    waited.resume({"waited/0": "{", "waited/1": "", "other": "x"})

    assert waited.shown() == {}
