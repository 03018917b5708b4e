"""What a restart goes on from: where a run's pods were said to stand last."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.placement import Placement
from goodput_exporter.domain.placing import told_last
from goodput_exporter.ledger.state import decode_state, encode_state
from tests.fakes.pods import Pods
from tests.fakes.stories import KEY

RUNS, DOWN = Pods().at(0, "running").at(50, "down").said
OVER = Pods().at(0, "running").ends(50, "succeeded").said[-1]


@pytest.mark.parametrize(
    ("booked", "waits", "last"),
    [
        (None, [], None),
        (RUNS, [], RUNS),
        (OVER, [], None),
        (RUNS, [DOWN], DOWN),
        (RUNS, [OVER], OVER),
        (None, [RUNS, DOWN], DOWN),
    ],
)
def test_what_waits_for_agents_was_told_before_a_restart_all_the_same(
    booked: Placement | None, waits: list[Placement], last: Placement | None
) -> None:
    """Only a run that is over in its book is nothing to go on from."""
    fold = Fold(KEY)
    fold.placed, fold.placements = booked, waits

    assert told_last(decode_state(encode_state(fold))) == last
