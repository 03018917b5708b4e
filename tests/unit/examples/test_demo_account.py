"""What the demo says at the end adds up to 100."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from demo_account import Answer, apportion, lines, percent, sentence


def run_with(**gpu_ns: int) -> Answer:
    """Return the part of the API's answer that an account is made from."""
    states = [
        {
            "name": name,
            "layer": "good" if name == "productive" else "framework",
            "gpu_ns": str(value),
            "gpu_seconds": value / 1e9,
        }
        for name, value in gpu_ns.items()
    ]
    return {
        "live": {"states": states, "total_gpu_ns": str(sum(gpu_ns.values()))},
        "devices": {"are_gpus": False},
    }


@given(st.lists(st.integers(0, 10**18), min_size=1, max_size=20), st.integers(1, 10**4))
def test_rounded_shares_sum_to_the_whole(parts: list[int], whole: int) -> None:
    """Whatever the parts, their rounded shares add up, and none is off by one."""
    shares = apportion(parts, whole)

    total = sum(parts)
    assert sum(shares) == (whole if total else 0)
    for part, share in zip(parts, shares, strict=True):
        assert total == 0 or abs(share - part * whole / total) < 1 + 1e-6


def test_three_equal_thirds_are_a_hundred_percent() -> None:
    """33.3 three times would be 99.9."""
    account = lines(run_with(productive=10**9, down=10**9, idle=10**9))

    assert sum(round(10 * line.percent) for line in account) == 1000


def test_the_sentence_names_the_largest_part_first() -> None:
    """A newcomer reads one line and knows where the time went."""
    said = sentence(run_with(down=2 * 10**9, productive=8 * 10**9))

    assert said == (
        "Of 10.0 device-seconds, 80.0 % went to new training progress, "
        "20.0 % to the outage."
    )


def test_small_parts_are_mentioned_together() -> None:
    """The sentence stays one sentence, and still adds up to 100."""
    said = sentence(run_with(productive=995 * 10**9, idle=2 * 10**9, other=3 * 10**9))

    assert said.endswith(
        "99.5 % went to new training progress; the rest, 0.5 %, is small."
    )


def test_what_was_not_measured_is_a_dash() -> None:
    """None is not zero, on the terminal either."""
    assert percent(None) == "-"
    assert percent(0.0) == "0.0 %"
