"""What one incarnation may say after what it has said before."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.observations import RankExited, RankReport
from goodput_exporter.domain.states import Phase
from goodput_exporter.sources.limits import Limits
from goodput_exporter.sources.processes import Process, ProcessExit
from tests.fakes.heartbeats import (
    BOOT_NS,
    INC,
    NOON_NS,
    Desk,
    heartbeat,
    process,
)

SECOND = 1_000_000_000
NOON_MONO_S = (NOON_NS - BOOT_NS) / SECOND

ONE_S: dict[str, object] = {"pa": 0, "cum": {"init": 1}}


def inc(number: int) -> str:
    """Return the id of one of many incarnations."""
    return f"{number:016x}"


def test_late_and_repeated_datagrams_change_nothing() -> None:
    """A sequence number counts once; what comes late is already known."""
    desk = Desk()

    heard = [len(desk.hear(heartbeat(seq=seq))) for seq in (5, 5, 4, 6)]

    assert heard == [1, 0, 0, 1]
    assert desk.refused() == {"duplicate": 2}


def test_gaps_are_lost_datagrams() -> None:
    """Three numbers that never came are three datagrams lost."""
    desk = Desk()
    desk.hear(heartbeat(seq=1))
    desk.clock.forward(2)

    desk.hear(heartbeat(seq=5, up=12, cum={"init": 6, "train_step": 6}))

    assert desk.reception.counted().lost == 3


def test_a_leap_of_the_sequence_number_is_not_believed() -> None:
    """Nobody sends 2^60 datagrams in two seconds."""
    desk = Desk()
    desk.hear(heartbeat(seq=1))
    desk.clock.forward(2)

    desk.hear(heartbeat(seq=2**60))

    assert desk.reception.counted().lost == 60


@pytest.mark.parametrize(
    "changes",
    [{"up": 9.5}, {"cum": {"init": 5, "train_step": 5}}, {"cum": {"train_step": 10}}],
)
def test_an_age_never_shrinks(changes: dict[str, object]) -> None:
    """Cumulative time that goes back is another life, and needs another id."""
    desk = Desk()
    desk.hear(heartbeat(seq=1))

    assert desk.hear(heartbeat(seq=2, **changes)) == []
    assert desk.refused() == {"backwards": 1}


def test_a_sender_cannot_age_faster_than_our_clock() -> None:
    """After 10 s of ours a sender may have aged 10.2 s and one more, no further."""
    desk = Desk()
    desk.hear(heartbeat(seq=1))
    desk.clock.forward(10)

    [report] = desk.hear(heartbeat(seq=2, up=1000, cum={"init": 4, "train_step": 996}))

    assert isinstance(report, RankReport)
    assert report.up_ns == 10 * SECOND + 11_200_000_000
    assert report.cum_ns[Phase.TRAIN_STEP] == 6 * SECOND + 11_200_000_000
    assert desk.flaws() == {"clamped": 1}


def test_a_lie_about_the_age_is_not_held_against_the_truth() -> None:
    """After a clamped message the true ones are taken again."""
    desk = Desk()
    desk.hear(heartbeat(seq=1))
    desk.clock.forward(10)
    desk.hear(heartbeat(seq=2, up=1000, cum={"init": 4, "train_step": 996}))
    desk.clock.forward(10)

    heard = desk.hear(heartbeat(seq=3, up=30, cum={"init": 4, "train_step": 26}))

    assert len(heard) == 1


def test_a_queue_that_waited_is_no_lie() -> None:
    """Old datagrams that arrive at one instant keep the ages they were sent with."""
    desk = Desk()
    desk.hear(heartbeat(seq=1))
    desk.clock.forward(30)

    for seq in (2, 3, 4):
        up = 10 + 10 * (seq - 1)
        desk.hear(heartbeat(seq=seq, up=up, cum={"init": 4, "train_step": up - 4}))

    assert desk.flaws() == {}


def test_a_datagram_stands_where_it_was_sent() -> None:
    """On one kernel the sender's monotonic clock tells how long it waited."""
    desk = Desk()

    [report] = desk.hear(heartbeat(mo=NOON_MONO_S - 3))

    assert isinstance(report, RankReport)
    assert report.at_ns == NOON_NS - 3 * SECOND


@pytest.mark.parametrize("offset", [-11, 0.5, 86_400])
def test_a_foreign_clock_is_counted_and_not_used(offset: float) -> None:
    """A transit of 11 s, or backwards in time, is another kernel's clock."""
    desk = Desk()

    [report] = desk.hear(heartbeat(mo=NOON_MONO_S + offset))

    assert isinstance(report, RankReport)
    assert report.at_ns == NOON_NS
    assert desk.flaws() == {"clock": 1}


def test_positions_of_one_incarnation_never_go_back() -> None:
    """One late by 12 s and the next by 9 s keep the order they were sent in."""
    desk = Desk()

    first = desk.hear(heartbeat(seq=1, mo=NOON_MONO_S - 12))[0]
    second = desk.hear(heartbeat(seq=2, mo=NOON_MONO_S - 9))[0]

    assert first.at_ns <= second.at_ns


def test_nobody_speaks_for_another_process() -> None:
    """An incarnation belongs to the process that began it."""
    desk = Desk()
    desk.hear(heartbeat(seq=1), process(10))

    assert desk.hear(heartbeat(seq=2), process(11)) == []
    assert desk.hear(heartbeat(seq=2), process(0)) == []
    assert desk.refused() == {"sender": 2}


def test_a_verified_process_takes_back_what_a_stranger_claimed() -> None:
    """The kernel's word outweighs nobody's."""
    desk = Desk()
    desk.hear(heartbeat(seq=1), process(0))

    [report] = desk.hear(heartbeat(seq=2), process(10))

    assert isinstance(report, RankReport)
    assert (report.verified, report.pid) == (True, 10)


def test_the_first_run_name_of_an_incarnation_stays() -> None:
    """One life serves one run; silence about it changes nothing."""
    desk = Desk()
    names: list[object] = [None, "ml/a", None, "ml/b"]

    heard = [desk.hear(heartbeat(seq=i, run=run))[0] for i, run in enumerate(names)]

    assert [r.run_id for r in heard if isinstance(r, RankReport)] == [
        None, "ml/a", "ml/a", "ml/a",
    ]  # fmt: skip
    assert desk.flaws() == {"run_changed": 1}


def test_nothing_follows_a_bye() -> None:
    """A new life needs a new id."""
    desk = Desk()
    desk.hear(heartbeat(seq=1, t="bye", ok=1))

    assert desk.hear(heartbeat(seq=2)) == []
    assert desk.refused() == {"ended": 1}


def test_a_sender_holds_a_bounded_number_of_incarnations() -> None:
    """The 65th at once is refused; a minute later the silent ones make room."""
    desk = Desk()
    for number in range(65):
        desk.hear(heartbeat(inc=inc(number)))
    assert desk.refused() == {"incarnations": 1}
    desk.clock.forward(61)

    assert len(desk.hear(heartbeat(inc=inc(99)))) == 1


def test_ten_thousand_run_names_do_not_grow_memory() -> None:
    """Names beyond the bound are refused, until silent runs make room."""
    desk = Desk(Limits(runs=100, incarnations_per_sender=10**6))

    for number in range(10_000):
        desk.hear(heartbeat(inc=inc(number), run=f"ml/{number}"))

    assert desk.refused() == {"runs": 9_900}
    desk.clock.forward(61)
    assert len(desk.hear(heartbeat(inc=inc(10_001), run="ml/new"))) == 1


def test_the_number_of_incarnations_in_all_is_bounded() -> None:
    """Many senders together are bounded too."""
    desk = Desk(Limits(incarnations=50))

    for number in range(60):
        desk.hear(heartbeat(inc=inc(number)), process(100 + number))

    assert desk.refused() == {"incarnations": 10}


def test_an_exit_ends_the_newest_incarnation_of_its_process() -> None:
    """A loop restarted in its process ended the older life by itself."""
    desk = Desk()
    desk.hear(heartbeat(inc=inc(1), rank=0))
    desk.hear(heartbeat(inc=inc(2), rank=0))

    seen = desk.reception.exits(ProcessExit(4711, NOON_NS, -9, "killed"))

    assert seen == [RankExited(inc(2), NOON_NS, -9, "killed")]
    assert desk.hear(heartbeat(inc=inc(1), seq=2)) == []
    assert desk.refused() == {"ended": 1}


def test_an_exit_ends_every_rank_of_its_process() -> None:
    """Two ranks in one process die together."""
    desk = Desk()
    desk.hear(heartbeat(inc=inc(1), rank=0))
    desk.hear(heartbeat(inc=inc(2), rank=1))

    seen = desk.reception.exits(ProcessExit(4711, NOON_NS, 1, "exited"))

    assert [e.incarnation for e in seen] == [inc(1), inc(2)]


def test_the_exit_of_an_unknown_process_is_no_news() -> None:
    """A process that never sent anything useful ended nothing."""
    assert Desk().reception.exits(ProcessExit(1, NOON_NS, 0, "exited")) == []


def test_a_clock_behind_its_own_process_is_odd_and_no_end() -> None:
    """A rank in a time namespace 3 s behind lives, and stands where it was read."""
    desk = Desk()
    sender = process()
    sender.process = Process(4711, 7, NOON_NS - SECOND)

    [report] = desk.hear(heartbeat(seq=1, up=1, mo=NOON_MONO_S - 3, **ONE_S), sender)
    heard = desk.hear(heartbeat(seq=2, up=1, mo=NOON_MONO_S - 3, **ONE_S), sender)

    assert isinstance(report, RankReport)
    assert report.at_ns == NOON_NS
    assert [type(each) for each in heard] == [RankReport]
    assert desk.flaws() == {"clock": 2}


def test_a_start_is_known_to_a_tick_only() -> None:
    """Words that seem 10 ms older than their process are where they were sent."""
    desk = Desk()
    sender = process()
    sender.process = Process(4711, 7, NOON_NS - SECOND)

    [report] = desk.hear(heartbeat(up=1, mo=NOON_MONO_S - 1.01, **ONE_S), sender)

    assert isinstance(report, RankReport)
    assert report.at_ns == NOON_NS - 1_010_000_000
    assert desk.flaws() == {}


def test_no_incarnation_is_older_than_its_process() -> None:
    """A first message that claims an hour, from a process of 10 s, is clamped."""
    desk = Desk()
    sender = process()
    sender.process = Process(4711, 7, NOON_NS - 10 * SECOND)

    [report] = desk.hear(heartbeat(up=3600, cum={"init": 3600}), sender)

    assert isinstance(report, RankReport)
    assert report.up_ns == report.cum_ns[Phase.INIT] == 11_200_000_000


def test_silence_of_a_live_process_forgets_nothing() -> None:
    """A rank that hangs for an hour is still known when it is killed."""
    desk = Desk(Limits(incarnations=1))
    sender = process()
    sender.process = Process(4711, 7, NOON_NS - 10 * SECOND)
    desk.hear(heartbeat(), sender)
    desk.clock.forward(3600)
    desk.hear(heartbeat(inc=inc(9)), process(12))

    [exited] = desk.reception.exits(ProcessExit(4711, NOON_NS, -9, "killed"))

    assert exited.incarnation == INC
    assert desk.refused() == {"incarnations": 1}


def test_an_end_that_nobody_saw_has_a_span() -> None:
    """It fell somewhere between the last message and its discovery."""
    desk = Desk()
    desk.hear(heartbeat())
    gone = ProcessExit(4711, NOON_NS + SECOND, None, "is gone", witnessed=False)

    [seen] = desk.reception.exits(gone)

    assert isinstance(seen, RankExited)
    assert (seen.since_ns, seen.at_ns) == (NOON_NS, NOON_NS + SECOND)


def test_a_refusal_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A broken sender cannot fill the log; the counter has every one of them."""
    desk = Desk()
    for _ in range(50):
        desk.hear(b"{")
        desk.hear(heartbeat(seq=1))  # repeated: normal life, no line at all
    desk.clock.forward(61)
    desk.hear(b"{")

    assert [r.getMessage().split(";")[0] for r in caplog.records] == [
        "unix pid 4711: datagram refused (malformed: JSONDecodeError)",
    ] * 2
