"""Each ratio's numerator is the next one's denominator, so the layers multiply up."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.ratios import ratio_of_sums, ratios
from goodput_exporter.domain.states import LAYER_OF, Layer, RunState

EXACT = 1e-9
GPU_NS = st.integers(0, 10**19)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Draw GPU time in any of the states."""
    account = Account()
    for state in draw(st.sets(st.sampled_from(RunState))):
        account.add(state, draw(GPU_NS))
    return account


def seconds_in(account: Account, *layers: Layer) -> int:
    """Return the GPU time of some layers."""
    return sum(
        gpu_ns for state, gpu_ns in account.gpu_ns.items() if LAYER_OF[state] in layers
    )


@given(accounts())
def test_goodput_is_the_product_of_its_layers(account: Account) -> None:
    """Infrastructure x framework x pace = productive / wall, to 1e-9."""
    found = ratios(account)
    assume(None not in (found.infrastructure, found.framework, found.pace))
    parts = (found.infrastructure or 0, found.framework or 0, found.pace or 0)

    assert found.goodput == pytest.approx(math.prod(parts), rel=EXACT, abs=1e-12)


@given(accounts(), st.floats(0, 1e30), st.floats(1e9, 1e18))
def test_overall_is_the_product_of_the_layers(
    account: Account, flops: float, peak: float
) -> None:
    """Infrastructure x framework x model = model FLOPs / (peak x wall), to 1e-9."""
    found = ratios(account, model_flops=flops, peak_flops=peak)
    assume(None not in (found.infrastructure, found.framework, found.model))
    parts = (found.infrastructure or 0, found.framework or 0, found.model or 0)

    assert found.overall == pytest.approx(math.prod(parts), rel=EXACT, abs=1e-12)


@given(accounts())
def test_a_share_of_time_lies_between_nothing_and_all(account: Account) -> None:
    """Every ratio of times is between 0 and 1, or absent."""
    found = ratios(account)
    shares = (
        found.infrastructure,
        found.framework,
        found.pace,
        found.goodput,
        found.ettr,
        found.coverage,
        found.goodput_with_evaluation,
    )

    assert all(0 <= share <= 1 for share in shares if share is not None)


@given(accounts())
def test_a_ratio_without_a_denominator_is_absent(account: Account) -> None:
    """None is not zero: a run that never was available has no framework ratio."""
    found = ratios(account)
    good = seconds_in(account, Layer.MODEL, Layer.GOOD)
    available = good + seconds_in(account, Layer.FRAMEWORK)
    wall = available + seconds_in(account, Layer.INFRASTRUCTURE)

    assert (found.pace is None) == (good == 0)
    assert (found.framework is None) == (available == 0)
    assert (found.goodput is None) == (wall == 0)
    assert found.model is None
    assert found.overall is None


@given(st.lists(accounts(), max_size=4))
def test_a_groups_ratio_is_the_ratio_of_its_sums(members: list[Account]) -> None:
    """A large run weighs more than a small one, whatever their ratios are."""
    whole = Account()
    for member in members:
        whole.merge(member)

    assert ratio_of_sums(members) == ratios(whole)


@given(accounts(), st.integers(2, 1000))
def test_ratios_do_not_depend_on_the_unit(account: Account, devices: int) -> None:
    """The same story on more devices has the same ratios."""
    larger = Account()
    for state, gpu_ns in account.gpu_ns.items():
        larger.add(state, gpu_ns * devices)

    assert ratios(larger).goodput == ratios(account).goodput or math.isclose(
        ratios(larger).goodput or 0, ratios(account).goodput or 0, rel_tol=EXACT
    )


@given(accounts(), GPU_NS)
def test_unobserved_time_changes_no_ratio_but_coverage(
    account: Account, gpu_ns: int
) -> None:
    """What nobody saw is neither good nor bad."""
    blind = account.copy()
    blind.add(RunState.UNOBSERVED, gpu_ns)

    assert ratios(blind).goodput == ratios(account).goodput
    assert ratios(blind).framework == ratios(account).framework
    assert (ratios(blind).coverage or 0) <= (ratios(account).coverage or 1)
