"""A person corrects why an incident happened: in a tick, through the API, offline."""

from __future__ import annotations

import io
import threading
from argparse import Namespace
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from goodput_exporter.config import Settings, load
from goodput_exporter.domain.bookings import Reattribution
from goodput_exporter.domain.causes import Correction
from goodput_exporter.domain.fold import INCIDENTS_KEPT
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause
from goodput_exporter.errors import BadInputError, ConfigError, LedgerError
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.opening import open_ledger
from goodput_exporter.services import attribute_command
from goodput_exporter.services.attribute_command import cause_of, incident_of
from goodput_exporter.services.desk import Desk, answer
from tests.fakes.apps import TOKEN, app_with
from tests.fakes.asking import ask
from tests.fakes.epics import three_days
from tests.fakes.office import Office, books_on
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import KEY, START_S, observations

USER = Correction(1, Cause.USER, "kim", "I pulled the plug", ns(START_S + 200))


def two_lives() -> list[Rank]:
    """Return a rank that is killed, and the one that follows it to a good end."""
    first = Rank(inc="a" * 16, pid=1).init(5).steps(0, 8, each=10).cut(5)
    second = Rank(inc="b" * 16, pid=2, begins_s=130).init(5).restore(2, 6)
    return [first, second.steps(7, 12, each=10).bye()]


def killed() -> Office:
    """Return an office that has seen a run killed, and come back."""
    return Office().live(*two_lives(), until_s=180)


def moves(office: Office) -> list[Reattribution]:
    """Return what the ledger says was moved between causes."""
    entries = office.ledger.bookings(KEY)
    found = (entry.booking for entry in entries)
    return [booking for booking in found if isinstance(booking, Reattribution)]


def test_a_correction_is_an_entry_and_shows_as_restated() -> None:
    """Live counters stay; what is known today has the better cause."""
    office = killed()
    sealed = office.view().sealed
    office.books.correct(KEY, USER, office.now_ns)
    office.watch([], 181)

    (move,) = [move for move in moves(office) if move.by]
    view = office.view()
    assert (move.to_cause, move.by, move.note) == (Cause.USER, "kim", USER.note)
    assert view.sealed.bad_gpu_ns[Cause.UNKNOWN] >= sealed.bad_gpu_ns[Cause.UNKNOWN]
    assert Cause.UNKNOWN not in view.settled.bad_gpu_ns
    assert view.incidents[0].cause is Cause.USER
    assert view.recaused[(Cause.UNKNOWN, Cause.USER)] == sum(move.gpu_ns.values())


def test_a_run_that_is_long_over_can_be_corrected() -> None:
    """It is taken up from its last state, and closed again."""
    office = Office().live(*two_lives(), until_s=2500)
    assert office.views() == ()

    office.books.correct(KEY, USER, office.now_ns)
    office.watch([], 2502)
    office.views()

    assert [move.to_cause for move in moves(office) if move.by] == [Cause.USER]
    assert not office.ledger.resume().states


def test_an_incident_that_the_fold_forgot_is_read_from_the_ledger() -> None:
    """A run keeps its last incidents at hand; a person may mean an older one."""
    count = INCIDENTS_KEPT + 5
    lives = [
        Rank(inc=f"{n:016x}", pid=n + 1, begins_s=n * 10.0).init(2).steps(n, n, each=4)
        for n in range(count)
    ]
    office = Office().watch(observations(lives), count * 10.0 + 20, tick_s=5.0)
    before = sum(office.view().settled.bad_gpu_ns.values())
    office.books.correct(KEY, USER, office.now_ns)
    office.watch([], office.now_s + 5)

    (move,) = [move for move in moves(office) if move.by]
    assert move.incident == 1
    assert sum(move.gpu_ns.values()) > 0
    assert sum(office.view().settled.bad_gpu_ns.values()) >= before
    assert min(office.view().settled.bad_gpu_ns.values()) >= 0


@pytest.mark.parametrize(
    ("key", "number", "words"),
    [
        (KEY, 9, "no incident 9; it has had 1"),
        (RunKey("local", "default", "nobody"), 1, "not in the ledger"),
    ],
)
def test_what_is_not_there_cannot_be_corrected(
    key: RunKey, number: int, words: str
) -> None:
    """The error names the run and what it has."""
    with pytest.raises(BadInputError, match=words):
        killed().books.correct(key, replace(USER, incident=number), 0)


def test_the_desk_answers_when_the_ledger_has_it() -> None:
    """Who asks from another thread waits for the commit, no longer."""
    office, desk = killed(), Desk()
    asker = threading.Thread(
        target=desk.correct, args=(KEY, USER), kwargs={"patience": 9}
    )
    asker.start()
    while not (asked := desk.serve(office.books, office.now_ns)):
        assert asker.is_alive()
    is_committed = office.books.tick(office.now_ns)
    answer(asked, is_committed=is_committed)
    asker.join(9)

    assert not asker.is_alive()
    assert [move.by for move in moves(office) if move.by] == ["kim"]


def test_the_desk_does_nothing_for_one_who_has_gone() -> None:
    """A correction that was reported as failed is not carried out afterwards."""
    office, desk = killed(), Desk()
    with pytest.raises(LedgerError, match="not committed within"):
        desk.correct(KEY, USER, patience=0.0)

    assert desk.serve(office.books, office.now_ns) == []


class Corrected:
    """Notes what the API asked for."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.asked: list[tuple[RunKey, int, Cause, str, str]] = []
        self._error = error

    def __call__(
        self, key: RunKey, incident: int, cause: Cause, by: str, note: str
    ) -> None:
        """Note what is asked, or fail as told."""
        if self._error is not None:
            raise self._error
        self.asked.append((key, incident, cause, by, note))


PATH = "/api/v1/runs/local%2Fdefault%2Fstory/incidents/1/cause"
BODY = {"cause": "planned", "note": "card pulled", "by": "kim"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def test_the_api_takes_a_correction_from_who_has_a_token() -> None:
    """Who it was is the token's name, and the name that was given beside it."""
    corrected = Corrected()
    app = app_with(correct=corrected)
    answered = ask(app, "POST", PATH, json=BODY, headers=BEARER)

    assert answered.status_code == 200
    ((key, number, cause, by, note),) = corrected.asked
    assert (key, number, cause, note) == (KEY, 1, Cause.PLANNED, "card pulled")
    assert by.startswith("kim (token:")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (BODY, {}, 401),
        ({"cause": "none"}, BEARER, 422),
        ({"cause": "gremlins"}, BEARER, 422),
        ({}, BEARER, 422),
    ],
)
def test_the_api_refuses_what_is_no_correction(
    body: dict[str, str], headers: dict[str, str], status: int
) -> None:
    """Nothing is corrected."""
    corrected = Corrected()
    app = app_with(correct=corrected)

    answered = ask(app, "POST", PATH, json=body, headers=headers)
    assert answered.status_code == status
    assert isinstance(answered.json()["detail"], str)
    assert not corrected.asked


@pytest.mark.parametrize(
    ("error", "status"),
    [(BadInputError("run x has no incident 1"), 404), (LedgerError("full"), 503)],
)
def test_the_api_says_why_it_did_not(error: Exception, status: int) -> None:
    """The reason is in the answer."""
    app = app_with(correct=Corrected(error=error))
    answered = ask(app, "POST", PATH, json=BODY, headers=BEARER)

    assert answered.status_code == status
    assert answered.json()["detail"] == str(error)


def settings_on(ledger: Path) -> Settings:
    """Return settings with a ledger, and a port where nobody listens."""
    flags = {"ledger.path": str(ledger), "http.port": "9"}
    return load(environ={}, flags=flags)


def chosen(**words: str | None) -> Namespace:
    """Return a parsed command line."""
    given = {"cause": "planned", "note": "why", "by": "kim", **words}
    run = given.pop("run", "local/default/story")
    return Namespace(incident=f"{run}#1", **given)


def test_a_ledger_that_nobody_holds_is_corrected_itself(tmp_path: Path) -> None:
    """The exporter need not run: its next life goes on with the corrected cause."""
    path = tmp_path / "ledger.sqlite"
    with closing(open_ledger(path)) as ledger:
        books = books_on(ledger)
        for one in observations(two_lives()):
            books.take([one])
            books.tick(one.at_ns)
        books.tick(ns(START_S + 300))
    said = io.StringIO()

    assert attribute_command.main(settings_on(path), chosen(), said) == 0
    assert "in the ledger" in said.getvalue()
    with closing(open_ledger(path)) as ledger:
        entries = [entry.booking for entry in ledger.bookings(KEY)]
        assert ledger.verify() == []
    found = [one for one in entries if isinstance(one, Reattribution) and one.by]
    assert [(one.to_cause, one.note) for one in found] == [(Cause.PLANNED, "why")]


def test_a_misspelt_run_gets_the_nearest_one(tmp_path: Path) -> None:
    """The exporter is not there to be asked for its name."""
    path = tmp_path / "ledger.sqlite"
    epic = three_days()
    with closing(open_ledger(path)) as ledger:
        ledger.append(Batch(epic.at_ns, [(epic.key, one) for one in epic.bookings]))

    with pytest.raises(BadInputError, match=f"did you mean {epic.key}"):
        attribute_command.main(
            settings_on(path), chosen(run="east/research/lama"), io.StringIO()
        )


def test_a_run_without_a_state_is_not_said_to_be_unknown(tmp_path: Path) -> None:
    """Its entries are there; what is missing is what to go on from."""
    path = tmp_path / "ledger.sqlite"
    epic = three_days()
    with closing(open_ledger(path)) as ledger:
        ledger.append(Batch(epic.at_ns, [(epic.key, one) for one in epic.bookings]))
        books = books_on(ledger)
        with pytest.raises(BadInputError, match="entries in the ledger and no state"):
            books.correct(epic.key, USER, epic.at_ns)


@pytest.mark.parametrize(
    "text", ["story#1", "a/b/c", "a/b/c#x", "a//c#1", "#", "a/b/#1"]
)
def test_an_incident_is_named_in_full(text: str) -> None:
    """The error shows how."""
    with pytest.raises(ConfigError, match="CLUSTER/NAMESPACE/RUN#NUMBER"):
        incident_of(text)


def test_a_run_id_may_hold_a_slash_and_a_hash() -> None:
    """The last hash is before the number, and the first two slashes part the key."""
    assert incident_of("c/n/a/b#2#3") == (RunKey("c", "n", "a/b#2"), 3)


@pytest.mark.parametrize("text", [None, "none", "gremlins"])
def test_a_cause_is_one_of_the_closed_set(text: str | None) -> None:
    """The error lists them."""
    with pytest.raises(ConfigError, match="application_error, oom_killed"):
        cause_of(text)
