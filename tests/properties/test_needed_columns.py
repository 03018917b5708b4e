"""An aggregator books the same of what agents push as of all that they know."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.energy_meter import EnergyPart, NodeMeter
from goodput_exporter.domain.gpu_holdings import FreePart, GpuHoldings
from goodput_exporter.domain.gpu_stands import NodeStand
from goodput_exporter.domain.observations import GpuLost, GpuReading
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.services.cluster_gpus import ClusterGpus
from goodput_exporter.services.naming import Naming
from goodput_exporter.services.sharding import Shard
from goodput_exporter.sources.workloads.tracker import Tracker
from goodput_exporter.wire.kinds import KINDS, Observation
from goodput_exporter.wire.tables import decode_tables, encode_tables
from tests.fakes.snapshots import gpu_lost, gpu_sample

SENT = tuple(each.name for each in fields(GpuReading))
NODE = "node-0"


@st.composite
def told(draw: st.DrawFn) -> list[Observation]:
    """Draw what a node's two GPUs say, a fault and who holds them among it."""
    found: list[Observation] = []
    for second in range(draw(st.integers(1, 12))):
        at_ns = (1_000 + 5 * second) * NS_PER_SECOND
        for index in range(2):
            has_counter = draw(st.booleans())
            sample = gpu_sample(
                index,
                at_ns=at_ns,
                name=draw(st.sampled_from(["H100", "H200"])),
                power_watts=draw(st.none() | st.floats(0, 700)),
                energy_joules=draw(st.floats(0, 1e9)) if has_counter else None,
                unsupported=draw(
                    st.sampled_from([frozenset(), frozenset({"energy_joules", "x"})])
                ),
                busy_ratio=draw(st.none() | st.floats(0, 1)),
                refused=draw(
                    st.sampled_from([frozenset(), frozenset({"power_watts"})])
                ),
            )
            lost = gpu_lost(index, at_ns=at_ns, uuid=sample.uuid)
            found.append(lost if draw(st.integers(0, 3)) == 0 else sample)
        free = tuple(FreePart(gpu_sample(index).uuid, index, 1) for index in range(2))
        found.append(GpuHoldings(at_ns, is_known=draw(st.booleans()), free=free))
    return found


def booked(
    seen: list[Observation],
) -> tuple[list[NodeStand], list[EnergyPart], dict[str, str]]:
    """Return what an aggregator makes of it: words, lines of energy, models."""
    tracker = Tracker("c")
    gpus, meter = ClusterGpus(tracker), NodeMeter(NODE)
    naming = Naming(tracker, Shard(), cluster="c", namespace="ns")
    naming.named(seen, NODE, 0)
    words = [word for each in seen for word in gpus.hear(NODE, [each])]
    meter.hear(each for each in seen if isinstance(each, GpuReading))
    return words, meter.written(), dict(naming.gpu_names)


@given(told())
def test_what_is_left_out_of_a_push_changes_no_book(seen: list[Observation]) -> None:
    """Who holds a GPU, whether it answers, what it drew, and what it is called."""
    pushed = decode_tables(encode_tables(seen, is_needed_only=True))

    assert pushed.skipped.detail == ""
    assert booked(pushed.observations) == booked(seen)


def test_only_what_no_aggregator_reads_is_left_out() -> None:
    """What is sent is as it was; the rest is not there, even for who passes it on."""
    sample = gpu_sample(3, busy_ratio=0.5, unsupported=frozenset({"mig"}))
    lost = GpuLost(1, 2, "GPU-1", 15, "lost")

    found = decode_tables(encode_tables([sample, lost], is_needed_only=True))

    kept = GpuReading(**{name: getattr(sample, name) for name in SENT})
    again = decode_tables(encode_tables(found.observations)).observations
    assert found.observations == again == [kept, lost]
    assert all(kind.required <= set(kind.needed.names) for kind in KINDS.values())


def test_instants_of_what_is_sent_are_moved_like_all_others() -> None:
    """The offset of the clocks is no less with fewer fields."""
    sample = gpu_sample(0)

    data = encode_tables([sample], is_needed_only=True)
    (moved,) = decode_tables(data, shift_ns=-7).observations

    assert isinstance(moved, GpuReading)
    assert moved.at_ns == sample.at_ns - 7
