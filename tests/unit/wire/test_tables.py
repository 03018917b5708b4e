"""Agents and aggregators of different versions understand each other."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import msgspec
import pytest

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.observations import Delivered, GpuLost, ModelFacts
from goodput_exporter.errors import BadInputError
from goodput_exporter.wire.kinds import INSTANTS, KINDS, Observation, parts_of
from goodput_exporter.wire.tables import decode_tables, encode_tables
from tests.fakes.observations import gpu, report

DURATIONS = {
    "up_ns", "phase_age_ns", "cum_ns", "step_age_ns", "step_spread_ns",
    "main_thread_age_ns", "took_ns", "total_ns",
}  # fmt: skip


def columns(kind: str, **values: list[object]) -> bytes:
    """Return a table as another version might send it."""
    rows = [list(row) for row in zip(*values.values(), strict=True)]
    return msgspec.msgpack.encode([[kind, list(values), rows]])


def all_parts(of: type[Any]) -> set[type[Any]]:
    """Return a class and every class within its fields."""
    inner = [p for hint in get_type_hints(of).values() for p in parts_of(hint)]
    return {of}.union(*map(all_parts, inner))


def test_every_field_in_nanoseconds_is_known_as_an_instant_or_a_duration() -> None:
    """A new dated field that nobody lists would keep the agent's wrong clock."""
    classes = set().union(*(all_parts(kind.type) for kind in KINDS.values()))

    named = {f.name for of in classes if is_dataclass(of) for f in fields(of)}

    assert {name for name in named if name.endswith("_ns")} <= INSTANTS | DURATIONS


def test_an_unknown_kind_is_counted_and_costs_its_neighbours_nothing() -> None:
    """A newer agent tells more than an older aggregator can hear."""
    known = Delivered("agent", 7)
    tables = msgspec.msgpack.decode(encode_tables([known]))
    data = msgspec.msgpack.encode([["dream", ["at_ns"], [[1], [2]]], *tables])

    read = decode_tables(data)

    assert read.observations == [known]
    assert read.skipped.kinds == 2
    assert "'dream'" in read.skipped.detail


def test_an_unknown_field_is_left_out_and_counted() -> None:
    """The rest of the observation is as good as before."""
    data = columns("delivered", mood=["good"], through_ns=[7], agent=["a"])

    read = decode_tables(data)

    assert read.observations == [Delivered("a", 7)]
    assert read.skipped.fields == 1
    assert "'mood'" in read.skipped.detail


def test_a_field_that_an_older_agent_does_not_send_has_its_default() -> None:
    """What is not said is not measured."""
    data = columns(
        "gpu_lost", index=[3], at_ns=[5], uuid=[None], code=[15], reason=["lost"]
    )

    assert decode_tables(data).observations == [GpuLost(3, 5, None, 15, "lost")]


def test_an_observation_without_a_required_field_is_counted() -> None:
    """Half an observation is none."""
    read = decode_tables(columns("delivered", agent=["a", "b"]))

    assert read.observations == []
    assert read.skipped.rows == 2
    assert "through_ns" in read.skipped.detail


@pytest.mark.parametrize(
    "through_ns", [-1, 2**62 + 1, 2**64 - 1, 1.5, "7", None, float("nan")]
)
def test_a_value_that_cannot_be_costs_its_own_observation_only(
    through_ns: object,
) -> None:
    """One bad row of a thousand leaves 999."""
    names: dict[str, list[object]] = {
        "agent": ["a", "b"],
        "through_ns": [through_ns, 7],
    }

    read = decode_tables(columns("delivered", **names))
    other = decode_tables(columns("delivered", **dict(reversed(names.items()))))

    assert read.observations == other.observations == [Delivered("b", 7)]
    assert read.skipped.rows == other.skipped.rows == 1


@pytest.mark.parametrize("params", [float("nan"), float("inf")])
def test_a_figure_within_a_part_has_to_be_finite_too(params: float) -> None:
    """NaN would stop the run's book, where it is none of a number's fault."""
    odd = report(0, 1)
    odd.facts = ModelFacts(params=params)

    read = decode_tables(encode_tables([odd, report(1, 1)]))

    assert read.observations == [report(1, 1)]
    assert read.skipped.rows == 1


def test_a_kind_that_does_not_travel_is_named() -> None:
    """Whoever adds an observation learns where to add its line."""
    with pytest.raises(BadInputError, match=r"ModelFacts does not travel.*KINDS"):
        encode_tables([ModelFacts()])  # type: ignore[list-item]  # that is the test


def test_what_cannot_be_written_down_is_an_error() -> None:
    """A number beyond 64 bits, or half a surrogate pair, never leaves the agent."""
    with pytest.raises(BadInputError, match="cannot be sent"):
        encode_tables([Delivered("a", 2**64)])
    with pytest.raises(BadInputError, match="cannot be sent"):
        encode_tables([Delivered("\ud800", 1)])


def test_neighbours_of_one_kind_share_their_names() -> None:
    """Sixteen GPUs name their fields once."""
    one, sixteen = (encode_tables([gpu(i, 1) for i in range(n)]) for n in (1, 16))

    assert sixteen.count(b"memory_temperature_celsius") == 1
    assert len(sixteen) < 8 * len(one)


def test_kinds_that_take_turns_keep_their_order() -> None:
    """Delivered means all before it."""
    cause = Evidence(5, Kind.XID, "79", "gpu/n/0", "kernel")
    turns: list[Observation] = [
        report(0, 1),
        Delivered("a", 1),
        cause,
        report(0, 2),
        Delivered("a", 2),
    ]

    assert decode_tables(encode_tables(turns)).observations == turns
