"""Who holds what arrives as it was seen, or is refused: no GPU time is made up."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.allocations import PodName
from goodput_exporter.domain.gpu_holdings import (
    FreePart,
    GpuHoldings,
    HeldPart,
    attributed_of,
    told,
)
from goodput_exporter.domain.holdings import Attributed, Holding, Sharing
from goodput_exporter.errors import BadInputError

NAMES = st.sampled_from(["a", "b", "c"])


@st.composite
def nodes(draw: st.DrawFn) -> Attributed:
    """Draw a node whose GPUs are held in parts, as MIG and sharing make them."""
    holdings, free = [], {}
    for number in range(draw(st.integers(0, 4))):
        uuid, rest = f"GPU-{number}", Fraction(1)
        for _ in range(draw(st.integers(0, 3))):
            share = rest * draw(
                st.sampled_from([Fraction(1, 7), Fraction(1, 3), Fraction(1)])
            )
            if not share:
                break
            parts = frozenset(draw(st.lists(NAMES, max_size=2)))
            sharing = draw(st.sampled_from(Sharing))
            pod = PodName(draw(NAMES), draw(NAMES))
            uid = draw(st.none() | NAMES)
            one = Holding(pod, uid, draw(NAMES), uuid, parts, share, sharing)
            holdings.append(one)
            rest -= share
        free[uuid] = rest
    return Attributed(tuple(holdings), free, {})


@given(nodes())
def test_a_look_arrives_as_it_was(node: Attributed) -> None:
    """Shares are exact on the wire, sevenths of thirds included."""
    assert attributed_of(told(node, 1)) == node


def test_not_known_is_not_nobody() -> None:
    """An agent whose kubelet is silent tells so."""
    assert attributed_of(told(None, 1)) is None


HELD = HeldPart("GPU-1", (), "ml", "p", None, "c", "none", 1, 2)
SAID = GpuHoldings(1, is_known=True, held=(HELD,), free=(FreePart("GPU-1", 1, 2),))


@pytest.mark.parametrize(
    "said",
    [
        replace(SAID, free=()),
        replace(SAID, held=()),
        replace(SAID, held=(HELD, HELD)),
        replace(SAID, held=(replace(HELD, denominator=0),)),
        replace(SAID, held=(replace(HELD, sharing="half"),)),
        replace(SAID, held=(HELD, replace(HELD, numerator=-1), HELD)),
    ],
)
def test_parts_that_are_no_whole_are_refused(said: GpuHoldings) -> None:
    """An agent that lies or errs gives no GPU away twice."""
    with pytest.raises(BadInputError):
        attributed_of(said)
