"""The stories that the rules are tried on, and what each comes to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakes.broken import REAL, Story, retell
from tests.scenarios import rule_stories as of

LIVE = (
    (of.a_drift, {"initializing": 5, "productive": 30 + 230, "slow": 92}),
    (
        of.a_failure_for_good,
        {
            "initializing": 5,
            "checkpointing": 13,
            "productive": 90,
            "slow": 15,
            "interrupted": 4,
            "down": 900,
        },
    ),
    (
        of.a_failure_without_checkpoints,
        {"initializing": 5, "productive": 60, "interrupted": 10, "down": 900},
    ),
    (
        of.a_fresh_start,
        {
            "initializing": 10,
            "productive": 100,
            "interrupted": 4,
            "down": 31,
            "recomputing": 60,
        },
    ),
    (
        of.a_hang_before_the_reference,
        {"initializing": 5, "productive": 416, "slow": 34, "stalled": 140},
    ),
    (
        of.a_rollback,
        {"initializing": 5, "productive": 130, "recomputing": 50, "restoring": 3},
    ),
    (
        of.a_short_limit,
        {"initializing": 5, "productive": 70, "evaluating": 30, "stalled": 20},
    ),
    (of.a_silence, {"initializing": 5, "productive": 321, "unobserved": 179}),
    (of.a_success_and_a_sequel, {"initializing": 10, "productive": 100, "idle": 4}),
    (
        of.an_old_checkpoint,
        {
            "initializing": 10,
            "productive": 100,
            "recomputing": 40,
            "checkpointing": 4,
            "restoring": 3,
            "interrupted": 4,
            "down": 57 + 900,
        },
    ),
    (
        of.fewer_are_slower,
        {
            "initializing": 4 * 10 + 2 * 10,
            "productive": 4 * 90 + 2 * 150,
            "down": 4 * 20,
            "degraded": 2 * 160,
        },
    ),
    (
        of.late_words,
        {"initializing": 10, "productive": 130, "interrupted": 1, "down": 14},
    ),
    (
        of.numbers_of_its_own,
        {"initializing": 10, "productive": 110, "interrupted": 10, "down": 35},
    ),
    (
        of.one_of_two_is_missing,
        {
            "initializing": 2 * 10 + 2 * 5,
            "productive": 200,
            "evaluating": 20,
            "down": 40,
            "restoring": 10,
        },
    ),
    (of.our_own_downtime, {"initializing": 5, "productive": 400}),
    (of.rank_0_falls_silent, {"initializing": 3 * 10, "productive": 540}),
    (
        of.ranks_that_wait,
        {
            "initializing": 4 * (10 + 5 + 5),
            "restoring": 4 * 5,
            "data_wait": 4 * (6 + 7 + 4 + 3),
            "evaluating": 4 * 4,
            "checkpointing": 4 * (2 + 3),
            "productive": 4 * (16 * 2 + 8 * 10),
            "slow": 4 * 8 * 2,
        },
    ),
    (of.who_takes_no_part, {"initializing": 5, "productive": 60}),
)


@pytest.mark.parametrize(("tell", "seconds"), LIVE)
def test_a_story_comes_to_its_live_account(
    tell: Callable[[], Story], seconds: dict[str, int]
) -> None:
    """Device seconds by state, as one can add them up from the script."""
    found = retell(REAL, tell())["live"]

    assert found == {state: s * 1_000_000_000 for state, s in seconds.items()}


@pytest.mark.parametrize(
    ("tell", "lost_s"),
    [
        (of.a_failure_for_good, 3 * 15 + 2 * 10),
        (of.a_fresh_start, 60),
        (of.a_rollback, 50),
        (of.an_old_checkpoint, 4 * 10 + 6 * 10),
        (of.an_outage, 30),
    ],
)
def test_a_story_comes_to_its_loss_in_hindsight(
    tell: Callable[[], Story], lost_s: int
) -> None:
    """What was redone, or never made durable before the end."""
    settled = retell(REAL, tell())["settled"]

    assert isinstance(settled, dict)
    assert settled["lost"] == lost_s * 1_000_000_000
    assert "recomputing" not in settled
