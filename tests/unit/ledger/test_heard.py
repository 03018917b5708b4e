"""What a run heard since its state was written comes back with the state."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import Fold, Observation, observe
from goodput_exporter.domain.observations import Delivered, RankExited
from goodput_exporter.domain.placement import Placement, Stage
from goodput_exporter.errors import AccountingError, LedgerCorruptError
from goodput_exporter.ledger.heard import encode_heard
from goodput_exporter.ledger.state import decode_state, encode_state
from tests.fakes.ranks import Rank
from tests.fakes.stories import KEY, observations

REPORTS = observations([Rank().init(5).steps(0, 3, each=5)], known_exit=False)
OTHERS: list[Observation] = [
    RankExited(Rank().inc, 7, -9, "pid 4711: SIGKILL"),
    Placement(KEY, 8, Stage.RUNNING, 8, nodes=("a",)),
    Evidence(9, Kind.NODE_CONDITION, "NotReady", subject="node/a", source="kernel"),
    Delivered("a", 10),
]


def told(*seen: Observation) -> Fold:
    """Return a fold that has observed these."""
    fold = Fold(KEY)
    for one in seen:
        observe(fold, one)
    return fold


def test_a_fold_hears_again_what_was_written_behind_its_state() -> None:
    """Every kind, in as many parts as ticks, in the order of their arrival."""
    state = encode_state(told(*REPORTS[:2]))

    state += encode_heard([*REPORTS[2:4], *OTHERS]) + encode_heard(REPORTS[4:])

    assert decode_state(state) == told(*REPORTS, *OTHERS)


@pytest.mark.parametrize("lost", [1, 5, 9, 40])
def test_a_part_that_was_cut_off_is_damage(lost: int) -> None:
    """The state before it is whole, but what was acknowledged is not there."""
    data = encode_state(told()) + encode_heard(REPORTS)

    with pytest.raises(LedgerCorruptError, match="what it heard since its last state"):
        decode_state(data[:-lost])


def test_a_part_that_was_changed_is_damage() -> None:
    """A frame's checksum is its own; the state's says nothing of it."""
    data = bytearray(encode_state(told()) + encode_heard(REPORTS))
    data[-7] ^= 1

    with pytest.raises(LedgerCorruptError, match="checksum"):
        decode_state(bytes(data))


def test_text_that_is_none_is_refused() -> None:
    """It could never be read back; whoever let it in must refuse it."""
    with pytest.raises(AccountingError, match="cannot be written down"):
        encode_heard([RankExited("\ud800", 7)])
