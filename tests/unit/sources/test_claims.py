"""Whose a run name is: the first user that the kernel vouched for."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.runs import key_of
from goodput_exporter.sources.limits import Bucket, Limits
from goodput_exporter.sources.processes import Process
from goodput_exporter.sources.senders import (
    CREDENTIALS,
    Sender,
    udp_sender,
    unix_sender,
)
from tests.fakes.heartbeats import INC, Desk, heartbeat

VICTIM = "ml/victim"
OTHER = "f" * 16
ALICE, MALLORY = 1000, 1001
SECOND_TRIES = ((2, VICTIM), (3, None))


def user(uid: int, pid: int = 4711) -> Sender:
    """Return a process of a user; pid 0 is one of another pid namespace."""
    return unix_sender(CREDENTIALS.pack(pid, uid, uid), Bucket(Limits(), 0))


def stranger() -> Sender:
    """Return a program of this machine that sends over UDP."""
    return udp_sender("127.0.0.1", 40_000, Bucket(Limits(), 0))


def intrusion(**changes: object) -> bytes:
    """Return a hello that would wreck a run's book."""
    claim: dict[str, object] = {"t": "hello", "inc": OTHER, "run": VICTIM, "rank": 7}
    return heartbeat(**claim | {"ws": 1000, "st": 999_999} | changes)


@pytest.mark.parametrize(
    "intruder", [stranger(), user(MALLORY, 13), user(ALICE, 0)], ids=lambda s: s.name
)
def test_nobody_joins_the_run_of_another_user(intruder: Sender) -> None:
    """Another user, a UDP sender and a process without a pid are refused whole."""
    desk = Desk()
    desk.hear(heartbeat(run=VICTIM), user(ALICE))

    assert desk.hear(intrusion(), intruder) == []
    assert desk.refused() == {"owner": 1}
    assert desk.reception.process_of(OTHER) is None


def test_one_user_may_share_a_run_between_processes() -> None:
    """The ranks of one job are processes of one user."""
    desk = Desk()
    desk.hear(heartbeat(run=VICTIM), user(ALICE, 10))

    [report] = desk.hear(heartbeat(inc=OTHER, run=VICTIM), user(ALICE, 11))

    assert isinstance(report, RankReport)
    assert (report.run_id, report.verified) == (VICTIM, True)


def test_a_verified_sender_takes_over_a_run_of_nobody() -> None:
    """Whoever came first over UDP is refused once the kernel vouches for someone."""
    desk = Desk()
    before = desk.hear(intrusion(seq=1), stranger())
    taken = desk.hear(heartbeat(run=VICTIM), user(ALICE))

    # Silence about the run is no way in: its incarnation has named it.
    after = [desk.hear(intrusion(seq=n, run=r), stranger()) for n, r in SECOND_TRIES]

    assert (len(before), len(taken), after) == (1, 1, [[], []])
    assert desk.refused() == {"owner": 2}


def test_a_stranger_cannot_take_over_a_claimed_incarnation() -> None:
    """An unverified life of an owned run passes to its owner and to nobody else."""
    desk = Desk()
    desk.hear(intrusion(seq=1), stranger())
    desk.hear(heartbeat(run=VICTIM), user(ALICE))

    assert desk.hear(intrusion(seq=2), user(MALLORY, 13)) == []
    assert len(desk.hear(intrusion(seq=2), user(ALICE, 12))) == 1


def test_a_run_without_an_owner_is_open_to_the_unverified() -> None:
    """Nodes that can use UDP only share a run as before."""
    desk = Desk()

    heard = [desk.hear(intrusion(inc=f"{n:016x}"), stranger()) for n in range(3)]

    assert [len(each) for each in heard] == [1, 1, 1]


def test_users_without_a_run_name_do_not_meet() -> None:
    """Each incarnation without a name is a run of its own."""
    desk = Desk()

    first = desk.hear(heartbeat(), user(ALICE))
    second = desk.hear(heartbeat(inc=OTHER), user(MALLORY, 13))

    assert len(first) == len(second) == 1


def test_the_run_of_a_nameless_incarnation_cannot_be_named() -> None:
    """The ledger's name for it is no way into it either."""
    desk = Desk()
    [report] = desk.hear(heartbeat(), user(ALICE))
    assert isinstance(report, RankReport)
    name = key_of(report, cluster="c", namespace="n").run

    assert desk.hear(intrusion(run=name), user(MALLORY, 13)) == []
    assert desk.refused() == {"owner": 1}


def test_a_claim_is_forgotten_with_its_incarnations() -> None:
    """Memory of owners is bounded by the memory of their runs."""
    desk = Desk(Limits(incarnations=1))
    desk.hear(heartbeat(run=VICTIM), user(ALICE))
    desk.clock.forward(61)
    desk.hear(heartbeat(inc="a" * 16, run="ml/next"), user(ALICE))
    desk.clock.forward(61)

    assert len(desk.hear(intrusion(), user(MALLORY, 13))) == 1


def test_a_restart_of_the_exporter_does_not_open_a_run() -> None:
    """A process that is watched again owns its run before it has spoken."""
    desk = Desk()
    desk.reception.remember(INC, Process(4711, 7, None))
    desk.reception.restore_claim(INC, VICTIM, ALICE)

    assert desk.hear(intrusion(), stranger()) == []
    [report] = desk.hear(heartbeat(), user(ALICE))
    assert isinstance(report, RankReport)
    assert report.run_id == VICTIM


def test_a_nameless_life_is_nameless_after_a_restart() -> None:
    """It may still say its name, as it might have without the restart."""
    desk = Desk()
    desk.reception.remember(INC, Process(4711, 7, None))
    desk.reception.restore_claim(INC, f"unnamed-{INC}", ALICE)

    [report] = desk.hear(heartbeat(run=VICTIM), user(ALICE))

    assert isinstance(report, RankReport)
    assert report.run_id == VICTIM


def test_a_refused_stranger_is_named_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The line tells which run, whose it is and what to do."""
    desk = Desk()
    desk.hear(heartbeat(run=VICTIM), user(ALICE))

    for seq in range(5):
        desk.hear(intrusion(seq=seq), user(MALLORY, 13))

    [line] = caplog.messages
    assert "unix pid 13" in line
    assert "run ml/victim belongs to uid 1000, and this is uid 1001" in line
    assert "a run name of its own" in line
