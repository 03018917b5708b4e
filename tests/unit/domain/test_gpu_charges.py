"""GPU time is charged in whole nanoseconds, and none is lost."""

from __future__ import annotations

from fractions import Fraction

import pytest

from goodput_exporter.domain.allocations import PodFacts, PodName
from goodput_exporter.domain.gpu_charges import charge, divide
from goodput_exporter.domain.holdings import attribute
from goodput_exporter.errors import AccountingError
from tests.fakes.nodes import given, gpu_uuid, mig_gpu, mig_uuid, node

HOUR_NS = 3_600 * 10**9


def test_three_pods_on_one_gpu_are_charged_a_third_each_to_the_nanosecond() -> None:
    """Ten nanoseconds are four, three and three."""
    listed = [given(pod, f"{gpu_uuid(0)}::{at}") for at, pod in enumerate("abc")]

    charges = charge(attribute(listed, node(1), {}), 10)

    assert [(one.holder and one.holder.pod.name, one.gpu_ns) for one in charges] == [
        ("a", 4),
        ("b", 3),
        ("c", 3),
    ]


def test_a_day_of_a_node_is_its_gpus_times_24_hours() -> None:
    """A finished pod's GPU, an idle one and a seventh that no profile covers count."""
    gpus = (*node(2), mig_gpu(2, 3, 3))
    listed = [
        given("done", gpu_uuid(0)),
        given("a", gpu_uuid(1)),
        given("b", mig_uuid(2, 7)),
    ]
    pods = {PodName("ml", "done"): PodFacts(is_finished=True)}

    charges = list(charge(attribute(listed, gpus, pods), 24 * HOUR_NS))

    assert sum(one.gpu_ns for one in charges) == 3 * 24 * HOUR_NS
    held = {one.holder.pod.name: one.gpu_ns for one in charges if one.holder}
    assert held == {"a": 24 * HOUR_NS, "b": 24 * HOUR_NS * 3 // 7}


@pytest.mark.parametrize(
    ("whole", "shares"),
    [(10, [Fraction(1, 2)]), (10, []), (-1, [Fraction(1)])],
)
def test_what_is_no_division_is_refused(whole: int, shares: list[Fraction]) -> None:
    """A part that is missing would be time that nobody is charged for."""
    with pytest.raises(AccountingError, match="must sum to 1"):
        divide(whole, shares)
