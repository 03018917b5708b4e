"""Laws of the cluster book: every GPU is somewhere at every instant, exactly once."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.gpu_bookings import GpuGroup
from goodput_exporter.domain.gpu_rules import GpuRules
from goodput_exporter.domain.gpu_stands import NodeStand
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.services.gpu_bookkeeper import GpuBookkeeper
from tests.fakes.gpus import HOLDS, NOON, Cluster, S, gpu, stands, word, words
from tests.fakes.ledger import MemoryLedger

SHORT = GpuRules(
    grace_ns=5 * S,
    settle_ns=60 * S,
    settle_after_start_ns=60 * S,
    patience_ns=30 * S,
    horizon_ns=300 * S,
    longest_ns=100 * S,
)
INSTANTS = st.integers(NOON, NOON + 10**12)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, list[NodeStand]]]:
    """Draw ticks, and the words before each: late, twice, in any order."""
    said = draw(st.lists(words(), min_size=1, max_size=12))
    said += draw(st.lists(st.sampled_from(said), max_size=4))
    ticks = sorted(draw(st.sets(st.integers(0, 900), min_size=1, max_size=8)))
    arrivals = [(draw(st.sampled_from(ticks)), each) for each in said]
    return [(at, [one for when, one in arrivals if when == at]) for at in ticks]


@settings(max_examples=60, deadline=None)
@given(histories())
def test_no_gpu_time_is_lost_invented_or_booked_twice(
    history: list[tuple[int, list[NodeStand]]],
) -> None:
    """Whatever comes, whenever: live and settled lines tile each GPU's time."""
    cluster = Cluster(SHORT)
    for at_s, said in history:
        cluster.hear(*said).tick(at_s).check()

    cluster.tick(2_000).check()


@given(st.data(), st.lists(INSTANTS, min_size=2, max_size=6))
def test_the_parts_of_a_gpu_sum_to_its_time_in_every_window(
    data: st.DataObject, cuts: list[int]
) -> None:
    """Parts add up to the window, and windows to the whole, to the nanosecond."""
    parts = [slots for _, slots in data.draw(stands(0)).parts]
    edges = sorted(cuts)
    whole = Span(edges[0], edges[-1])

    assert sum(each.within(whole) for each in parts) == whole.length_ns
    for each in parts:
        assert each.within(whole) == sum(
            each.within(Span(*pair)) for pair in pairwise(edges)
        )
        assert abs(each.within(whole) - each.share * whole.length_ns) < each.of


@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=4))
def test_the_order_in_which_words_come_changes_nothing_before_the_line(
    arrival: list[int], again: list[int]
) -> None:
    """Each word is state: late ones and repetitions within the grace fold the same."""
    said = [
        word(
            10 * n,
            10 * n + 10,
            *(gpu(number, HOLDS[(n + number) % 5]) for number in range(3)),
        )
        for n in range(5)
    ]
    plain = Cluster(SHORT).hear(*said).tick(200)
    mixed = Cluster(SHORT).hear(*[said[n] for n in (*arrival, *again)]).tick(200)

    assert mixed.check().lines == plain.check().lines


@settings(max_examples=60, deadline=None)
@given(histories(), st.lists(st.booleans(), min_size=9, max_size=9))
def test_a_death_after_any_commit_breaks_no_law_and_takes_nothing_back(
    history: list[tuple[int, list[NodeStand]]], deaths: list[bool]
) -> None:
    """What is committed with each tick is all that the next life needs."""
    ledger, books = MemoryLedger(), GpuBookkeeper(SHORT)
    shown: dict[GpuGroup, int] = {}
    for (at_s, said), dies in zip([*history, (2_000, [])], deaths, strict=False):
        now_ns = NOON + at_s * S
        books.take(said)
        part = books.decide(now_ns)
        ledger.append(Batch(now_ns, meta=part.meta, gpus=part.gpus))
        books.publish(part)
        if dies:
            books = GpuBookkeeper(SHORT)
            books.resume(ledger, now_ns)

        sealed = books.view().sealed
        assert all(sealed.get(group, 0) >= ns for group, ns in shown.items())
        assert ledger.verify() == []
        shown = dict(sealed)
