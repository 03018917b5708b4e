"""Groups of runs: ratios of sums, and sums that outlive the runs."""

from __future__ import annotations

from dataclasses import replace

from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.placement import Owner
from goodput_exporter.domain.rollups import GroupKey, GroupView
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import RunState
from tests.fakes.office import Office
from tests.fakes.pods import Pods
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import KEY, observations

BLUE = Owner(kind="Job", name="story", team="blue", queue="main", gpu_model="H100")


def small_and_large() -> list[Observation]:
    """Return two runs of one team: 1 GPU that trains, and 99 that wait."""
    waiting = RunKey("local", "default", "waiting")
    seen: list[Observation] = []
    seen += Pods(asked=1, owner=BLUE).at(0, "running").said
    seen += (
        Pods(asked=99, owner=replace(BLUE, name="w"), key=waiting).at(0, "down").said
    )
    seen += observations([Rank(pid=1).init(10).steps(0, 8, each=10).bye()])
    return seen


def group(office: Office, kind: str, name: str) -> GroupView:
    """Return what is shown of one group."""
    found = {one.key: one for one in office.books.groups(office.now_ns)}
    return found[GroupKey(kind, name)]


def test_a_groups_ratio_is_the_ratio_of_sums() -> None:
    """The mean of 90 % and 0 % would be 45 %; of a hundred GPUs, one trained."""
    office = Office().watch(small_and_large(), 120)
    blue = group(office, "team", "blue")
    ratio = blue.ratios["lifetime"].goodput

    assert ratio is not None
    assert ratio < 0.01
    assert blue.sealed.of(RunState.PRODUCTIVE) == ns(90)
    assert blue.sealed.of(RunState.DOWN) > ns(100) * 99


def test_every_group_of_a_run_has_all_of_its_time() -> None:
    """Cluster, namespace, team, queue and GPU model see the same two runs."""
    office = Office().watch(small_and_large(), 120)
    shown = office.books.groups(office.now_ns)

    kinds = ["cluster", "gpu_model", "namespace", "queue", "team"]
    assert [one.key.kind for one in shown] == kinds
    assert len({one.sealed.total_gpu_ns for one in shown}) == 1
    whole = sum(view.sealed.total_gpu_ns for view in office.views())
    assert shown[0].sealed.total_gpu_ns == whole


def test_the_sums_of_a_group_outlive_its_runs() -> None:
    """A run leaves the page after its retention, its seconds stay."""
    office = Office().live(Rank(pid=1).init(10).steps(0, 8, each=10).bye(), until_s=130)
    before = group(office, "cluster", "local").sealed
    office.watch([], 1500)

    assert office.views() == ()
    assert group(office, "cluster", "local").sealed == before


def test_the_sums_of_a_group_survive_a_restart_at_any_second() -> None:
    """They are committed with the entries that they are the sum of."""
    for killed_s in range(5, 118, 7):
        first = Office().watch(small_and_large(), killed_s)
        shown = {one.key: one.sealed for one in first.books.groups(first.now_ns)}
        second = Office(ledger=first.ledger, begins_s=killed_s)
        again = {one.key: one.sealed for one in second.books.groups(second.now_ns)}
        assert again == shown

        second.watch(small_and_large(), 130)
        for key, sealed in shown.items():
            later = group(second, key.kind, key.name).sealed
            assert all(later.of(state) >= sealed.of(state) for state in RunState)


def test_a_group_is_what_its_entries_add_up_to() -> None:
    """Whatever was committed of the runs of the namespace, and nothing else."""
    office = Office().watch(small_and_large(), 120)
    booked = office.ledger.account(KEY)
    booked.merge(office.ledger.account(RunKey("local", "default", "waiting")))

    assert group(office, "namespace", "default").sealed == booked


def test_time_that_was_booked_stays_with_the_team_it_was_booked_for() -> None:
    """A label that changes moves what comes, not what was: counters never go back."""
    office = Office().watch(Pods(asked=2, owner=BLUE).at(0, "down").said, 60)
    before = group(office, "team", "blue").sealed.total_gpu_ns
    office.watch(
        Pods(owner=replace(BLUE, team="red"), asked=2).at(61, "down").said, 120
    )

    assert group(office, "team", "blue").sealed.total_gpu_ns >= before
    assert group(office, "team", "red").sealed.total_gpu_ns > 0
