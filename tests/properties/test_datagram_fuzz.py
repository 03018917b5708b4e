"""Whatever arrives on the socket is taken or refused by name, and never raises."""

from __future__ import annotations

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.observations import RankReport
from tests.fakes.heartbeats import INC, Desk, fields

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**401)
    | st.floats()
    | st.text(st.characters(), max_size=20)  # lone surrogates included
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
FULL = fields(
    run="ml/a", rank=0, ws=8, role="trainer", rg="a", st=3, stl=0, sa=0.1, sn=3,
    ss=[1, 1.0, 1.0, 1.0], rs=-1, cs=1, cd=1, tk=1, sm=1, sc="g", fl=1.0, ma=0.1, ok=1,
    mo=1.0, src="sdk", sdk="1", fw="x", model={"params": 1.0, "layers": 1}, fpt=1.0,
    tps=1, dt="bf16", gpu=["GPU-1"], pk=1.0,
)  # fmt: skip


def check(desk: Desk, data: bytes) -> None:
    """Hear one datagram; it is counted once, and what is kept can be believed."""
    seen = desk.hear(data)
    tally = desk.reception.counted()

    assert len(seen) + sum(tally.refused.values()) == 1
    assert sum(tally.accepted.values()) == len(seen)
    for report in seen:
        assert isinstance(report, RankReport)
        believable(report)


def believable(report: RankReport) -> None:
    """Assert what the domain takes for granted of every report."""
    numbers = [report.up_ns, report.phase_age_ns, *report.cum_ns.values()]
    optional = [report.step, report.step_age_ns, report.tokens, report.durable_step]
    assert report.incarnation == INC
    assert all(n >= 0 for n in numbers + [n for n in optional if n is not None])
    assert report.flops is None or math.isfinite(report.flops)
    texts = [report.run_id, report.role, report.replica_group]
    assert all(len(t.encode()) <= 256 for t in texts if t is not None)


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused_by_name(data: bytes) -> None:
    """Noise is counted and nothing else."""
    check(Desk(), data)


@settings(max_examples=100)
@given(TREES)
def test_any_json_is_refused_by_name(tree: object) -> None:
    """JSON that is no heartbeat is counted and nothing else."""
    check(Desk(), json.dumps(tree).encode())


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(sorted(FULL)), TREES, max_size=3))
def test_a_heartbeat_with_any_field_replaced_is_taken_or_refused(
    changes: dict[str, object],
) -> None:
    """Whatever a field holds, the datagram is believable or it is refused."""
    check(Desk(), json.dumps({**FULL, **changes}).encode())


@settings(max_examples=150)
@given(st.data())
def test_a_heartbeat_with_damaged_bytes_is_taken_or_refused(
    data: st.DataObject,
) -> None:
    """A cut, a flipped byte or a doubled piece breaks nothing."""
    good = json.dumps(FULL).encode()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, len(good)))
    patch = data.draw(st.binary(max_size=8) | st.just(good[start:end] * 2))

    check(Desk(), good[:start] + patch + good[end:])
