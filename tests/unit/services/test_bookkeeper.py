"""The bookkeeper shows what the ledger holds, and keeps runs apart."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import AccountingError, LedgerCorruptError, LedgerError
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.services import bookkeeper
from goodput_exporter.services.bookkeeper import NOT_WRITTEN
from tests.fakes.ledger import MemoryLedger
from tests.fakes.office import RETENTION_S, Office, lifetime
from tests.fakes.ranks import Rank
from tests.fakes.stories import KEY, observations

DAMAGED = b"fold/1 {"
PINNED = Rules(reference_step_ns=5 * NS_PER_SECOND)


def crash_and_return() -> tuple[Rank, Rank]:
    """A run that saves, dies in a step, and comes back to redo one."""
    return (
        Rank(inc="a" * 16, pid=1).init(5).steps(0, 3, each=5).save(2, 3).cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=60).init(5).restore(2, 3),
    )


def long_story() -> tuple[Rank, ...]:
    """The same, and then it trains on to a good end at 187 s."""
    first, second = crash_and_return()
    return first, second.steps(4, 27, each=5).bye()


def report(run: str, *, inc: str = "c" * 16, role: str = "trainer") -> RankReport:
    """Return the first word of some rank."""
    rank = Rank(inc=inc, pid=7, run=run).init(5)
    first = observations([rank], known_exit=False)[0]
    assert isinstance(first, RankReport)
    return replace(first, role=role)


class Unreadable(MemoryLedger):
    """A ledger whose disk fails to read one run's state, for a while."""

    is_broken = True

    def state_of(self, key: RunKey) -> bytes | None:
        """Return the state, once the disk is back."""
        if self.is_broken:
            msg = "disk I/O error"
            raise LedgerError(msg)
        return super().state_of(key)


class Torn(MemoryLedger):
    """A ledger in which some states, or all segments, are not what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.torn: set[RunKey] = set()

    def state_of(self, key: RunKey) -> bytes | None:
        """Return the state, or refuse a torn one as the real ledger does."""
        if key in self.torn:
            msg = f"run {key}: its state does not match its checksum"
            raise LedgerCorruptError(msg)
        return super().state_of(key)


class Picky(MemoryLedger):
    """A ledger that can never store one run's entries, as a bug of ours might."""

    def append(self, batch: Batch) -> int:
        """Take a batch, unless the sick run has an entry in it."""
        if any(key.run == "sick" for key, _ in batch.bookings):
            msg = "run local/default/sick: a booking cannot be stored"
            raise AccountingError(msg)
        return super().append(batch)


def test_counters_are_what_the_ledger_holds_at_every_tick() -> None:
    """Whoever adds the ledger up by hand gets the figure on the page."""
    seen = observations(long_story())
    office = Office()

    for second in range(1, 220):
        office.watch(seen, second)
        for view in office.views():
            held = office.ledger.account(KEY)
            assert view.sealed.gpu_ns == held.gpu_ns
            assert view.sealed.bad_gpu_ns == held.bad_gpu_ns
    assert office.ledger.verify() == []
    assert office.books.entries == len(list(office.ledger.bookings(KEY)))


def test_while_the_ledger_fails_views_stand_still_and_say_so() -> None:
    """What is not on disk is not shown, and silence is not read into the wait."""
    seen = observations(long_story())
    office = Office().watch(seen, 100)
    before = office.view()
    office.ledger.failure = LedgerError("no space left on device")

    for second in range(101, 140):
        office.watch(seen, second)
        assert office.view() == replace(before, notes=(*before.notes, NOT_WRITTEN))

    assert not office.books.is_committing
    assert office.books.failures == 39


def test_a_full_disk_is_said_ever_more_seldom(caplog: pytest.LogCaptureFixture) -> None:
    """Each doubling of the tries is a line: the log may lie on that disk."""
    seen = observations(long_story())
    office = Office().watch(seen, 100)
    office.ledger.failure = LedgerError("no space left on device")
    office.watch(seen, 400)
    said = [record.getMessage() for record in caplog.records]

    assert 2 <= len(said) <= 10
    assert "took nothing" in said[0]
    assert said[-1] == "the ledger takes nothing, tried 256 times: " + str(
        office.ledger.failure
    )


@pytest.mark.parametrize("from_s", [3, 20, 31, 58, 66, 80, 150])
def test_a_ledger_that_fails_for_a_hundred_ticks_costs_nothing(from_s: int) -> None:
    """Once it takes entries again, the books are those of a run without the fault."""
    seen = observations(long_story())
    twin = Office().watch(seen, 300)
    office = Office().watch(seen, from_s)

    office.ledger.failure = LedgerError("no space left on device")
    office.watch(seen, from_s + 100)
    office.ledger.failure = None
    office.watch(seen, 300)

    assert office.ledger.account(KEY) == twin.ledger.account(KEY)
    assert office.view().settled == twin.view().settled
    assert office.ledger.verify() == []
    assert lifetime(office.view()).adds_up
    assert office.books.is_committing


def test_what_waits_for_a_failing_ledger_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The oldest words go first: each later one carries the whole state."""
    monkeypatch.setattr(bookkeeper, "BACKLOG", 10)
    seen = observations([Rank(pid=1).init(5).steps(0, 29, each=5).bye()])
    twin = Office().watch(seen, 200)
    office = Office().watch(seen, 40)
    office.ledger.failure = LedgerError("no space left on device")

    office.watch(seen, 130)
    office.ledger.failure = None
    office.watch(seen, 200)

    assert lifetime(office.view()).adds_up
    assert office.view().steps_first_time == 30
    assert office.view().sealed == twin.view().sealed


def test_the_same_name_with_another_id_is_another_run() -> None:
    """Two runs side by side share neither time nor steps."""
    one = Rank(inc="a" * 16, pid=1, run="llama-1").init(5).steps(0, 9, each=5)
    two = Rank(inc="b" * 16, pid=2, run="llama-2").init(10).steps(0, 3, each=5)

    office = Office().live(one, two, until_s=40)

    views = {view.key.run: view for view in office.views()}
    assert set(views) == {"llama-1", "llama-2"}
    assert views["llama-1"].steps_first_time > views["llama-2"].steps_first_time
    alone = Office().live(one, until_s=40).view()
    assert views["llama-1"] == alone


def test_the_same_id_in_another_process_is_the_same_run() -> None:
    """A new pid and a new incarnation go on with the run that has their id."""
    office = Office().live(*long_story(), until_s=180)

    assert office.view().interruptions == 1
    assert office.view().high_water_step is not None
    assert [run.key for run in office.ledger.runs()] == [KEY]


def test_a_failed_run_stays_in_sight_after_its_end_is_known() -> None:
    """It is known to have failed long after it died: only then its time runs."""
    office = Office().live(Rank(pid=1).init(5).steps(0, 3, each=5), until_s=30)

    office.watch([], 25 + 15 * 60 + 10, tick_s=10.0)
    assert office.view().outcome == "failed"
    office.watch([], office.now_s + 14 * 60, tick_s=60.0)
    assert office.view().outcome == "failed"
    office.watch([], office.now_s + 2 * 60, tick_s=60.0)
    assert office.views() == ()


def test_a_finished_run_that_reports_again_goes_on_counting() -> None:
    """Its counters begin where they stopped: a scrape never sees them fall."""
    office = Office().live(Rank(pid=1).init(5).steps(0, 9, each=5).bye(), until_s=80)
    before = office.view()
    office.watch([], 80 + 1200, tick_s=60.0)
    assert office.views() == ()

    again = Rank(inc="b" * 16, pid=2, begins_s=2000).init(5).steps(10, 12, each=5)
    office.live(again, until_s=2004)
    after = office.view()

    assert after.outcome == "running"
    assert after.sealed == before.sealed
    assert after.steps_first_time == before.steps_first_time
    office.live(again, until_s=2020)
    assert lifetime(office.view()).adds_up
    assert office.view().sealed.total_gpu_ns > before.sealed.total_gpu_ns


def test_a_restart_of_the_exporter_knows_the_recent_windows() -> None:
    """The last hour on the page is the same before and after."""
    seen = observations(long_story())
    before = Office().watch(seen, 150)

    after = Office(ledger=before.ledger, begins_s=150)

    assert after.view().ratios == before.view().ratios
    assert after.view().timeline == before.view().timeline
    assert after.view().sealed == before.view().sealed


def test_a_damaged_run_begins_anew_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its old entries stay, no instant is booked twice, and the log says so."""
    ledger = Torn()
    seen = observations(
        [
            Rank(inc="a" * 16, pid=1, run="torn").init(5).steps(0, 30, each=5),
            Rank(inc="b" * 16, pid=2, run="whole").init(5).steps(0, 30, each=5),
        ]
    )
    Office(ledger=ledger).watch(seen, 60)
    torn = RunKey("local", "default", "torn")
    held = ledger.account(torn)
    ledger.torn.add(torn)
    ledger._states[torn] = DAMAGED  # noqa: SLF001 - as a bad disk would

    office = Office(ledger=ledger, begins_s=60).watch(seen, 120)

    views = {view.key.run: view for view in office.views()}
    assert views["whole"].steps_first_time >= 19
    assert views["torn"].high_water_step == views["whole"].high_water_step
    assert ledger.account(torn).total_gpu_ns > held.total_gpu_ns
    assert ledger.verify() == []
    assert "begins anew" in caplog.text


def test_a_run_that_cannot_go_on_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A figure that is none costs its run what it saw lately, and is counted."""
    seen = observations(
        [
            Rank(inc="a" * 16, pid=1, run="sick").init(5).steps(0, 30, each=5),
            Rank(inc="b" * 16, pid=2, run="well").init(5).steps(0, 30, each=5),
        ]
    )
    office = Office().watch(seen, 40)
    sick = next(o for o in reversed(seen) if isinstance(o, RankReport) and o.pid == 1)

    office.books.take([replace(sick, flops=math.inf, at_ns=office.now_ns)])
    office.watch(seen, 90)

    assert office.books.setbacks == 1
    assert "back to its last commit" in caplog.text
    assert {view.key.run for view in office.views()} == {"sick", "well"}
    assert all(view.steps_first_time >= 12 for view in office.views())
    assert all(lifetime(view).adds_up for view in office.views())


def test_what_can_never_be_stored_costs_its_own_run_only() -> None:
    """The other run's books stay complete, and what is shown is what is written."""
    seen = observations(
        [
            Rank(inc="a" * 16, pid=1, run="sick").init(5).steps(0, 9, each=5),
            Rank(inc="b" * 16, pid=2, run="well").init(5).steps(0, 9, each=5),
        ]
    )
    office = Office(PINNED, ledger=Picky()).watch(seen, 50)

    views = {view.key.run: view for view in office.views()}
    assert office.books.setbacks > 0
    assert views["sick"].sealed.total_gpu_ns == 0
    assert views["well"].steps_first_time >= 6
    assert views["well"].sealed == office.ledger.account(views["well"].key)
    assert office.ledger.verify() == []


def test_a_launcher_alone_is_no_run() -> None:
    """A launcher speaks first and trains nothing: nobody waits for GPUs yet."""
    office = Office()

    office.books.take([report("story", role="launcher")])
    office.watch([], 10)

    assert office.views() == ()
    assert office.ledger.runs() == []


def test_made_up_run_ids_are_refused_once_there_is_no_room() -> None:
    """Ten thousand names fill the room there is; real runs go on, and it is said."""
    seen = observations(long_story())
    office = Office(most_runs=50).watch(seen, 10)

    word = report("r")
    office.books.take(
        replace(word, run_id=f"r{n}", incarnation=f"{n:016x}") for n in range(10_000)
    )
    office.watch(seen, 20)

    assert len(office.views()) == 50
    assert office.books.refused == 10_000 - 49
    assert any(view.key == KEY and view.high_water_step for view in office.views())


def test_when_runs_have_left_there_is_room_again() -> None:
    """A refused run is taken with its next word, as all of its state is in it."""
    office = Office(most_runs=1).live(Rank(pid=1).init(3).bye(), until_s=20)
    late = Rank(inc="d" * 16, pid=9, run="late", begins_s=1000).init(5)
    late.steps(0, 9, each=5)

    office.watch([], 1000, tick_s=50.0)
    office.views()
    office.live(late, until_s=1030)

    assert office.view().key.run == "late"
    assert office.books.refused == 0


def test_a_ledger_that_cannot_be_read_holds_a_run_back_and_loses_nothing() -> None:
    """Whether a run is new is not guessed: its words wait until the disk answers."""
    ledger = Unreadable()
    seen = observations([Rank(pid=1).init(5).steps(0, 9, each=5)])
    office = Office(ledger=ledger).watch(seen, 20)

    assert office.views() == ()
    assert not office.books.is_committing
    ledger.is_broken = False
    office.watch(seen, 40)
    twin = Office().watch(seen, 40)
    assert office.view() == twin.view()


def test_a_run_that_is_over_is_shown_as_the_same_object() -> None:
    """The page keeps the lines of an object that it knows: ended runs cost nothing."""
    office = Office().live(Rank(pid=1).init(5).steps(0, 3, each=5).bye(), until_s=60)

    assert office.view() is office.view()
    first = office.view()
    office.watch([], 65)
    assert office.view() is first


def test_words_of_earlier_lives_do_not_pile_up() -> None:
    """A crash loop of thousands of processes is remembered as its last ones."""
    office = Office()
    lives = [
        Rank(inc=f"{n:016x}", pid=n + 1, begins_s=n * 2.0).init(1) for n in range(1500)
    ]

    office.watch(observations(lives), 3010, tick_s=10.0)
    office.views()

    assert office.books._router.incarnations < 1200  # noqa: SLF001 - no other sign
    assert lifetime(office.view()).adds_up


def test_a_run_that_has_just_ended_stays_in_sight_when_the_exporter_restarts() -> None:
    """Its last figures may not be scraped yet; after the retention they leave."""
    ended = Office().live(Rank().init(5).steps(0, 9, each=1).bye(), until_s=40)
    shown = ended.view()
    again = Office(ledger=ended.ledger, begins_s=60)

    assert shown.outcome == "succeeded"
    assert again.view().sealed == shown.sealed
    assert again.view().outcome == "succeeded"
    assert Office(ledger=ended.ledger, begins_s=60 + RETENTION_S).views() == ()
