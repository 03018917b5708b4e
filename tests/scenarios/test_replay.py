"""What was recorded, folded again: the same rules give the same account."""

from __future__ import annotations

import io
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from goodput_exporter.config.places import load
from goodput_exporter.domain.accounting import tally
from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.placement import Placement, Stage
from goodput_exporter.domain.settings import Rules
from goodput_exporter.errors import ConfigError, LedgerError
from goodput_exporter.ledger.recorder import Bounds
from goodput_exporter.ledger.store import open_ledger
from goodput_exporter.services import ledger_replay
from goodput_exporter.services.replaying import Refolded, booked, require_kept
from tests.fakes.deaths import dies_before
from tests.fakes.ledger import MemoryLedger
from tests.fakes.ranks import Rank, ns
from tests.fakes.recorded import Recorded
from tests.fakes.stories import KEY, START_S, observations

FAILED = (
    Rank(inc="a" * 16, pid=1).init(5).steps(0, 9, each=5).save(2, 9).cut(4),
    Rank(inc="b" * 16, pid=2, begins_s=90).init(5).restore(2, 9).steps(10, 30, each=5),
)
STALLED = (
    Rank(inc="a" * 16, pid=1)
    .init(5)
    .steps(0, 9, each=5)
    .steps(10, 10, each=100)
    .steps(11, 20, each=5),
)
STORIES = {"a failure": FAILED, "a stall": STALLED}


def same(exporter: Recorded, found: Refolded) -> bool:
    """Tell whether every stretch booked what the ledger did in its ticks."""
    return all(
        stretch.accounts[run.key] == booked(exporter.ledger, run.key, stretch)
        for stretch in found.stretches
        for run in exporter.ledger.runs()
    )


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_the_same_rules_give_the_same_account(
    story: tuple[Rank, ...], tmp_path: Path
) -> None:
    """To the nanosecond, by state and by cause."""
    exporter = Recorded(tmp_path, MemoryLedger()).watch(observations(story), 260)

    found, damage = exporter.replay()

    (stretch,) = found.stretches
    assert damage == []
    assert found.ticks == 260
    assert stretch.accounts == {KEY: tally(exporter.ledger.segments(KEY))}
    assert stretch.accounts[KEY].total_gpu_ns > ns(100)
    assert same(exporter, found)


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
@pytest.mark.parametrize("away_s", [0, 20])
def test_restarts_of_the_exporter_are_replayed_as_they_were(
    story: tuple[Rank, ...], away_s: int, tmp_path: Path
) -> None:
    """Killed three times, once away for a while: folds are taken up as they were."""
    exporter = Recorded(tmp_path, MemoryLedger())
    for until_s in (31, 75, 133):
        exporter.watch(observations(story), until_s)
        exporter.now_s += away_s
        exporter.start()
    exporter.watch(observations(story), 280)

    found, damage = exporter.replay()

    assert damage == []
    assert len(found.stretches) == 1
    assert found.stretches[0].accounts == {KEY: tally(exporter.ledger.segments(KEY))}


def test_a_run_that_comes_back_is_reopened_in_the_replay(tmp_path: Path) -> None:
    """It had left memory: its state is in the recording, as it was read."""
    rules = Rules(end_after_ns=ns(60))
    story = (
        Rank(inc="a" * 16, pid=1).init(5).steps(0, 3, each=5).cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=1_200).init(5).steps(4, 9, each=5),
    )
    exporter = Recorded(tmp_path, MemoryLedger(), rules)
    exporter.watch(observations(story), 1_300)

    found, _ = exporter.replay()

    assert same(exporter, found)
    assert found.stretches[0].accounts[KEY].total_gpu_ns > ns(60)


def test_a_recording_that_lost_its_beginning_begins_at_any_file(tmp_path: Path) -> None:
    """Each file names the states to go on from; the bound takes whole files."""
    exporter = Recorded(
        tmp_path, MemoryLedger(), bounds=Bounds(keep_ns=ns(16 * 40))
    ).watch(observations(FAILED), 260)
    files = sorted(tmp_path.iterdir())
    for lost in files[:2]:
        lost.unlink()

    found, damage = exporter.replay()

    (stretch,) = found.stretches
    assert len(files) > 4
    assert damage == []
    assert stretch.head.why == "rotated"
    assert 0 < found.ticks < 260
    assert same(exporter, found)


def test_observations_of_a_cluster_are_replayed(tmp_path: Path) -> None:
    """Pods and evidence decide states and causes, and travel in the recording."""
    at_ns = ns(START_S + 58)
    seen = [
        *observations(FAILED),
        Placement(KEY, at_ns, Stage.SCHEDULING, 1, pods=("ml/p",), nodes=("n1",)),
        Evidence(at_ns, Kind.XID, "79", "gpu/n1/0"),
    ]
    exporter = Recorded(tmp_path, MemoryLedger()).watch(seen, 260)

    found, _ = exporter.replay()

    assert found.skipped == 0
    assert same(exporter, found)
    states = {state.value for state in found.stretches[0].accounts[KEY].gpu_ns}
    assert "scheduling" in states


def test_other_rules_give_another_account(tmp_path: Path) -> None:
    """A longer limit lets the same step be slow; the whole stays the same."""
    exporter = Recorded(tmp_path, MemoryLedger()).watch(observations(STALLED), 260)
    patient = Rules(stall_floors_ns=dict.fromkeys(Rules().stall_floors_ns, ns(900)))

    (stretch,) = exporter.replay(patient)[0].stretches

    there = booked(exporter.ledger, KEY, stretch)
    here = stretch.accounts[KEY]
    assert here != there
    assert here.total_gpu_ns == there.total_gpu_ns


# The command.


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Keep a ledger and a recording of the same life; return where both are."""
    path, folder = tmp_path / "ledger.sqlite", tmp_path / "recording"
    with closing(open_ledger(path)) as ledger:
        Recorded(folder, ledger).watch(observations(STALLED), 180).recorder.close()
        yield path, folder


def replay(path: Path, folder: Path, **chosen: object) -> tuple[int, str]:
    """Return the exit status of a replay, and what it says."""
    settings = load(environ={}, flags={"ledger.path": str(path)})
    asked = {"recording": str(folder), "set": None, "rules_file": None}
    out = io.StringIO()
    status = ledger_replay.main(
        settings, Namespace(**{**asked, "as_recorded": False, **chosen}), out
    )
    return status, out.getvalue()


def test_a_replay_under_the_same_rules_differs_in_nothing(
    kept: tuple[Path, Path],
) -> None:
    """Exit status 0, also where the rules in force are asked for by name."""
    for as_recorded in (True, False):
        status, said = replay(*kept, as_recorded=as_recorded)

        assert status == 0
        assert said.endswith("the same\n180 ticks\n")


def contents(folder: Path) -> dict[Path, bytes]:
    """Return what is in a folder, without the memory that readers of SQLite share."""
    found = [file for file in folder.rglob("*") if file.is_file()]
    return {file: file.read_bytes() for file in found if file.suffix != ".sqlite-shm"}


def test_a_replay_changes_no_file_so_that_a_kill_leaves_none_half_done(
    kept: tuple[Path, Path], tmp_path: Path
) -> None:
    """What it adds up is in memory: it neither makes a name nor writes to a file."""
    before = contents(tmp_path)

    was_killed = dies_before(0, tmp_path, partial(replay, *kept))

    assert not was_killed
    assert contents(tmp_path) == before


def test_a_replay_prints_what_another_rule_changes(kept: tuple[Path, Path]) -> None:
    """State by state, in exact GPU-seconds; exit status 1."""
    status, said = replay(*kept, set=["stall.step_seconds=900"])

    assert status == 1
    assert "rules that differ from the recorded ones: stall_floors_ns" in said
    assert f"run {KEY}: stalled: " in said
    moved = [line.rpartition("(")[2] for line in said.splitlines() if "run " in line]
    assert sum(float(each.rstrip(")")) for each in moved) == 0


def test_rules_may_stand_in_a_file(kept: tuple[Path, Path], tmp_path: Path) -> None:
    """The same tables as in the configuration; what is no rule is refused."""
    rules = tmp_path / "rules.toml"
    rules.write_text("[stall]\nstep_seconds = 900\n")
    assert replay(*kept, rules_file=str(rules))[0] == 1

    for wrong in ("http.port=1", "stall.step_second=3", "stall.factor"):
        with pytest.raises(ConfigError, match="ledger replay"):
            replay(*kept, set=[wrong])


def test_a_compacted_ledger_is_compared_all_the_same(tmp_path: Path) -> None:
    """Joined segments hold what they held; folded ones are missed, and said so."""
    tomorrow = START_S // 86_400 + 1
    done = Rank(inc="a" * 16, pid=1).init(5).steps(0, 19, each=2).bye()
    with closing(open_ledger(tmp_path / "ledger.sqlite")) as ledger:
        exporter = Recorded(tmp_path / "recording", ledger)
        exporter.watch(observations([done]), 130)
        (stretch,) = exporter.replay()[0].stretches
        assert [run.closed for run in ledger.runs()] == [True]
        assert ledger.compact(0, tomorrow).joined > 0
        assert booked(ledger, KEY, stretch) == stretch.accounts[KEY]

        ledger.compact(tomorrow, tomorrow)
        with pytest.raises(LedgerError, match="folded into days after this recording"):
            require_kept(ledger.runs(), stretch)
