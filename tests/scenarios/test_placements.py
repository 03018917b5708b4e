"""What a cluster says of a run's pods decides its infrastructure states."""

from __future__ import annotations

from dataclasses import replace

from goodput_exporter.domain.bookings import EventKind
from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.observations import Delivered
from goodput_exporter.domain.placement import Seat
from goodput_exporter.domain.states import Cause, How, RunState
from tests.fakes.crews import death
from tests.fakes.pods import Pods
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, Observer, observations
from tests.scenarios.telling import (
    PINNED,
    books_close,
    events,
    restated,
    story_s,
    where,
)


def first(begins_s: float = 0.0) -> Rank:
    """Return a rank that starts up for five seconds and completes ten steps."""
    rank = Rank(inc="a" * 16, pid=1, world=8, begins_s=begins_s)
    return rank.init(5).steps(0, 9, each=10)


def second(begins_s: float) -> Rank:
    """Return its replacement, which resumes exactly where it stopped."""
    rank = Rank(inc="b" * 16, pid=2, world=8, begins_s=begins_s)
    rank = rank.init(5).restore(4, 9)
    return rank.steps(10, 14, each=10)


def watch(
    pods: Pods, *ranks: Rank, until_s: float, also: tuple[Evidence, ...] = ()
) -> Observer:
    """Watch pods and ranks together."""
    seen: list[Observation] = [*pods.said, *observations(ranks), *also]
    return Observer(PINNED).watch(seen, until_s)


def test_a_run_waits_in_the_queue_before_its_first_admission() -> None:
    """The book begins when the workload does, and asks for what it declares."""
    pods = Pods().at(0, "queued").at(60, "scheduling").at(70, "provisioning")
    story = watch(pods.at(100, "running"), first(108).bye(), until_s=240)
    live = story.live()

    assert live["queued"] == 60 * 8
    assert live["scheduling"] == 10 * 8
    assert live["provisioning"] == 30 * 8
    assert live["initializing"] == (8 + 5) * 8
    assert live["productive"] == 100 * 8
    assert books_close(story)


def test_an_outage_is_told_by_the_missing_pods() -> None:
    """Down until a replacement exists, then scheduling, provisioning, starting up."""
    pods = Pods().at(0, "running").at(115, "down").at(120, "scheduling")
    pods.at(150, "provisioning").at(170, "running", how=How.POD)
    story = watch(pods, first(2).cut(8), second(176).bye(), until_s=300)

    assert where(story, RunState.DOWN) == [(115, 120)]
    assert where(story, RunState.SCHEDULING) == [(120, 150)]
    assert where(story, RunState.PROVISIONING) == [(150, 170)]
    assert where(story, RunState.INITIALIZING)[1:] == [(170, 181)]
    (incident,) = story.fold.incidents
    assert (incident.detected_ns, incident.how) == (ns(START_S + 115), How.POD)
    assert incident.returned_ns == ns(START_S + 170)
    assert story.fold.interruptions == 1
    assert books_close(story)


def test_pods_that_go_and_a_rank_that_ends_are_one_interruption() -> None:
    """Kubernetes cuts its dates to seconds, so either may seem to be first."""
    for gone_s in (114.0, 115.0, 116.0):
        pods = Pods().at(0, "running").at(gone_s, "down").at(170, "running")
        story = watch(pods, first(2).cut(8), second(176).bye(), until_s=300)

        assert story.fold.interruptions == 1
        assert len(events(story, EventKind.INTERRUPTED)) == 1
        assert books_close(story)


def test_survivors_do_not_keep_a_run_up_whose_node_is_lost() -> None:
    """The ranks of the lost node are silent; the others hang at full utilization."""
    crew = [
        Rank(inc="a" * 16, pid=1, world=2).init(5).steps(0, 9, each=10).cut(95),
        Rank(inc="b" * 16, pid=2, world=2, rank=1).init(5).steps(0, 9, each=10).cut(5),
    ]
    pods = Pods().at(0, "running").at(110, "down", reason="NodeLost")
    seen: list[Observation] = [*pods.said]
    seen += observations(crew, known_exit=False)
    story = Observer(PINNED).watch(seen, 230)

    assert where(story, RunState.DOWN)[0][0] == 110
    assert RunState.STALLED not in story.fold.book.live.gpu_ns
    (incident,) = story.fold.incidents
    assert "NodeLost" in incident.evidence[0]


def replaced() -> Pods:
    """Return pods of two ranks, all lost at 112 and running anew from 150 on."""
    pods = Pods(asked=2, nodes=("n1", "n2")).at(0, "running").at(112, "down")
    pods.nodes = ("n1", "n3")
    return pods.at(130, "provisioning").at(150, "running")


def two_ranks() -> list[Rank]:
    """Return two ranks that complete ten steps and are cut short at 110."""
    names = enumerate("ab")
    crew = [Rank(inc=n * 16, pid=r + 1, world=2, rank=r) for r, n in names]
    return [rank.init(5).steps(0, 9, each=10).cut(5) for rank in crew]


def test_pods_that_came_back_and_say_nothing_start_up() -> None:
    """Nobody saw the old processes end; the new containers run, and train nothing."""
    seen: list[Observation] = [*replaced().said]
    seen += observations(two_ranks(), known_exit=False)
    story = Observer(PINNED).watch(seen, 150 + 45 * 60)
    begun_s, limit_s = 150, 30 * 60

    starts_up = where(story, RunState.INITIALIZING)[1:]
    assert starts_up[0][0] == begun_s
    assert starts_up[-1][1] == begun_s + limit_s
    assert where(story, RunState.STALLED)[0][0] == begun_s + limit_s
    assert all(end_s <= 112 for _, end_s in where(story, RunState.UNOBSERVED))
    assert books_close(story)


def test_one_silent_node_does_not_hush_the_ranks_of_the_others() -> None:
    """
    The agent beside a new pod never delivers; the other rank reports every 8 s.

    What it says waits for the settle delay, and is not silence meanwhile.
    """
    back = Rank(inc="c" * 16, pid=3, world=2, begins_s=155).init(100)
    crew = two_ranks()
    seen: list[Observation] = [*replaced().said, *map(death, crew)]
    seen += observations(crew, known_exit=False)
    seen += observations([back.steps(10, 14, each=20)], every_s=8, known_exit=False)
    seen += [Delivered("n1", ns(START_S + at_s)) for at_s in range(5, 340, 5)]
    seen += [Delivered("n2", ns(START_S + at_s)) for at_s in range(5, 110, 5)]
    story = Observer(PINNED).watch(seen, 340)

    assert RunState.UNOBSERVED not in story.fold.book.live.gpu_ns
    assert where(story, RunState.INITIALIZING)[1][0] == 150
    assert story.fold.progress.high_water == 10
    assert books_close(story)


def test_quick_steps_within_the_second_of_their_end_show_no_survivors() -> None:
    """Kubernetes cuts the end to its second; ranks that have died step on no more."""
    crew = [
        Rank(inc=name * 16, world=2, rank=rank).init(5).steps(0, 98, each=0.1)
        for rank, name in enumerate("ab")
    ]
    for rank in crew:
        rank.turns.append(14.8)
    pods = Pods().at(0, "running").at(14, "down").at(30, "scheduling")
    seen: list[Observation] = [*pods.said]
    seen += observations(crew, known_exit=False)
    story = Observer(PINNED).watch(seen, 230)

    assert where(story, RunState.DOWN) == [(14, 30)]
    assert where(story, RunState.SCHEDULING)[0][0] == 30
    assert RunState.UNOBSERVED not in story.fold.book.live.gpu_ns
    assert RunState.DEGRADED not in story.fold.book.live.gpu_ns
    (incident,) = story.fold.incidents
    assert (incident.returned_ns, incident.recovered_ns) == (None, None)


def test_a_suspended_run_is_the_queues_cost() -> None:
    """Kueue suspends: what follows is `suspended` until its admission."""
    evicted = Evidence(
        ns(START_S + 114),
        Kind.WORKLOAD_CONDITION,
        "Evicted/Preempted",
        "run/default/story",
        "kubernetes",
    )
    pods = Pods().at(0, "running").at(115, "suspended").at(300, "running")
    story = watch(
        pods, first(2).cut(8), second(304).bye(), until_s=420, also=(evicted,)
    )

    assert where(story, RunState.SUSPENDED) == [(115, 300)]
    (incident,) = story.fold.incidents
    assert incident.cause is Cause.QUEUE_PREEMPTED
    assert story.fold.book.live.bad_gpu_ns[Cause.QUEUE_PREEMPTED] == (
        ns(8 + 185 + 4 + 5 + 4) * 8
    )


def test_a_workload_that_completes_ends_the_run() -> None:
    """Ranks that are done leave the run idle until the workload is over."""
    pods = Pods().at(0, "running").ends(130, "succeeded")
    story = watch(pods, first(2).bye(), until_s=200)

    assert story.fold.outcome == "succeeded"
    assert story_s(story.fold.ended_ns or 0) == 130
    assert where(story, RunState.IDLE) == [(107, 130)]
    assert books_close(story)


def test_a_workload_that_fails_takes_the_wait_out_of_its_book() -> None:
    """The run was over at its last exit; what was booked since is restated."""
    pods = Pods().at(0, "running").at(115, "down").ends(190, "failed")
    story = watch(pods, first(2).save(0.0, 5).cut(8), until_s=260)

    assert story.fold.outcome == "failed"
    assert story_s(story.fold.ended_ns or 0) == 115
    assert restated(story)["down>outside"] == 75 * 8
    assert story.settled()["lost"] == 40 * 8
    assert books_close(story)


def test_a_run_that_has_never_reported_is_not_starting_up_for_ever() -> None:
    """Containers that run tell nothing of steps: after a while nobody saw it."""
    pods = Pods().at(0, "provisioning").at(20, "running").ends(3000, "succeeded")
    story = watch(pods, until_s=3100)
    live = story.live()

    assert live["provisioning"] == 20 * 8
    assert live["unobserved"] == 2980 * 8
    assert books_close(story)


def test_a_run_that_reports_late_was_starting_up() -> None:
    """Its first rank spoke after the line had given up on it."""
    pods = Pods().at(0, "running")
    story = watch(pods, first(600).bye(), until_s=760)

    assert story.live()["unobserved"] >= 300 * 8
    assert story.settled()["initializing"] == 605 * 8
    assert "unobserved" not in story.settled()
    assert books_close(story)


def test_a_declared_size_outlasts_the_ranks() -> None:
    """4,096 GPUs that wait ten minutes for one node are lost as 4,096."""
    pods = Pods(asked=4096).at(0, "running").at(115, "down").at(715, "running")
    story = watch(pods, first(2).cut(8), second(716).bye(), until_s=800)

    assert story.live()["down"] == 600 * 4096


def test_pods_that_cannot_start_are_an_interruption_of_their_own() -> None:
    """Nothing has run yet, and still somebody has to look at it."""
    waiting = Evidence(
        ns(START_S + 41),
        Kind.CONTAINER_WAITING,
        "ErrImagePull",
        "pod/default/story-0/main",
        "kubernetes",
    )
    pods = Pods().at(0, "scheduling").at(20, "provisioning")
    pods.at(40, "provisioning", reason="ErrImagePull").at(100, "running")
    pods.ends(210, "succeeded")
    story = watch(pods, first(105).bye(), until_s=260, also=(waiting,))

    (incident,) = story.fold.incidents
    assert incident.cause is Cause.IMAGE_PULL
    assert incident.gpu_ns[RunState.PROVISIONING] == ns(60) * 8
    assert story.fold.book.live.bad_gpu_ns[Cause.NONE] == ns(20 + 20) * 8
    assert books_close(story)


def test_pods_that_the_kubelet_refuses_are_an_interruption_of_their_own() -> None:
    """They fail before they run, and others take their place."""
    refused = Evidence(
        ns(START_S + 30),
        Kind.POD_REASON,
        "UnexpectedAdmissionError",
        "pod/default/story-0",
        "kubernetes",
    )
    pods = Pods().at(0, "scheduling").at(20, "provisioning")
    pods.at(30, "down", reason="UnexpectedAdmissionError").at(40, "scheduling")
    pods.at(50, "provisioning").at(60, "running")
    story = watch(pods, first(65).bye(), until_s=220, also=(refused,))

    (incident,) = story.fold.incidents
    assert incident.cause is Cause.DEVICE_ADMISSION
    assert books_close(story)


def test_a_later_workload_of_a_run_that_succeeded_is_no_interruption() -> None:
    """Its pods are new, and nothing of the earlier ones was cut short."""
    pods = Pods().at(0, "running").ends(110, "succeeded").at(200, "scheduling")
    pods.at(220, "running")
    story = watch(pods, first(2).bye(), second(225).bye(), until_s=400)

    assert story.fold.interruptions == 0
    assert where(story, RunState.SCHEDULING) == [(200, 220)]


def test_an_elastic_run_that_grows_steps_on() -> None:
    """Four more GPUs are asked for: until they are there, they are degraded."""
    pods = Pods(asked=4, elastic=True).at(0, "running")
    pods.asked = 8
    pods.at(55, "scheduling", running=4).at(85, "running")
    rank = Rank(inc="a" * 16, pid=1, world=4).init(5).steps(0, 14, each=10).bye()
    story = watch(pods, rank, until_s=200)

    assert story.fold.interruptions == 0
    assert story.live()["degraded"] == 30 * 4
    assert story.live()["productive"] == 50 * 4 + 30 * 4 + 70 * 8
    wall = story.fold.book.wall_ns
    booked = story.fold.book.live.total_gpu_ns
    assert sum(devices * wall_ns for devices, wall_ns in wall.items()) == booked


def test_trouble_that_a_node_had_before_is_another_runs_story() -> None:
    """An XID ten minutes before the run came explains no end of it."""
    before = Evidence(ns(START_S + 5), Kind.XID, "79", "gpu/n1/0000:3b", "kernel")
    pods = Pods().at(600, "provisioning").at(620, "running").at(700, "down")
    story = watch(pods, until_s=800, also=(before,))

    (incident,) = story.fold.incidents
    assert incident.cause is Cause.UNKNOWN


def test_a_job_that_is_given_more_pods_is_not_interrupted() -> None:
    """Nobody declared it elastic; nothing of it is gone either."""
    pods = Pods(asked=4).at(0, "running")
    pods.asked = 8
    pods.at(55, "scheduling", running=4).at(85, "running")
    rank = Rank(inc="a" * 16, pid=1, world=4).init(5).steps(0, 14, each=10).bye()

    assert watch(pods, rank, until_s=200).fold.interruptions == 0


def test_a_placement_that_comes_late_holds_from_the_line_on() -> None:
    """What was booked stays; the book still closes."""
    pods = Pods().at(0, "running").at(115, "down").at(120, "scheduling")
    late = pods.said.pop()
    story = Observer(PINNED)
    story.watch([*pods.said, *observations([first(2).cut(8)])], 200)
    sealed_s = story_s(story.fold.line_ns or 0)
    story.watch([late], 300)

    assert sealed_s == 195
    assert where(story, RunState.DOWN) == [(115, sealed_s)]
    assert where(story, RunState.SCHEDULING) == [(sealed_s, 295)]
    assert books_close(story)


def test_the_node_of_the_first_pod_to_end_is_kept_with_the_interruption() -> None:
    """A run of two nodes; what ended first was on the second of them."""
    ended = Evidence(
        ns(START_S + 99),
        Kind.CONTAINER_EXIT,
        "exit 1",
        "pod/default/story-1/main",
        "kubernetes",
    )
    pods = Pods(nodes=("n1", "n2")).at(0, "running").at(100, "down")
    crew = tuple(Seat(f"default/story-{n}", f"n{n + 1}", n) for n in range(2))
    pods.said[0] = replace(pods.said[0], crew=crew)
    story = watch(pods, until_s=130, also=(ended,))

    (event,) = events(story, EventKind.INTERRUPTED)
    assert event.detail["nodes"] == "n1,n2"
    assert event.detail["first_node"] == "n2"


def test_a_run_that_turns_out_to_be_part_of_another_says_of_which() -> None:
    """What it booked stays its own; the entry of its end ties the two."""
    pods = Pods().at(0, "running").ends(60, "deleted")
    pods.said[-1] = replace(pods.said[-1], reason="MovedTo/llama")

    story = watch(pods, until_s=120)

    (end,) = events(story, EventKind.ENDED)
    assert end.detail == {"outcome": "deleted", "joins": "llama"}
    assert story.fold.ended_ns == ns(START_S + 60)
