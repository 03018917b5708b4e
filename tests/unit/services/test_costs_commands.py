"""Costs from the command line, over a ledger that holds both books."""

from __future__ import annotations

import argparse
import csv
import io
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from goodput_exporter import cli
from goodput_exporter.config.places import load
from goodput_exporter.config.settings import Settings
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.gpu_stands import Hold
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import BadInputError, ConfigError, LedgerError
from goodput_exporter.ledger.gpu_lines import GpuBatch
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.store import open_ledger
from goodput_exporter.services import costs_commands
from tests.fakes.epics import BEGINS_NS, HOUR
from tests.fakes.gpus import H100, IDLE, LLAMA, LOST, SERVES, TRAINS

PRICES = f"""
[[price]]
gpu_model = "{H100}"
currency = "EUR"
per_gpu_hour = 2.49
from = 2026-03-01T00:00:00Z
to = 2026-03-01T12:00:00Z

[[price]]
gpu_model = "{H100}"
currency = "EUR"
per_gpu_hour = 2.19
from = 2026-03-01T12:00:00Z
"""
A_DAY_GPU_NS = 16 * 24 * HOUR


def hours(begin: int, end: int) -> Span:
    """Return a span in hours of 2026-03-01."""
    return Span(BEGINS_NS + begin * HOUR, BEGINS_NS + end * HOUR)


def line(hold: Hold, first: int, count: int, span: Span | None = None) -> GpuBooking:
    """Return some of the node's sixteen GPUs in a hold, for the whole day."""
    uuids = tuple(f"GPU-{number:02}" for number in range(first, first + count))
    whole = span or hours(0, 24)
    return GpuBooking(Kind.LIVE, "node-1", whole, H100, "pool-a", hold, uuids)


RUN = (
    Segment(hours(0, 10), RunState.PRODUCTIVE, 8),
    Segment(hours(10, 13), RunState.DOWN, 8, Cause.GPU_LOST, 1),
    Segment(hours(13, 24), RunState.PRODUCTIVE, 8),
)
GPUS = (
    line(TRAINS, 0, 8),
    line(SERVES, 8, 4),
    line(IDLE, 12, 3),
    line(LOST, 15, 1),
)


def ledger_at(path: Path, gpus: tuple[GpuBooking, ...]) -> Settings:
    """Return settings of a ledger with the run's day and these lines."""
    with closing(open_ledger(path)) as ledger:
        told = [(LLAMA, one) for one in RUN]
        ledger.append(Batch(hours(0, 24).end_ns, told, gpus=GpuBatch(gpus)))
    return load(environ={}, flags={"ledger.path": str(path)})


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """Return the price book of the worked day in docs/explanation/money.md."""
    path = tmp_path / "prices.toml"
    path.write_text(PRICES, encoding="utf-8")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings of a ledger with both books."""
    return ledger_at(tmp_path / "ledger.sqlite", GPUS)


def export(settings: Settings, **said: object) -> list[dict[str, str]]:
    """Return the rows that the command prints."""
    flags = ("prices", "from", "to", "last", "format", "out", "rule")
    unsaid = dict.fromkeys((*flags, "gpu_model", "node_pool"))
    out = io.StringIO()
    chosen = argparse.Namespace(**unsaid | said)
    assert costs_commands.main(settings, chosen, out) == 0
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def table(rows: list[dict[str, str]], *by: str) -> dict[str, Decimal]:
    """Return the costs of a table by name."""
    return {
        f"{row['by']} {row['name']}".strip(): Decimal(row["cost"])
        for row in rows
        if row["by"] in by
    }


def test_a_day_costs_what_the_manual_works_out(
    settings: Settings, prices: Path
) -> None:
    """The states of runs and of the cluster, across a change of price."""
    rows = export(settings, prices=str(prices))

    assert table(rows, "state", "total") == {
        "state productive": Decimal("391.92"),
        "state down": Decimal("57.36"),
        "state other_workload": Decimal("224.64"),
        "state unallocated": Decimal("168.48"),
        "state unavailable": Decimal("56.16"),
        "total": Decimal("898.56"),
    }
    assert table(rows, "cause")["cause gpu_lost"] == Decimal("57.36")


@pytest.mark.parametrize("rule", ["asked", "none"])
def test_every_table_is_about_all_gpu_hours_of_the_cluster_book(
    settings: Settings, prices: Path, rule: str
) -> None:
    """Nothing is on two lines, and nothing on none, in time and in money."""
    rows = export(settings, prices=str(prices), rule=rule)

    teams = ("team_held", "team_shared", "left_with_cluster")
    for by in (("state",), ("cause",), ("run",), ("node_pool",), teams):
        told = [row for row in rows if row["by"] in by]
        assert sum(int(row["gpu_ns"]) for row in told) == A_DAY_GPU_NS
        assert sum(Decimal(row["gpu_hours"]) for row in told) == 384
        assert sum(Decimal(row["cost"]) for row in told) == Decimal("898.56")
    assert rows[-1]["by"] == "foot"
    assert int(rows[-1]["gpu_ns"]) == A_DAY_GPU_NS
    assert "exactly" in rows[-1]["name"]


def test_who_asked_pays_for_idle_gpus_and_nobody_does_without_a_rule(
    settings: Settings, prices: Path
) -> None:
    """Only research has a run, so all that nobody held is on its bill, or on none."""
    teams = ("team_held", "team_shared", "left_with_cluster")
    own = {
        "team_held research": Decimal("449.28"),
        "team_held search": Decimal("224.64"),
    }

    by_asking = table(export(settings, prices=str(prices)), *teams)
    by_none = table(export(settings, prices=str(prices), rule="none"), *teams)

    idle = Decimal("224.64")
    assert by_asking == own | {"team_shared research": idle}
    assert by_none == own | {"left_with_cluster": idle}


def test_half_a_day_is_priced_as_half_a_day(settings: Settings, prices: Path) -> None:
    """The window cuts lines and segments, and the foot is the window's."""
    rows = export(settings, prices=str(prices), to="2026-03-01T12:00:00Z")

    assert table(rows, "total") == {"total": 16 * 12 * Decimal("2.49")}
    assert int(rows[-1]["gpu_ns"]) == A_DAY_GPU_NS // 2


def test_focus_rows_read_back_hold_all_time_and_cost(
    settings: Settings, prices: Path
) -> None:
    """What a FinOps tool reads is the day, to the nanosecond and the cent."""
    rows = export(settings, prices=str(prices), format="focus")

    assert sum(int(row["x_GpuNanoseconds"]) for row in rows) == A_DAY_GPU_NS
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("898.56")
    down = {row["x_Cause"] for row in rows if row["x_State"] == "down"}
    assert down == {"gpu_lost"}


def test_without_a_cluster_book_only_run_time_is_priced_and_that_is_said(
    tmp_path: Path, prices: Path
) -> None:
    """No GPU is invented that nobody saw."""
    bare = ledger_at(tmp_path / "bare.sqlite", ())

    rows = export(bare, prices=str(prices))

    assert table(rows, "total") == {"total": Decimal("449.28")}
    assert rows[-1]["name"].startswith("run time only")
    assert int(rows[-1]["gpu_ns"]) == A_DAY_GPU_NS // 2


def test_time_without_a_price_is_unpriced_and_no_focus_row(
    settings: Settings, prices: Path
) -> None:
    """A gap in the price book is not free, and FOCUS knows no unknown cost."""
    text = PRICES.partition("\n\n[[price]]")[0]
    prices.write_text(text, encoding="utf-8")

    rows = export(settings, prices=str(prices))

    total = next(row for row in rows if row["by"] == "total")
    assert int(total["unpriced_gpu_ns"]) == A_DAY_GPU_NS // 2
    with pytest.raises(ConfigError, match="has no price"):
        export(settings, prices=str(prices), format="focus")


def test_what_cannot_be_done_is_said(
    settings: Settings, prices: Path, tmp_path: Path
) -> None:
    """No price book, a file that is there, a model without a price."""
    bare = ledger_at(tmp_path / "bare.sqlite", ())
    two = PRICES + PRICES.replace(H100, "NVIDIA A100-SXM4-80GB")
    with pytest.raises(ConfigError, match="--prices FILE"):
        export(settings)
    with pytest.raises(LedgerError, match="name a new file"):
        export(settings, prices=str(prices), out=str(prices))
    with pytest.raises(ConfigError, match="--gpu-model 'H100'"):
        export(settings, prices=str(prices), gpu_model="H100")
    prices.write_text(two, encoding="utf-8")
    with pytest.raises(BadInputError, match="add --gpu-model"):
        export(bare, prices=str(prices))


def test_the_command_line_reaches_it(
    settings: Settings, prices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a person calls it."""
    words = ["costs", "export", "--prices", str(prices)]

    assert cli.main([*words, "--ledger-path", str(settings.ledger.path)]) == 0

    assert capsys.readouterr().out.startswith("by,name,gpu_ns,")
