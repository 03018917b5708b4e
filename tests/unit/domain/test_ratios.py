"""The layers' ratios chain, and what is unknown stays unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.ratios import ratio_of_sums, ratios
from goodput_exporter.domain.states import RunState


def account(**gpu_s: int) -> Account:
    """Return an account by state, in seconds."""
    made = Account()
    for name, seconds in gpu_s.items():
        made.add(RunState(name), seconds * 10**9)
    return made


def test_each_numerator_is_the_next_denominator() -> None:
    """Of 200 s, 150 available, 100 stepping, 80 productive."""
    found = ratios(
        account(down=50, initializing=20, evaluating=30, slow=20, productive=80)
    )

    assert found.infrastructure == 150 / 200
    assert found.framework == 100 / 150
    assert found.pace == 80 / 100
    assert found.goodput == 80 / 200
    assert found.goodput_with_evaluation == 110 / 200
    assert found.ettr == 100 / 200
    assert found.coverage == 1
    assert found.model is None
    assert found.overall is None


def test_queueing_counts_in_ettr_alone() -> None:
    """The layers ask what became of GPUs that were there."""
    found = ratios(account(queued=100, productive=90, down=10))

    assert found.goodput == 0.9
    assert found.ettr == 90 / 200
    assert found.coverage == 1


def test_unobserved_time_counts_in_coverage_alone() -> None:
    """Neither good nor bad: nobody saw it."""
    found = ratios(account(unobserved=300, queued=20, productive=40, down=40))

    assert found.goodput == 0.5
    assert found.coverage == 100 / 400


def test_mfu_is_model_flops_over_what_the_peak_could_do() -> None:
    """At 10 FLOP/s for 50 s of steps, 200 FLOPs are 40 %."""
    found = ratios(
        account(productive=40, slow=10, down=50), model_flops=200, peak_flops=10
    )

    assert found.model == pytest.approx(0.4)
    assert found.overall == pytest.approx(0.2)


@pytest.mark.parametrize(("flops", "peak"), [(None, 10.0), (5.0, None), (5.0, 0.0)])
def test_without_flops_or_peak_there_is_no_mfu(
    flops: float | None, peak: float | None
) -> None:
    """Absent, not 0 and not 1."""
    found = ratios(account(productive=10), model_flops=flops, peak_flops=peak)

    assert found.model is None
    assert found.overall is None


def test_no_flops_in_step_time_are_a_measured_zero() -> None:
    """Zero is a measurement."""
    assert ratios(account(productive=10), model_flops=0, peak_flops=1).model == 0


def test_an_empty_book_has_no_ratio_at_all() -> None:
    """0.0 would claim a loss."""
    found = ratios(Account())

    assert found.goodput is None
    assert found.coverage is None
    assert found.ettr is None


def test_a_ratio_without_its_own_denominator_is_none_alone() -> None:
    """A run that was down throughout was at 0 % of infrastructure, and no more."""
    found = ratios(account(down=10))

    assert found.infrastructure == 0
    assert found.goodput == 0
    assert found.framework is None
    assert found.pace is None


def test_a_group_s_ratio_is_the_ratio_of_sums() -> None:
    """A big run weighs more than a small one."""
    big, small = account(productive=900, down=100), account(productive=10, down=90)

    assert ratio_of_sums([big, small]).goodput == 910 / 1100
    assert ratio_of_sums([]).goodput is None


@given(st.dictionaries(st.sampled_from(list(RunState)), st.integers(0, 10**18)))
def test_the_product_of_the_layers_is_the_whole(spent: dict[RunState, int]) -> None:
    """Whatever the account, to 1e-9."""
    found = ratios(Account(spent), model_flops=1e15, peak_flops=1e12)

    if found.infrastructure and found.framework and found.pace is not None:
        product = found.infrastructure * found.framework
        assert product * found.pace == pytest.approx(found.goodput, rel=1e-9)
        assert found.model is not None
        assert product * found.model == pytest.approx(found.overall, rel=1e-9)
