"""The page on reliability shows figures that the code computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodput_exporter.analysis.advice import CheckpointAdvice, CheckpointFacts, advise
from goodput_exporter.analysis.statistics import mean_time

HOUR = 3_600
PAGE = Path(__file__).parents[3].joinpath("docs/explanation/reliability.md").read_text()


@pytest.mark.parametrize("events", [1, 3, 10, 30, 100])
def test_the_table_of_limits_is_what_the_code_says(events: int) -> None:
    """Two digits of each factor."""
    mean = mean_time(events, events)
    assert mean.high_seconds is not None
    high = f"{mean.high_seconds:.2g}"

    assert f"| {events} | {mean.low_seconds:.2f} | {high} |" in PAGE


def test_the_example_of_checkpoint_advice_is_what_the_code_says() -> None:
    """Interval, gain, its limits and the GPU-hours."""
    found = advise(
        CheckpointFacts(
            mtti=mean_time(30 * 8 * HOUR, 30),
            interval_seconds=4 * HOUR,
            write_seconds=60,
            restart_seconds=300,
            outage_seconds=600,
            progress_ratio=1,
            devices=1_000,
        )
    )

    assert isinstance(found, CheckpointAdvice)
    said = (
        f"Daly's interval is {found.daly_seconds / 60:.0f} min. It would add "
        f"{found.gain:.1%} points of goodput, between {found.gain_low:.1%} and "
        f"{found.gain_high:.1%}, or {found.gpu_hours_per_day:,.0f} GPU-hours per day"
    )
    page = " ".join(PAGE.split()).replace(" percentage points", "% points")
    for figure in said.replace("%", "").split(", "):
        assert figure in page.replace("%", "")


def test_the_example_of_llama_3_is_what_the_code_says() -> None:
    """The mean and both limits, in hours."""
    mean = mean_time(54 * 24, 419)

    assert mean.seconds is not None
    assert mean.high_seconds is not None
    assert (
        f"would be {mean.seconds:.1f} h, from {mean.low_seconds:.1f} to "
        f"{mean.high_seconds:.1f} h"
    ) in " ".join(PAGE.split())
