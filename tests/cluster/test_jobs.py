"""Jobs on a real control plane: what the books say of their lives."""

from __future__ import annotations

import time

from goodput_exporter.domain.placement import Ended, Stage
from goodput_exporter.domain.states import How
from tests.cluster.following import stages
from tests.cluster.scenes import Scene, template
from tests.cluster.truth import books_agree, causes, is_within


def test_a_job_waits_starts_runs_and_completes(stage: Scene) -> None:
    """From its first moment to its last, each second once, by what it was for."""
    books = stage.books
    stage.nodes(2)
    began_ns = time.time_ns()
    stage.job("train", pods=2)
    up = books.reach("train", Stage.RUNNING)
    done_ns = stage.play("train", exit_code="0")
    end = books.ends("train")

    told = books.of("train")
    assert is_within(told[0], began_ns, up.at_ns)
    assert up.running == up.asked == 16
    assert up.how is None
    assert len(up.pods) == len(up.nodes) == 2
    assert stages(told)[-3:] == ["provisioning", "running", "succeeded"]
    assert is_within(end, done_ns)
    assert books_agree(books, told)
    assert causes(books, books.of("train")) == []


def test_a_job_that_is_created_suspended_is_queued_until_it_may_run(
    stage: Scene,
) -> None:
    """Before its first admission it is queued; a later suspension is another thing."""
    books = stage.books
    stage.nodes(1)
    stage.job("train", suspend=True)
    books.reach("train", Stage.QUEUED)
    let_in_ns = time.time_ns()
    stage.api.patch("Job", stage.namespace, "train", {"spec": {"suspend": False}})
    up = books.reach("train", Stage.RUNNING)
    held_ns = time.time_ns()
    stage.api.patch("Job", stage.namespace, "train", {"spec": {"suspend": True}})
    held = books.reach("train", Stage.SUSPENDED)
    back_ns = time.time_ns()
    stage.api.patch("Job", stage.namespace, "train", {"spec": {"suspend": False}})
    books.reach("train", Stage.RUNNING, since_ns=back_ns)
    stage.play("train", exit_code="0")
    books.ends("train")

    told = books.of("train")
    assert stages(told)[0] == "queued"
    assert is_within(up, let_in_ns)
    assert is_within(held, held_ns, back_ns)
    assert stages(told)[-1] == "succeeded"
    assert books_agree(books, told)
    assert causes(books, books.of("train")) == ["user"]


def test_a_pod_that_fits_nowhere_is_unschedulable_until_a_node_comes(
    stage: Scene,
) -> None:
    """The scheduler's own word stands behind the wait."""
    books = stage.books
    stage.nodes(1)
    stage.job("train", pods=2)
    waits = books.reach("train", Stage.SCHEDULING, reason="Unschedulable")
    grown_ns = time.time_ns()
    stage.nodes(1)
    up = books.reach("train", Stage.RUNNING)
    stage.play("train", exit_code="0")
    books.ends("train")

    assert waits.asked == 16
    assert is_within(up, grown_ns)
    assert books_agree(books, books.of("train"))
    assert causes(books, books.of("train")) == []


def test_an_image_that_cannot_be_pulled_is_provisioning_with_its_reason(
    stage: Scene,
) -> None:
    """Until somebody mends the tag."""
    books = stage.books
    stage.nodes(1)
    pod = template(stage.namespace, film={"played/image": "fails"})
    stage.job("train", pod=pod)
    waits = books.reach("train", Stage.PROVISIONING, reason="ErrImagePull")
    mended_ns = stage.play("train", image="works")
    up = books.reach("train", Stage.RUNNING)
    stage.play("train", exit_code="0")
    books.ends("train")

    assert waits.running == 0
    assert is_within(up, mended_ns)
    assert books_agree(books, books.of("train"))
    assert causes(books, books.of("train")) == ["image_pull"]


def test_a_pod_killed_for_its_memory_is_made_anew(stage: Scene) -> None:
    """The kernel's word is the reason for the outage, and a pod ends it."""
    books = stage.books
    stage.nodes(1)
    stage.job("train")
    books.reach("train", Stage.RUNNING)
    killed_ns = stage.play("train", exit_code="137", exit_reason="OOMKilled")
    back = books.reach("train", Stage.RUNNING, since_ns=killed_ns + 10**9)
    stage.play("train", exit_code="0")
    books.ends("train")

    told = books.of("train")
    down = next(one for one in told if one.stage is Stage.DOWN)
    assert down.reason == "OOMKilled"
    assert is_within(down, killed_ns, back.at_ns)
    assert back.how is How.POD
    assert "OOMKilled" in {one.reason for one in books.evidence}
    assert books_agree(books, told)
    assert causes(books, books.of("train")) == ["oom_killed"]


def test_a_container_that_crashes_comes_back_in_place(stage: Scene) -> None:
    """The same pod, another container: nobody had to schedule anything."""
    books = stage.books
    stage.nodes(1)
    stage.job("train", pod=template(stage.namespace, restart="OnFailure"))
    first = books.reach("train", Stage.RUNNING)
    crashed_ns = stage.play("train", crashes="1")
    back = books.reach("train", Stage.RUNNING, since_ns=crashed_ns + 10**9)
    stage.play("train", exit_code="0")
    books.ends("train")

    down = next(one for one in books.of("train") if one.stage is Stage.DOWN)
    assert down.reason == "signal 11"
    assert (back.how, back.pods) == (How.CONTAINER, first.pods)
    assert books_agree(books, books.of("train"))
    assert causes(books, books.of("train")) == ["application_error"]


def test_a_job_that_gives_up_has_failed(stage: Scene) -> None:
    """Its controller says so after the last try it allows."""
    books = stage.books
    stage.nodes(1)
    stage.job("train", backoffLimit=0)
    books.reach("train", Stage.RUNNING)
    killed_ns = stage.play("train", exit_code="1")
    end = books.ends("train")

    assert end.ended is Ended.FAILED
    assert is_within(end, killed_ns)
    assert books_agree(books, books.of("train"))
    assert causes(books, books.of("train")) == ["application_error"]


def test_the_same_name_again_is_another_run(stage: Scene) -> None:
    """A person deletes a job and submits it again: two runs, two accounts."""
    books = stage.books
    stage.nodes(1)
    stage.job("train")
    books.reach("train", Stage.RUNNING)
    gone_ns = time.time_ns()
    stage.api.delete("Job", stage.namespace, "train")
    end = books.ends("train")
    stage.job("train")
    books.reach("train", Stage.RUNNING, since_ns=end.at_ns)
    stage.play("train", exit_code="0")
    last = books.ends("train")

    assert end.ended is Ended.DELETED
    assert is_within(end, gone_ns)
    assert last.ended is Ended.SUCCEEDED
    assert last.key != end.key
    for key in (end.key, last.key):
        assert books_agree(books, [one for one in books.of("train") if one.key == key])


def test_a_job_that_is_resized_asks_for_what_it_says_now(stage: Scene) -> None:
    """Parallelism is patched up and down; what is held is what is asked for."""
    books = stage.books
    stage.nodes(2)
    stage.job("train")
    small = books.reach("train", Stage.RUNNING)
    grown_ns = time.time_ns()
    grow = {"spec": {"parallelism": 2, "completions": 2}}
    stage.api.patch("Job", stage.namespace, "train", grow)
    books.until(lambda: books.of("train")[-1].running == 16, "two pods run")
    large = books.of("train")[-1]
    shrink = {"spec": {"parallelism": 1, "completions": 1}}
    stage.api.patch("Job", stage.namespace, "train", shrink)
    books.until(lambda: books.of("train")[-1].asked == 8, "it asks for one pod")
    shrunk_ns = time.time_ns()
    stage.play("train", exit_code="0")
    books.ends("train")

    assert (small.asked, large.asked) == (8, 16)
    assert is_within(large, grown_ns, shrunk_ns)
    assert Ended.SUCCEEDED is books.of("train")[-1].ended
    assert books_agree(books, books.of("train"))
