"""Reports, incidents and maintenance from the command line, over a real ledger."""

from __future__ import annotations

import argparse
import csv
import io
import json
from contextlib import closing
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytest

from goodput_exporter import cli
from goodput_exporter.config.places import load
from goodput_exporter.config.settings import Settings
from goodput_exporter.domain.accounting import tally
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import ConfigError, GoodputError, LedgerError
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.opening import compact_ledger
from goodput_exporter.ledger.reader import read_ledger
from goodput_exporter.ledger.store import open_ledger
from goodput_exporter.services import (
    incident_commands,
    maintenance_commands,
    report_commands,
)
from goodput_exporter.services.asked_windows import window_of
from tests.fakes.bills import H100
from tests.fakes.epics import BEGINS_NS, DAY, HOUR, three_days
from tests.fakes.office import books_on
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import KEY, START_S, observations

LLAMA = three_days()
QWEN = three_days("qwen", devices=16)
PRICES = f"""
[[price]]
gpu_model = "{H100}"
currency = "EUR"
per_gpu_hour = 2.5
from = 2026-01-01T00:00:00Z
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of a ledger with two runs of three days."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    with closing(open_ledger(path)) as ledger:
        for epic in (LLAMA, QWEN):
            told = [(epic.key, one) for one in epic.bookings]
            ledger.append(Batch(epic.at_ns, told))
    return at(path)


def at(path: Path) -> Settings:
    """Return settings with the ledger at a place."""
    return load(environ={}, flags={"ledger.path": str(path)})


def report(settings: Settings, *names: str, **said: object) -> str:
    """Return what a report prints; it is Markdown of the settled view by default."""
    return ask(report_commands, settings, names, {"format": "md", **said})


def ask(
    command: object,
    settings: Settings,
    names: tuple[str, ...],
    said: dict[str, object],
    out: io.StringIO | None = None,
) -> str:
    """Return what a command prints."""
    flags = ("from", "to", "last", "format", "out", "view", "prices", "gpu_model")
    more = ("node_pool", "compare", "attempts", "group_by")
    unsaid = dict.fromkeys((*flags, *more))
    chosen = argparse.Namespace(**unsaid | {"run": list(names)} | said)
    out = out or io.StringIO()
    assert command.main(settings, chosen, out) == 0  # type: ignore[attr-defined] # one of our modules
    return out.getvalue()


def test_a_report_is_the_ledgers_sum(settings: Settings) -> None:
    """Read back from the file and added up here, the live view agrees exactly."""
    text = report(settings, "llama", format="csv", view="live")

    with closing(read_ledger(settings.ledger.path)) as ledger:
        sums = tally(ledger.segments(LLAMA.key)).gpu_ns
    found: dict[str, int] = {}
    for row in csv.DictReader(io.StringIO(text)):
        found[row["state"]] = found.get(row["state"], 0) + int(row["gpu_ns"])
    assert found == {state.value: ns_ for state, ns_ in sums.items()}


def test_the_fleet_is_all_runs_of_the_ledger(settings: Settings) -> None:
    """Without a name; its foot is the time of both runs times their GPUs."""
    text = report(settings)

    hours = Decimal((LLAMA.at_ns - BEGINS_NS) * 80) / HOUR
    assert text.startswith("# 2 runs of east\n")
    assert f"= {hours:,.3f} GPU-hours." in text
    assert "| east/research/qwen |" in text
    assert "settled view" in text


def test_a_window_may_be_dates_or_a_length(settings: Settings) -> None:
    """The second of March holds 24 hours of 64 GPUs."""
    day = report(settings, "llama", **{"from": "2026-03-02", "to": "2026-03-03"})

    assert f"| total | {24 * 64:,}.000 | 100.00 |" in day
    assert window_of(None, None, "7d", whole=Span(0, 1), now_ns=8 * DAY) == Span(
        DAY, 8 * DAY
    )


def test_who_asks_for_a_time_without_entries_is_told_when_there_were_some(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A report of nothing looks like a cluster that stood still."""
    told = report(settings, **{"from": "2025-01-01", "to": "2025-01-02"})

    assert "Nothing was observed in this window." in told
    assert "no run was booked from 2025-01-01T00:00:00" in caplog.text
    assert "the ledger has runs from 2026-03-01T00:00:00" in caplog.text


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"from": "yesterday"}, "--from 'yesterday' is no instant; write a date"),
        ({"from": "2026-03-03", "to": "2026-03-02"}, "2026-03-03 is not before"),
        ({"last": "week"}, "--last 'week' is no length; write 90m"),
        ({"last": "0d"}, "--last '0d' is no length"),
        ({"last": "1d", "to": "2026-03-02"}, "--last ends now"),
        ({"prices": "none.toml"}, "--prices: none.toml cannot be read"),
        ({"format": "parquet"}, "name a new file with --out FILE"),
        ({"attempts": ["1"]}, "--attempts 1: two numbers are needed"),
        ({"attempts": ["1", "99"]}, "--attempts 99: .* has no such attempt; it has 1,"),
        ({"compare": "lama"}, "no run is called 'lama'; .* did you mean east/"),
    ],
)
def test_a_wrong_word_is_named_with_what_is_allowed(
    settings: Settings, said: dict[str, object], wrong: str
) -> None:
    """Each error says which flag, which value, and what to write."""
    with pytest.raises(GoodputError, match=wrong):
        report(settings, "llama", **said)


def test_a_run_that_is_not_there_has_near_names(settings: Settings) -> None:
    """The message offers the full name of what was probably meant."""
    with pytest.raises(GoodputError, match="did you mean east/research/qwen"):
        report(settings, "qwem")


def test_two_runs_are_compared_by_name(settings: Settings) -> None:
    """One stands beside the other; several beside one make no sense."""
    text = report(settings, "llama", compare="qwen")

    assert "| llama | qwen | Change, points |" in text
    with pytest.raises(ConfigError, match="--compare: name one run"):
        report(settings, compare="qwen")


def said_by(capsys: pytest.CaptureFixture[str], settings: Settings, *words: str) -> str:
    """Return what the command line prints for ``report``, as Markdown."""
    path = str(settings.ledger.path)
    argv = ["report", *words, "--format", "md", "--ledger-path", path]
    assert cli.main(argv) == 0
    return capsys.readouterr().out


def test_the_command_line_compares_runs_and_attempts(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of either stand side by side, each over its own time, or one window."""
    runs = said_by(capsys, settings, "llama", "--compare", "qwen")
    attempts = said_by(capsys, settings, "llama", "--attempts", "1", "2")

    assert "| llama | qwen | Change, points |" in runs
    assert "| interruptions | 6 | 6 |  |" in runs
    assert "| attempt 1 | attempt 2 | Change, points |" in attempts
    assert "| interruptions | 1 | 1 |  |" in attempts
    day = "--from", "2026-03-01", "--to", "2026-03-02"
    assert "| llama | qwen |" in said_by(
        capsys, settings, "llama", "--compare", "qwen", *day
    )


def test_the_command_line_groups_runs(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both runs are of one namespace, and nobody said their team."""
    spaces = said_by(capsys, settings, "--group-by", "namespace")
    teams = said_by(capsys, settings, "--group-by", "team")

    assert "## By namespace" in spaces
    assert "| research | 2 |" in spaces
    assert "| (not said) | 2 |" in teams


def test_prices_make_costs(settings: Settings, tmp_path: Path) -> None:
    """A book of one model prices every GPU; of several, one has to be named."""
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES, encoding="utf-8")

    text = report(settings, "llama", prices=str(prices))

    hours = Decimal((LLAMA.at_ns - BEGINS_NS) * 64) / HOUR
    assert f"| total | {hours:,.3f} | 100.00 | {hours * Decimal('2.5'):,.2f} |" in text
    more = PRICES + PRICES.replace(H100, "L4")
    prices.write_text(more, encoding="utf-8")
    with pytest.raises(ConfigError, match="which of them do the runs have"):
        report(settings, "llama", prices=str(prices))
    assert report(settings, "llama", prices=str(prices), gpu_model=H100) == text
    with pytest.raises(ConfigError, match="none of them is --gpu-model 'H9000'"):
        report(settings, "llama", prices=str(prices), gpu_model="H9000")


@pytest.mark.parametrize("name", ["html", "md", "csv", "parquet"])
def test_a_report_goes_to_a_new_file(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    """And never over an old one."""
    if name == "parquet":
        pytest.importorskip("pyarrow")
    file = tmp_path / f"report.{name}"

    assert report(settings, "llama", format=name, out=str(file)) == ""

    assert file.stat().st_size > 500
    with pytest.raises(LedgerError, match="name a new file"):
        report(settings, "llama", format=name, out=str(file))


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        """Say what it is."""
        return True


def test_a_terminal_gets_no_html(settings: Settings) -> None:
    """Nobody reads it there: the answer says what to type, before anything is read."""
    seen = Terminal()
    with pytest.raises(ConfigError, match=r"--out\s+FILE, or choose --format md"):
        ask(report_commands, settings, ("llama",), {}, seen)
    ask(report_commands, settings, ("llama",), {"format": "md"}, seen)

    assert seen.getvalue().startswith("# ")


def test_who_asks_for_a_file_is_told_of_it_and_a_pipe_gets_the_report_alone(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error, with the file's name and its size."""
    file = tmp_path / "week.md"
    report(settings, "llama", out=str(file))
    said = capsys.readouterr()
    report(settings, "llama")
    quiet = capsys.readouterr()

    assert said.out == ""
    assert said.err == f"{file}: written, {file.stat().st_size:,} bytes\n"
    assert quiet.err == ""


def test_parquet_sums_to_the_ledger(settings: Settings, tmp_path: Path) -> None:
    """Exact decimals: the sum over the file is the sum over the entries."""
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "report.parquet"
    report(settings, "llama", format="parquet", out=str(file))

    gpu_ns = parquet.read_table(file).column("gpu_ns").to_pylist()

    assert sum(gpu_ns) == LLAMA.account(Span(0, 2**62)).total_gpu_ns


def test_parquet_and_csv_are_one_table(settings: Settings, tmp_path: Path) -> None:
    """The same columns under the same names, and the same figures in them."""
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "report.parquet"
    report(settings, "llama", format="parquet", out=str(file))

    header, *lines = csv.reader(io.StringIO(report(settings, "llama", format="csv")))

    table = parquet.read_table(file)
    assert table.column_names == header
    for number, name in enumerate(header):
        told = [line[number] for line in lines]
        cells = table.column(name).to_pylist()
        assert [_number(each) for each in told] == [_number(each) for each in cells]


def _number(cell: object) -> object:
    """Return a cell as the number or the word that it is; an empty one is None."""
    text = "" if cell is None else str(cell)
    try:
        return Decimal(text)
    except InvalidOperation:
        return text or None


def test_a_ledger_without_time_reports_nothing(tmp_path: Path) -> None:
    """An error instead of a page full of dashes."""
    path = tmp_path / "ledger.sqlite"
    open_ledger(path).close()

    with pytest.raises(LedgerError, match="holds no booked time"):
        report(at(path))


def test_a_run_that_lives_is_reported_while_it_is_booked(tmp_path: Path) -> None:
    """Held warm-up steps and the open step are not in it yet, and it says so."""
    path = tmp_path / "ledger.sqlite"
    ranks = [Rank(inc="a" * 16, pid=1).init(5).steps(0, 30, each=2)]
    with closing(open_ledger(path)) as ledger:
        books = books_on(ledger)
        for seen in observations(ranks):
            books.take([seen])
            books.tick(seen.at_ns)
            if seen.at_ns > ns(START_S + 50):
                break
        text = report(at(path), KEY.run, to=str(START_S + 3_600))

    assert "no rank named a GPU" in text
    assert "are not decided yet" in text


def test_days_that_were_folded_are_said_to_be_missing(tmp_path: Path) -> None:
    """What is left still adds up to time x GPUs, and to the ledger."""
    path = tmp_path / "ledger.sqlite"
    with closing(open_ledger(path)) as ledger:
        told = [(LLAMA.key, one) for one in LLAMA.bookings]
        ledger.append(Batch(LLAMA.at_ns, told))
    first_day = BEGINS_NS // DAY
    compact_ledger(path, (first_day + 1, first_day + 2))

    text = report(at(path), "llama")

    hours = Decimal((LLAMA.at_ns - BEGINS_NS - DAY) * 64) / HOUR
    assert f"= {hours:,.3f} GPU-hours." in text
    assert "booked before 2026-03-02T00:00:00Z is kept as daily accounts only" in text


def test_incidents_are_exported_as_they_are_reported(settings: Settings) -> None:
    """As CSV and as JSON, of one run or of all, in time order."""
    table = ask(incident_commands, settings, ("llama",), {"format": "csv"})
    lines = ask(incident_commands, settings, (), {"format": "json"}).splitlines()

    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["number"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert rows[1]["cause"] == "preempted"
    detected = [json.loads(line)["detected"] for line in lines]
    assert (len(lines), detected) == (12, sorted(detected))


def maintain(settings: Settings, action: str, **said: str) -> str:
    """Return what a maintenance command prints."""
    keys = ("nodes", "from", "to", "note", "by", "id")
    chosen = argparse.Namespace(**dict.fromkeys(keys) | {"action": action} | said)
    out = io.StringIO()
    assert maintenance_commands.main(settings, chosen, out) == 0
    return out.getvalue()


WINDOW = {"from": "2026-03-01", "to": "2026-03-01T12:00:00Z"}


def test_maintenance_is_declared_listed_and_removed(tmp_path: Path) -> None:
    """Numbers are never given twice, so that an old one cannot hit a new window."""
    mine = at(tmp_path / "ledger.sqlite")

    assert maintain(mine, "list") == "no maintenance is declared\n"
    said = maintain(mine, "add", nodes="b, a,b", note="driver", by="ada", **WINDOW)
    assert said == (
        "declared: 1 from 2026-03-01T00:00:00.000000000Z to "
        "2026-03-01T12:00:00.000000000Z on b, a (by ada): driver\n"
    )
    maintain(mine, "remove", id="1")
    assert "2 from" in maintain(mine, "add", by="ada", **WINDOW)
    assert "on every node (by ada)" in maintain(mine, "list")


@pytest.mark.parametrize(
    ("action", "said", "wrong"),
    [
        ("add", {}, "maintenance add: name the window"),
        ("add", WINDOW | {"to": "2026-02-01"}, "is not before --to 2026-02-01"),
        ("add", WINDOW | {"to": "noon"}, "--to 'noon' is no instant"),
        ("add", WINDOW | {"nodes": " ,"}, "--nodes ' ,' names no node; leave it out"),
        ("add", WINDOW | {"nodes": ""}, "--nodes '' names no node"),
        ("remove", {}, "maintenance remove: name the window"),
        ("remove", {"id": "7"}, "maintenance remove 7: no such window; .*: none"),
    ],
)
def test_a_wrong_declaration_is_refused(
    tmp_path: Path, action: str, said: dict[str, str], wrong: str
) -> None:
    """Nothing is written, and the words say what to write instead."""
    with pytest.raises(GoodputError, match=wrong):
        maintain(at(tmp_path / "ledger.sqlite"), action, **said)
