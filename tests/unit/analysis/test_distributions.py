"""SciPy has one door, and the door opens only when somebody asks."""

from __future__ import annotations

import subprocess
import sys

import pytest
from scipy import stats

from goodput_exporter.analysis.distributions import binomial_tails

EVERYTHING = (
    "from goodput_exporter.analysis import "
    "advice, ettr, preemptions, rates, records, statistics, suspects; import sys; "
)


def printed(code: str) -> str:
    """Return what a fresh Python prints."""
    done = subprocess.run(
        [sys.executable, "-c", EVERYTHING + code],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_analysis_loads_without_scipy() -> None:
    """A program that reports nothing does not pay for what reports need."""
    assert printed("print({'scipy', 'numpy'} & set(sys.modules))") == "set()"


def test_without_scipy_the_error_says_what_to_install() -> None:
    """The extra that brings it is named."""
    said = printed(
        "sys.modules['scipy'] = None\n"
        "from goodput_exporter.errors import ConfigError\n"
        "try: statistics.mean_time(1.0, 1)\n"
        "except ConfigError as exc: print(exc)"
    )

    assert "install goodput-exporter[analysis]" in said


@pytest.mark.parametrize("share", [1e-4, 0.01, 0.5, 1.0])
@pytest.mark.parametrize(("count", "trials"), [(1, 1), (1, 50), (7, 50), (50, 50)])
def test_a_tail_is_that_of_the_binomial_test(
    count: int, trials: int, share: float
) -> None:
    """The p-value of SciPy's exact one-sided test, to the last digits."""
    (tail,) = binomial_tails([count], [trials], [share])

    exact = stats.binomtest(count, trials, share, alternative="greater").pvalue
    assert tail == pytest.approx(exact, rel=1e-9)
