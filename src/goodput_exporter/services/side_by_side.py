"""Two runs, or two attempts of one, read to stand side by side in a report."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from goodput_exporter.analysis.histories import History, View
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import BadInputError, ConfigError
from goodput_exporter.ledger.ledger import Reader
from goodput_exporter.report.comparing import Comparison, compare, side
from goodput_exporter.services.asked_reports import Asked
from goodput_exporter.services.reading_runs import find_run, read_run

TWO: Final = 2


def has_statistics() -> bool:
    """Tell whether SciPy is there; without it the report has no limits."""
    return find_spec("scipy") is not None


def compares(asked: Asked) -> bool:
    """Tell whether two runs or attempts are to stand side by side."""
    return asked.compare is not None or bool(asked.attempts)


def comparison_of(
    ledger: Reader, asked: Asked, runs: Sequence[History], window: Span
) -> Comparison | None:
    """
    Read what stands beside the only run; None where nothing is asked for.

    Raises:
        ConfigError: Several runs are named, or not two attempts.
        BadInputError: There is no such run or attempt.
    """
    if not compares(asked):
        return None
    if len(asked.names) != 1 or not runs:
        flag = "--compare" if asked.compare is not None else "--attempts"
        msg = f"{flag}: name one run to compare, as in: report RUN {flag} ..."
        raise ConfigError(msg)
    if asked.compare is not None:
        return _with_run(ledger, asked, runs[0], window)
    return _of_attempts(asked, runs[0])


def _with_run(ledger: Reader, asked: Asked, run: History, window: Span) -> Comparison:
    other = read_run(ledger, find_run(ledger.runs(), asked.compare or ""))
    view, is_open = View(asked.view), (asked.begins, asked.ends, asked.last)
    # Without a window each run is compared over its own life.
    theirs = window if any(is_open) else other.life or window
    with_statistics = has_statistics()
    return compare(
        side(run.key.run, run, window, view, with_statistics=with_statistics),
        side(other.key.run, other, theirs, view, with_statistics=with_statistics),
    )


def _of_attempts(asked: Asked, run: History) -> Comparison:
    known = run.attempts()
    if len(asked.attempts) != TWO:
        msg = (
            f"--attempts {' '.join(asked.attempts)}: two numbers are needed; "
            f"{run.key} has attempts 1 to {max(known, default=0)}"
        )
        raise ConfigError(msg)
    sides = []
    for text in asked.attempts:
        window = known.get(int(text)) if text.isdecimal() else None
        if window is None:
            msg = (
                f"--attempts {text}: {run.key} has no such attempt; it has "
                f"{', '.join(str(number) for number in known) or 'none'}"
            )
            raise BadInputError(msg)
        view, with_statistics = View(asked.view), has_statistics()
        sides.append(
            side(f"attempt {text}", run, window, view, with_statistics=with_statistics)
        )
    return compare(*sides)
