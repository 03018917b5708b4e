"""A ledger is checked, copied, put back and exported, also while it is written."""

from __future__ import annotations

import csv
import io
import sqlite3
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from goodput_exporter.config.places import load
from goodput_exporter.domain.accounting import tally
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import ConfigError, GoodputError, LedgerError
from goodput_exporter.ledger.connections import connect_writer
from goodput_exporter.ledger.ledger import Batch, Ledger
from goodput_exporter.ledger.migrations import migrate
from goodput_exporter.ledger.queries import migrations
from goodput_exporter.ledger.reader import read_ledger
from goodput_exporter.ledger.store import open_ledger
from goodput_exporter.ledger.tabular import exact_seconds
from goodput_exporter.services import ledger_export
from goodput_exporter.services.ledger_commands import INSTEAD, Asked, main
from tests.fakes.ledger import LLAMA, booked, segment
from tests.fakes.office import books_on
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import KEY, START_S, observations

STORY = (
    Rank(inc="a" * 16, pid=1).init(5).steps(0, 3, each=5).save(2, 3).cut(4),
    Rank(inc="b" * 16, pid=2, begins_s=60).init(5).restore(2, 3).steps(4, 9, each=5),
)
UNTOUCHABLE = "DROP TRIGGER entries_are_never_changed"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the ledger lies."""
    return tmp_path / "ledger.sqlite"


def ask(path: Path, action: str, file: Path | None = None) -> tuple[int, str]:
    """Return the exit status of an action, and what it says."""
    settings = load(environ={}, flags={"ledger.path": str(path)})
    out = io.StringIO()
    status = main(settings, Asked(action, file), out)
    return status, out.getvalue()


def export(path: Path, file: Path | None = None, **chosen: str) -> str:
    """Return what an export writes, to its file or to the screen."""
    settings = load(environ={}, flags={"ledger.path": str(path)})
    asked = {"table": None, "format": None, "file": file, **chosen}
    out = io.StringIO()
    assert ledger_export.main(settings, Namespace(**asked), out) == 0
    return out.getvalue()


def lived(ledger: Ledger, until_s: int) -> Iterator[int]:
    """Keep the story's books, and stop after every second of it."""
    coming = sorted(observations(STORY), key=lambda seen: seen.at_ns)
    books = books_on(ledger)
    for second in range(1, until_s + 1):
        now_ns = ns(START_S + second)
        books.take([seen for seen in coming if seen.at_ns <= now_ns])
        coming = [seen for seen in coming if seen.at_ns > now_ns]
        books.tick(now_ns)
        yield second


def written(path: Path, *, until_s: int = 90) -> None:
    """Keep the story's books and let go of the ledger."""
    with closing(open_ledger(path)) as ledger:
        assert list(lived(ledger, until_s))[-1] == until_s


def tampered(path: Path, *statements: str) -> None:
    """Change a ledger behind its back."""
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


def test_a_live_run_is_sound_at_every_second_of_its_life(path: Path) -> None:
    """Held warm-up steps and the open step have no entry yet; that is no hole."""
    with closing(open_ledger(path)) as ledger:
        found = {second: ask(path, "verify") for second in lived(ledger, 90)}

    assert {s: said for s, said in found.items() if said[0]} == {}
    assert found[90][1] == f"{path}: 1 run; every law holds\n"


def test_time_that_no_step_holds_is_a_hole_in_a_live_run(path: Path) -> None:
    """What the state does not hold must be in an entry, and the entry is named."""
    written(path)
    with closing(read_ledger(path)) as ledger:
        gone = next(
            e for e in ledger.bookings(KEY) if "restoring" in str(e.booking).lower()
        )
    tampered(
        path,
        UNTOUCHABLE,
        f"UPDATE entries SET end_ns = end_ns - 1 WHERE seq = {gone.seq:d}",  # noqa: S608 (a number of this test)
    )

    status, said = ask(path, "verify")

    assert status == 1
    assert "breaks the tiling" in said
    assert "is booked by no segment" in said


def test_entries_that_are_not_what_the_counters_counted_are_named(path: Path) -> None:
    """An entry that was given more devices breaks no tiling; the sums tell."""
    written(path)
    tampered(
        path,
        UNTOUCHABLE,
        "UPDATE entries SET devices = devices + 1 WHERE state = 'restoring'",
    )

    status, said = ask(path, "verify")

    assert status == 1
    assert f"run {KEY}: the entries hold 4000000000 GPU-ns restoring" in said
    assert "its state counts 2000000000" in said


def test_a_state_of_another_version_is_named(path: Path) -> None:
    """The entries are whole, and yet the run could not go on."""
    with closing(open_ledger(path)) as ledger:
        ledger.append(Batch(1, [(LLAMA, segment(0, 5))], {LLAMA: b"fold/9 {}"}))

    status, said = ask(path, "verify")

    assert status == 1
    assert "a run's state begins with b'fold/9'" in said


def test_a_backup_taken_between_two_commits_holds_the_first(
    path: Path, tmp_path: Path
) -> None:
    """The copy is one file, holds whole batches, and the exporter books on."""
    target = tmp_path / "copy.sqlite"
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(segment(0, 10)))
        status, said = ask(path, "backup", target)
        ledger.append(booked(segment(10, 20)))

        assert ledger.account(LLAMA).total_gpu_ns == 160
    assert (status, said) == (0, f"{target}: a copy of {path}; every law holds in it\n")
    assert [p.name for p in tmp_path.glob("copy*")] == ["copy.sqlite"]
    with closing(read_ledger(target)) as copy:
        assert copy.account(LLAMA).total_gpu_ns == 80


def test_a_backup_overwrites_nothing(path: Path, tmp_path: Path) -> None:
    """Neither last night's copy nor the ledger itself."""
    written(path, until_s=20)
    target = tmp_path / "copy.sqlite"
    target.write_text("last night's")

    for existing in (target, path):
        with pytest.raises(LedgerError, match="exists already"):
            ask(path, "backup", existing)

    assert target.read_text() == "last night's"
    assert ask(path, "verify")[0] == 0


def test_a_backup_of_a_broken_ledger_does_not_pass_for_a_good_one(
    path: Path, tmp_path: Path
) -> None:
    """It is kept under a name that says so, and the exit status is 1."""
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(segment(0, 10), segment(11, 20)))
    target = tmp_path / "copy.sqlite"

    status, said = ask(path, "backup", target)

    assert status == 1
    assert "10 ns to 11 ns is booked by no segment" in said
    assert [p.name for p in tmp_path.glob("copy*")] == ["copy.sqlite.unsound"]


def test_a_restored_ledger_goes_on_and_the_old_one_stays(
    path: Path, tmp_path: Path
) -> None:
    """Whoever restores the wrong copy can still go back."""
    written(path, until_s=40)
    copy = tmp_path / "copy.sqlite"
    ask(path, "backup", copy)
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(segment(0, 10)))

    status, said = ask(path, "restore", copy)

    (old,) = tmp_path.glob("ledger.sqlite.20*Z")
    assert (status, said) == (
        0,
        f"{path}: restored from {copy}; what was there is {old}\n",
    )
    with closing(read_ledger(old)) as before:
        assert [known.key for known in before.runs()] == [LLAMA, KEY]
    with closing(open_ledger(path)) as ledger:
        assert [known.key for known in ledger.runs()] == [KEY]
        assert list(ledger.resume().states) == [KEY]


def test_what_a_killed_exporter_had_committed_stays_with_the_old_file(
    path: Path, tmp_path: Path
) -> None:
    """Its last batches lie in the write-ahead log, which moves along."""
    copy = tmp_path / "copy.sqlite"
    with closing(open_ledger(tmp_path / "other.sqlite")) as other:
        other.append(booked(segment(0, 1)))
    ask(tmp_path / "other.sqlite", "backup", copy)
    killed = tmp_path / "killed"
    killed.mkdir()
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(segment(0, 10)))
        for part in ("", "-wal"):
            name = path.name + part
            (killed / name).write_bytes((tmp_path / name).read_bytes())

    assert ask(killed / path.name, "restore", copy)[0] == 0

    (old,) = killed.glob("ledger.sqlite.20*Z")
    with closing(read_ledger(old)) as before:
        assert before.account(LLAMA).total_gpu_ns == 80
    with closing(read_ledger(killed / path.name)) as now:
        assert now.account(LLAMA).total_gpu_ns == 8


def test_nothing_is_restored_under_a_running_exporter(
    path: Path, tmp_path: Path
) -> None:
    """It would go on writing the file that was taken away."""
    written(path, until_s=20)
    copy = tmp_path / "copy.sqlite"
    ask(path, "backup", copy)

    with (
        closing(open_ledger(path)),
        pytest.raises(LedgerError, match="writes this ledger already; stop it"),
    ):
        ask(path, "restore", copy)

    assert not list(tmp_path.glob("ledger.sqlite.20*"))


def test_a_broken_copy_is_not_restored(path: Path, tmp_path: Path) -> None:
    """The ledger that was there is as it was, to the byte."""
    written(path, until_s=20)
    broken = tmp_path / "broken.sqlite"
    with closing(open_ledger(broken)) as ledger:
        ledger.append(booked(segment(0, 10), segment(11, 20)))
    before = path.read_bytes()

    status, said = ask(path, "restore", broken)

    assert status == 1
    assert said.startswith(f"{broken}: breaks laws; {path} is as it was:\n")
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("ledger.sqlite.*[Zg]"))


def test_a_ledger_is_restored_where_none_was(path: Path, tmp_path: Path) -> None:
    """A new machine has no folder for it yet."""
    written(path, until_s=20)
    new = tmp_path / "state" / "goodput" / "ledger.sqlite"

    status, said = ask(new, "restore", path)

    assert (status, said) == (0, f"{new}: restored from {path}\n")
    assert ask(new, "verify")[0] == 0


def test_a_copy_of_an_earlier_version_is_restored(path: Path, tmp_path: Path) -> None:
    """An upgrade makes no backup useless; the backup itself stays as it was."""
    copy = tmp_path / "copy.sqlite"
    with closing(connect_writer(copy)) as db:
        migrate(db, copy, migrations()[:1])
        db.execute(
            "INSERT INTO runs VALUES (1, 'local', 'default', 'llama', 0, 10, 10)"
        )
        db.execute(
            "INSERT INTO entries (booked_ns, run_id, kind, start_ns, end_ns, state, "
            "devices, cause, bridged) VALUES "
            "(1, 1, 'segment', 0, 10, 'productive', 8, 'none', 0)"
        )
    before = copy.read_bytes()

    status, said = ask(path, "restore", copy)

    assert (status, said) == (0, f"{path}: restored from {copy}\n")
    assert ask(path, "verify")[0] == 0
    with closing(read_ledger(path)) as ledger:
        assert ledger.account(RunKey("local", "default", "llama")).total_gpu_ns == 80
    assert copy.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir() if "restoring" in p.name) == []


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "no such file; name a backup"),
        (b"", "holds no ledger; name a backup"),
        (b"garbage " * 1000, "no SQLite database"),
    ],
)
def test_what_is_no_copy_is_not_restored(
    path: Path, tmp_path: Path, content: bytes | None, wrong: str
) -> None:
    """The ledger that was there is as it was, to the byte."""
    written(path, until_s=20)
    before, copy = path.read_bytes(), tmp_path / "copy.sqlite"
    if content is not None:
        copy.write_bytes(content)

    with pytest.raises(LedgerError, match=wrong):
        ask(path, "restore", copy)

    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*restoring*"))


def test_an_export_holds_every_segment_exactly(path: Path) -> None:
    """Whoever adds up the table gets the account, to the nanosecond."""
    hard = replace(
        segment(NS_PER_SECOND, NS_PER_SECOND + 1, RunState.DOWN, devices=3),
        cause=Cause.GPU_LOST,
        incident=2,
    )
    good = replace(segment(0, NS_PER_SECOND), first_step=4, last_step=6)
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(good, hard))
        said = export(path)

    rows = list(csv.DictReader(io.StringIO(said)))
    assert [row["gpu_seconds"] for row in rows] == ["8.000000000", "0.000000003"]
    assert rows[1] == {
        "cluster": "local",
        "namespace": "default",
        "run": "llama",
        "start": "1970-01-01T00:00:01.000000000Z",
        "end": "1970-01-01T00:00:01.000000001Z",
        "start_ns": "1000000000",
        "end_ns": "1000000001",
        "state": "down",
        "layer": "infrastructure",
        "cause": "gpu_lost",
        "devices": "3",
        "gpu_seconds": "0.000000003",
        "incident": "2",
        "first_step": "",
        "last_step": "",
        "kept_as": "",
        "bridged": "false",
        "model_flops": "",
    }
    assert (rows[0]["first_step"], rows[0]["last_step"]) == ("4", "6")


def test_an_export_of_a_whole_life_adds_up_to_its_account(
    path: Path, tmp_path: Path
) -> None:
    """In a file as on the screen; and an existing file is refused."""
    written(path)
    table = tmp_path / "segments.csv"

    assert export(path, table) == ""

    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    with closing(read_ledger(path)) as ledger:
        account = ledger.account(KEY)
        assert tally(ledger.segments(KEY)) == account
    total = sum(int(row["gpu_seconds"].replace(".", "")) for row in rows)
    assert total == account.total_gpu_ns
    assert export(path) == table.read_text(encoding="utf-8")
    with pytest.raises(LedgerError, match="cannot be written"):
        export(path, table)


def test_gpu_time_past_what_a_float_holds_is_written_out() -> None:
    """100,000 GPUs over 90 days, and one nanosecond."""
    ninety_days = Span(0, 90 * 86_400 * NS_PER_SECOND).length_ns

    assert exact_seconds(ninety_days * 100_000 + 1) == "777600000000.000000001"


@pytest.mark.parametrize("action", INSTEAD)
def test_a_ledger_in_postgresql_has_better_tools(action: str) -> None:
    """The message names them, and never the rest of the address."""
    url = "postgresql://goodput@db.example:5432/goodput"
    settings = load(environ={}, flags={"ledger.url": url})

    with pytest.raises(ConfigError) as refused:
        main(settings, Asked(action, Path("x")), io.StringIO())

    assert INSTEAD[action] in str(refused.value)
    assert "db.example" not in str(refused.value)


def test_a_wrong_path_makes_no_ledger(path: Path) -> None:
    """Who asks after a ledger that is not there is told so; none is made."""
    with pytest.raises(LedgerError, match="no ledger is there"):
        ask(path, "verify")
    with pytest.raises(LedgerError, match="no ledger is there"):
        export(path)

    assert not path.exists()


@pytest.mark.parametrize("version", [0, 99])
def test_a_ledger_of_another_version_is_not_guessed_at(
    path: Path, version: int
) -> None:
    """Reading changes nothing, so an old one is not brought up to date either."""
    written(path, until_s=10)
    tampered(path, f"PRAGMA user_version = {version:d}")

    with pytest.raises(LedgerError, match=f"has schema {version}"):
        ask(path, "verify")


@pytest.mark.parametrize("action", ["backup", "restore"])
def test_a_copy_needs_a_name(path: Path, action: str) -> None:
    """Without it there is nothing to guess."""
    with pytest.raises(GoodputError, match="name the file"):
        ask(path, action)


def test_a_ledger_of_an_earlier_version_is_brought_to_this_one(path: Path) -> None:
    """The commands that only read say how, and then read."""
    with closing(connect_writer(path)) as db:
        migrate(db, path, migrations()[:1])

    with pytest.raises(LedgerError, match="run goodput-exporter ledger migrate"):
        ask(path, "verify")
    done = ask(path, "migrate")

    assert done == (0, f"{path}: of this version\n")
    assert ask(path, "verify")[0] == 0


def test_no_ledger_is_made_where_one_was_to_be_migrated(path: Path) -> None:
    """A path that was mistyped stays empty."""
    with pytest.raises(LedgerError, match="no ledger is there; check ledger"):
        ask(path, "migrate")

    assert not path.exists()
