"""Very many very short runs: series come and go, and what they cost stays."""

from __future__ import annotations

from itertools import pairwise

from goodput_exporter.domain.rollups import GroupKey
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import RunState
from tests.fakes.office import RETENTION_S, Office
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, observations

JOBS = 1000
JOB_S = 5
SCRAPE_S = 30
EVERY_S = 0.2


def jobs() -> list[Rank]:
    """Return jobs of one GPU that train for four seconds, five of them a second."""
    return [
        Rank(inc=f"{n:016x}", run=f"job-{n}", pid=1000 + n, begins_s=n * EVERY_S)
        .init(1)
        .steps(0, 3, each=1.0)
        .bye()
        for n in range(JOBS)
    ]


def whole(office: Office) -> dict[RunState, int]:
    """Return the GPU time of all runs of the cluster, as its counters show it."""
    groups = {one.key: one.sealed for one in office.books.groups(office.now_ns)}
    account = groups.get(GroupKey("cluster", "local"))
    return {} if account is None else dict(account.gpu_ns)


def test_a_thousand_jobs_of_five_seconds_are_in_the_sums_and_gone_from_the_page() -> (
    None
):
    """
    Every job ends between two scrapes; each is scraped, and none stays for ever.

    The sums of the cluster never shrink, and hold every GPU-second when the last
    series of a job is gone.
    """
    office = Office(most_runs=JOBS)
    coming = observations(jobs())
    scraped: set[RunKey] = set()
    sums: list[dict[RunState, int]] = []
    for until_s in range(SCRAPE_S, int(JOBS * EVERY_S) + 3 * SCRAPE_S, SCRAPE_S):
        upto_ns = ns(START_S + until_s)
        now = [one for one in coming if office.now_ns < one.at_ns <= upto_ns]
        office.watch(now, until_s, tick_s=5)
        scraped |= {view.key for view in office.views()}
        sums.append(whole(office))
    office.watch([], office.now_s + RETENTION_S + 60, tick_s=SCRAPE_S)
    sums.append(whole(office))

    assert len(scraped) == JOBS
    assert office.views() == ()
    assert sums[-1] == {
        RunState.INITIALIZING: ns(JOBS),
        RunState.PRODUCTIVE: ns(JOBS * (JOB_S - 1)),
    }
    for before, after in pairwise(sums):
        assert all(after.get(state, 0) >= spent for state, spent in before.items())
