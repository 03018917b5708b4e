"""FLOPs at their edges: sizes of one, and heads without a size."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.flops import attention_width, flops_per_token
from goodput_exporter.domain.observations import ModelFacts
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.states import RunState


@pytest.mark.parametrize(
    "facts", [ModelFacts(heads=8, hidden=64), ModelFacts(head_dim=8, hidden=64)]
)
def test_half_of_a_shape_of_heads_is_none(facts: ModelFacts) -> None:
    """Their number without their size says no width, nor the other way round."""
    assert attention_width(facts) == 64


def test_one_is_a_size() -> None:
    """A single parameter costs six FLOPs."""
    found = flops_per_token(ModelFacts(params=1))

    assert found is not None
    assert found[0] == 6


def test_mfu_is_exact_to_the_last_digit() -> None:
    """A second is a billion nanoseconds, and not one more."""
    account = Account({RunState.PRODUCTIVE: 1_000_000_000})
    found = ratios(account, model_flops=1e12, peak_flops=2e12).model

    assert found == pytest.approx(0.5, rel=1e-12)
