"""What every ledger promises of energy, asked of each implementation in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from goodput_exporter.domain.energy import Drawn, Energy
from goodput_exporter.domain.energy_meter import PART_NS, EnergyPart, Tip
from goodput_exporter.domain.energy_totals import NOBODY, EnergyTotals
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.ledger.energy_rows import EnergyBatch
from goodput_exporter.ledger.gpu_lines import GpuBatch
from goodput_exporter.ledger.ledger import Batch, Ledger
from goodput_exporter.ledger.opening import open_ledger
from tests.fakes.ledger import LLAMA, MemoryLedger
from tests.fakes.postgresql import Cluster

NOON = 1_760_000_400 * NS_PER_SECOND // PART_NS * PART_NS
S = NS_PER_SECOND
STRANGE = RunKey("local", "a\\b", "nul\0name")


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.real)]
)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """Open an empty ledger of each kind."""
    opened: Ledger
    if request.param == "memory":
        opened = MemoryLedger()
    elif request.param == "sqlite":
        opened = open_ledger(tmp_path / "ledger.db")
    else:
        shared: Cluster = request.getfixturevalue("postgresql")
        opened = shared.book()
    with closing(opened):
        yield opened


def drawn(begin_s: int, end_s: int, joules: int, **more: bool) -> Drawn:
    """Build a line, in seconds after noon."""
    span = Span(NOON + begin_s * S, NOON + end_s * S)
    return Drawn(span, joules * 1000, placed=more.pop("placed", True), **more)


def part(number: int, *lines: Drawn, node: str = "node-1") -> EnergyPart:
    """Build one of a node's parts; the first begins at noon."""
    return EnergyPart(node, NOON + number * PART_NS, {"GPU-0": list(lines)})


def keep(ledger: Ledger, *parts: EnergyPart) -> None:
    """Append parts of energy."""
    ledger.append(Batch(NOON, gpus=GpuBatch(energy=EnergyBatch(parts))))


def test_energy_is_read_back_as_it_was_written(ledger: Ledger) -> None:
    """Every kind of line, an open one, and readings of both kinds of devices."""
    whole = EnergyPart(
        "node\\1",
        NOON,
        {
            "GPU-0": [drawn(-30, 10, 700), drawn(10, 400, 9, placed=False)],
            "GPU-1": [drawn(0, 60, 50, integrated=True)],
        },
        {"GPU-0": drawn(400, 430, 2**40)},
        {"GPU-0": Tip(NOON + 430 * S, 2**50), "GPU-1": Tip(NOON + 60 * S, watts=7.5)},
    )

    keep(ledger, whole)

    assert ledger.energy_parts() == [whole]
    assert ledger.verify() == []


def test_a_part_takes_the_place_of_its_earlier_state(ledger: Ledger) -> None:
    """It is written again while it grows; what it held is there once."""
    keep(ledger, part(0, drawn(0, 30, 1)), part(0, drawn(0, 40, 1), node="node-2"))
    keep(ledger, part(0, drawn(0, 30, 1), drawn(30, 60, 1)))

    assert ledger.energy_parts() == [
        part(0, drawn(0, 30, 1), drawn(30, 60, 1)),
        part(0, drawn(0, 40, 1), node="node-2"),
    ]


def test_a_window_finds_every_line_that_reaches_into_it(ledger: Ledger) -> None:
    """Also the one that ends in the part after it, or began in the one before."""
    for number in range(6):
        edge = number * 600
        keep(ledger, part(number, drawn(edge - 30, edge + 30, 1)))

    found = ledger.energy_parts(Span(NOON + 1_780 * S, NOON + 1_790 * S))

    spans = [line.span for one in found for line in one.lines["GPU-0"]]
    assert drawn(1_770, 1_830, 1).span in spans
    assert len(found) < 6


def test_each_nodes_newest_parts_are_what_a_restart_goes_on_from(
    ledger: Ledger,
) -> None:
    """The newest and the one before it; a node that was away for long has none."""
    keep(
        ledger,
        *(
            part(number, drawn(number * 600, 5 + number * 600, 1))
            for number in (5, 6, 7)
        ),
    )
    keep(ledger, part(0, drawn(0, 5, 1), node="node-2"))
    keep(ledger, part(6, drawn(3600, 3605, 1), node="node-3"))

    found = ledger.newest_energy(NOON + 3 * PART_NS)

    assert [(one.node, (one.start_ns - NOON) // PART_NS) for one in found] == [
        ("node-1", 6),
        ("node-3", 6),
        ("node-1", 7),
    ]


def test_what_runs_drew_is_kept_by_run(ledger: Ledger) -> None:
    """A run may have any name; what no run held has none."""
    groups = {
        ("down", "hang"): Energy(),
        ("productive", "none"): Energy(2**70, 2**66, 5, 3),
    }
    totals = {
        key: EnergyTotals(key, NOON + at, groups)
        for at, key in enumerate((LLAMA, STRANGE, NOBODY))
    }
    ledger.append(Batch(NOON, gpus=GpuBatch(energy=EnergyBatch((), totals))))
    newer = EnergyTotals(LLAMA, NOON + 60, {})
    ledger.append(Batch(NOON, gpus=GpuBatch(energy=EnergyBatch((), {LLAMA: newer}))))

    assert ledger.energy_totals(LLAMA) == newer
    assert ledger.energy_totals(STRANGE) == totals[STRANGE]
    assert ledger.energy_totals(NOBODY) == totals[NOBODY]
    assert ledger.energy_totals(RunKey("local", "default", "mistral")) is None


def test_energy_that_is_there_twice_is_found(ledger: Ledger) -> None:
    """Two nodes that both say what one GPU drew are both named by its UUID."""
    if isinstance(ledger, MemoryLedger):
        pytest.skip("the fake keeps what it is given and looks for no damage")
    keep(ledger, part(0, drawn(0, 60, 1)), part(0, drawn(30, 90, 1), node="node-2"))

    findings = ledger.verify()

    what = (
        f"node node-2, GPU GPU-0: its energy from {NOON + 30 * S} ns on is there "
        f"already up to {NOON + 60 * S} ns"
    )
    assert [found.what for found in findings] == [what]
