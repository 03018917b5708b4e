"""The joins on the page about attribution give the same, whoever scrapes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.dashboards.promtool import check

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

PAGE: Final = Path(__file__).resolve().parents[2] / "docs/explanation/attribution.md"
JOINS: Final = re.findall(
    r"^```promql\n(.+?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
SCRAPED: Final = {
    "by nobody in particular": "",
    "by an agent's monitor": ', job="goodput", namespace="monitoring", pod="agent-x"',
    "after the agent was made anew": ', job="goodput", pod="agent-y", instance="b:1"',
}
HELD: Final = (
    'gpu_node="n1", gpu_uuid="GPU-{gpu}", holder_namespace="ml", '
    'holder_pod="llama-0", holder_container="train", sharing="none"'
)
EXPECTED: Final = (
    ('{namespace="ml", pod="llama-0", label_team="blue"}', 2),
    ('{node="n1", label_pool="a"}', 2),
    ('{UUID="GPU-0", holder_namespace="ml", holder_pod="llama-0"}', 650),
)


def series(target: str) -> dict[str, str]:
    """Return a node's two GPUs, held by one pod, and what others tell of them."""
    ours = {
        f"{name}{{{labels}{target}}}": "1x5"
        for gpu in range(2)
        for name, labels in (
            ("goodput_gpu_held_ratio", HELD.format(gpu=gpu)),
            ("goodput_gpu_up", f'gpu_node="n1", gpu_uuid="GPU-{gpu}"'),
        )
    }
    return ours | {
        'kube_pod_labels{namespace="ml", pod="llama-0", label_team="blue"}': "1x5",
        'kube_pod_labels{namespace="ml", pod="other-0", label_team="red"}': "1x5",
        'kube_node_labels{node="n1", label_pool="a"}': "1x5",
        'DCGM_FI_DEV_POWER_USAGE{UUID="GPU-0", Hostname="dcgm-1"}': "650x5",
    }


@pytest.mark.parametrize("target", SCRAPED.values(), ids=SCRAPED)
def test_a_join_finds_the_others_labels_whoever_scrapes(
    tmp_path: Path, target: str
) -> None:
    """Two GPUs of one pod are two of its team, on its node, with their power."""
    assert len(JOINS) == len(EXPECTED)
    asked = {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values}
            for name, values in series(target).items()
        ],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": "2m",
                "exp_samples": [{"labels": labels, "value": value}],
            }
            for query, (labels, value) in zip(JOINS, EXPECTED, strict=True)
        ],
    }

    assert check(tmp_path, [asked], "groups: []") == ""
