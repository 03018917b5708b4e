"""One of several replicas holds the Lease, and nobody else believes to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.services.leading import (
    LOOKS,
    SAFE_SHARE,
    TAKEN_SHARE,
    Alone,
    Elector,
)
from tests.fakes.leases import Hands, Paper

SECONDS = 15.0


def two() -> tuple[Hands, Paper, Elector, Elector]:
    """Return two replicas that stand for one Lease."""
    clock = Hands()
    paper = Paper(clock)
    one, other = (
        Elector(paper, name, seconds=SECONDS, monotonic=clock) for name in ("a", "b")
    )
    return clock, paper, one, other


def test_the_first_takes_it_and_the_second_knows_who_has_it() -> None:
    """A Lease that is not there yet is free."""
    _, paper, one, other = two()

    one.step()
    other.step()

    assert (one.is_leader, other.is_leader) == (True, False)
    assert other.leader == one.leader == paper.lease.holder == "a"


def test_a_leader_that_is_cut_off_ceases_before_the_other_begins() -> None:
    """Whatever hangs, there is no instant at which both believe."""
    clock, paper, one, other = two()
    one.step()
    other.step()

    began = clock.at
    both = []
    while clock.at < began + 3 * SECONDS:
        clock.at += 0.5
        other.step()  # the first one hangs and looks at nothing
        both.append((one.is_leader, other.is_leader))

    assert (True, True) not in both
    assert both[-1] == (False, True)
    assert paper.lease.holder == "b"
    believed_s = 0.5 * both.index((False, False))
    assert believed_s == pytest.approx(SECONDS * SAFE_SHARE, abs=1.0)


@pytest.mark.parametrize("seconds", [1.0, 2.0, 7.0, SECONDS])
def test_a_dead_leaders_lease_is_taken_well_within_its_length(seconds: float) -> None:
    """However short it is, and whenever the other looked: time is left for books."""
    clock = Hands()
    paper = Paper(clock)
    one, other = (
        Elector(paper, name, seconds=seconds, monotonic=clock) for name in ("a", "b")
    )
    one.step()
    other.step()
    clock.at += 0.01  # the other has just not seen this
    one.step()
    died = clock.at

    while not other.is_leader:
        clock.at += other.pause_seconds()
        other.step()

    gap_s = clock.at - died
    shortest_s, longest_s = seconds * TAKEN_SHARE, seconds * (TAKEN_SHARE + 1 / LOOKS)
    assert shortest_s - 0.001 <= gap_s <= longest_s + 0.001


def test_what_is_renewed_is_not_taken_whatever_the_clocks_say() -> None:
    """A replica measures since it saw the last change, on its own clock."""
    clock, _, one, other = two()
    one.step()
    for _ in range(20):
        clock.at += 2.5
        one.step()
        other.step()

        assert (one.is_leader, other.is_leader) == (True, False)


def test_a_replica_that_comes_back_under_its_name_goes_on_at_once() -> None:
    """A container that was killed and started again has its pod's name."""
    clock, paper, one, _ = two()
    one.step()
    clock.at += 1

    again = Elector(paper, "a", seconds=SECONDS, monotonic=clock)
    again.step()

    assert again.is_leader
    assert paper.lease.transitions == 0


def test_what_is_let_go_can_be_taken_at_once() -> None:
    """An update of the program costs no wait."""
    _, paper, one, other = two()
    one.step()
    other.step()

    one.stop()
    other.step()

    assert (one.is_leader, other.is_leader) == (False, True)
    assert paper.lease.transitions == 1


def test_of_two_that_write_at_once_one_is_refused() -> None:
    """Both have read that it is free."""
    clock, paper, one, other = two()
    one.step()
    clock.at += 2 * SECONDS
    other.step()  # sees it for the first time
    clock.at += 2 * SECONDS
    stale = paper.lease
    one.step()

    assert paper.write(replace(stale, holder="b")) is None
    assert one.is_leader


def test_an_api_server_that_is_away_costs_the_lead_in_time() -> None:
    """The Lease cannot be renewed: somebody else may take it."""
    clock, paper, one, _ = two()
    one.step()
    paper.is_away = True

    with pytest.raises(SourceUnavailableError):
        one.step()
    clock.at += SECONDS * SAFE_SHARE - 0.1
    still = one.is_leader
    clock.at += 0.2

    assert still
    assert not one.is_leader


def test_who_is_alone_leads() -> None:
    """Without a Lease there is no other replica."""
    assert Alone().is_leader
