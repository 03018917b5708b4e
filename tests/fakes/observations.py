"""Any observation that an agent may send, and the usual load of a node."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from goodput_exporter.domain.observations import GpuSample, RankReport
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase
from goodput_exporter.wire.kinds import INSTANTS, KINDS, LEAST, MOST, Observation

EPOCH_NS = 1_700_000_000 * NS_PER_SECOND
WHOLE = st.integers(LEAST, MOST)
INSTANT = st.integers(0, 2**62)


def anything(hint: Any, name: str = "") -> st.SearchStrategy[Any]:  # noqa: ANN401, C901, PLR0911 - one line per sort of type
    """Return any value of a field's type; an instant if its name says so."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is int:
        return INSTANT if name in INSTANTS else WHOLE
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if hint is str:
        return st.text(max_size=20)
    if hint is bool:
        return st.booleans()
    if hint is type(None):
        return st.none()
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if is_dataclass(hint):
        return anything_of(hint)  # type: ignore[arg-type]  # a class, never a value
    if origin in {Union, types.UnionType}:
        return st.one_of([anything(each, name) for each in inner])
    if origin is tuple and inner[-1] is ...:
        return st.lists(anything(inner[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(anything, inner))
    if origin is frozenset:
        return st.frozensets(anything(inner[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(anything(inner[0]), anything(inner[1]), max_size=3)
    msg = f"no strategy for {hint}; teach this function"
    raise TypeError(msg)


def anything_of(of: type[Any]) -> st.SearchStrategy[Any]:
    """Return any value of one dataclass."""
    hints = get_type_hints(of)
    return st.builds(
        of, **{each.name: anything(hints[each.name], each.name) for each in fields(of)}
    )


observations = st.one_of([anything_of(kind.type) for kind in KINDS.values()])


def report(rank: int, second: int, *, steps_a_second: int = 10) -> RankReport:
    """Return what a rank says of itself after so many seconds of training."""
    up_ns = second * NS_PER_SECOND
    steps = second * steps_a_second
    return RankReport(
        incarnation=f"{rank:016x}",
        seq=second,
        at_ns=EPOCH_NS + up_ns,
        up_ns=up_ns,
        phase=Phase.TRAIN_STEP,
        phase_age_ns=0,
        cum_ns={Phase.TRAIN_STEP: up_ns},
        run_id="ml/llama",
        rank=rank,
        world_size=16,
        step=steps,
        step_age_ns=0,
        steps_done=steps,
        step_spread_ns=(steps_a_second, NS_PER_SECOND, 99_000_000, 101_000_000),
        tokens=steps * 4096,
        pid=4711 + rank,
    )


def gpu(index: int, second: int) -> GpuSample:
    """Return a GPU under load, with twenty values that a scrape would show."""
    beat = second * 7919 + index * 104_729
    return GpuSample(
        index=index,
        uuid=f"GPU-{index:032x}",
        name="NVIDIA H100 80GB HBM3",
        at_ns=EPOCH_NS + second * NS_PER_SECOND + index,
        busy_ratio=0.5 + beat % 500 / 1000,
        memory_used_bytes=70_000_000_000 + beat,
        memory_total_bytes=85_899_345_920,
        power_watts=500 + beat % 1999 / 10,
        power_limit_watts=700.0,
        energy_joules=1e6 + beat * 1.25,
        temperature_celsius=40 + beat % 40,
        sm_clock_hertz=1_980_000_000 - beat % 4 * 15_000_000,
        memory_clock_hertz=2_619_000_000,
        memory_busy_ratio=beat % 1000 / 1000,
        memory_temperature_celsius=60 + beat % 30,
        pcie_sent_rate=beat % 10**9,
        pcie_received_rate=beat * 3 % 10**9,
        sm_active_ratio=beat % 997 / 997,
        tensor_active_ratio=beat % 991 / 991,
        dram_active_ratio=beat % 983 / 983,
        clock_reasons=frozenset({"sw_power_cap"}),
        took_ns=200_000 + beat % 100_000,
    )


def node(second: int, *, ranks: int = 16, gpus: int = 0) -> list[Observation]:
    """Return what one tick of an agent sees."""
    return [
        *(report(rank, second) for rank in range(ranks)),
        *(gpu(index, second) for index in range(gpus)),
    ]
