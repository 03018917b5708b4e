"""Prices, usages and counters in round numbers, for stories about money and energy."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise

from hypothesis import strategies as st

from goodput_exporter.analysis.money import NS_PER_HOUR
from goodput_exporter.analysis.prices import FOREVER_NS, Price, PriceBook, price_book
from goodput_exporter.analysis.usage import Category, Place, State, Usage
from goodput_exporter.domain.energy import Reading
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, RunState

H100 = "NVIDIA H100 80GB HBM3"
LLAMA = RunKey("east", "research", "llama")
DAY_NS = 24 * NS_PER_HOUR
ALWAYS = Span(0, FOREVER_NS)
SOMEWHERE = Place(H100)
MODELS = (H100, "NVIDIA A100-SXM4-80GB")
POOLS = (None, "spot", "reserved")
TEAMS = (None, "research", "search")
STATES: tuple[State, ...] = (
    RunState.PRODUCTIVE,
    RunState.DOWN,
    Category.UNALLOCATED,
    Category.UNAVAILABLE,
    Category.OTHER_WORKLOAD,
)


def hours(start: float, end: float) -> Span:
    """Return a span in hours since the epoch."""
    return Span(round(start * NS_PER_HOUR), round(end * NS_PER_HOUR))


def seconds(start: float, end: float) -> Span:
    """Return a span in seconds since the epoch."""
    return Span(round(start * NS_PER_SECOND), round(end * NS_PER_SECOND))


def price(
    per_gpu_hour: str,
    valid: Span = ALWAYS,
    *,
    pool: str | None = None,
    currency: str = "EUR",
    model: str = H100,
) -> Price:
    """Return the price of an H100 in euro, unless said otherwise."""
    return Price(model, pool, currency, Decimal(per_gpu_hour), valid)


def book(*prices: Price) -> PriceBook:
    """Return a price book of these prices."""
    return price_book(prices, origin="prices.toml")


def usage(  # noqa: PLR0913 - one argument per fact that a story may change
    span: Span,
    devices: int = 1,
    state: State = RunState.PRODUCTIVE,
    *,
    place: Place = SOMEWHERE,
    cause: Cause = Cause.NONE,
    team: str | None = "research",
) -> Usage:
    """Return usage of H100s by the research team's run, unless said otherwise."""
    run = LLAMA if isinstance(state, RunState) else None
    return Usage(span, devices, state, place, cause, team, run)


def counter(*points: tuple[float, int], gpu: str = "GPU-0") -> list[Reading]:
    """Return readings of one GPU: seconds, and joules on its counter."""
    return [
        Reading(gpu, round(at_s * NS_PER_SECOND), joules * 1_000)
        for at_s, joules in points
    ]


@st.composite
def spans(draw: st.DrawFn, longest_ns: int = DAY_NS) -> Span:
    """Draw a span of at least one nanosecond."""
    start_ns = draw(st.integers(0, longest_ns - 1))
    return Span(start_ns, draw(st.integers(start_ns + 1, longest_ns)))


@st.composite
def books(draw: st.DrawFn) -> PriceBook:
    """Draw a book in euro whose prices change, overlap in pools, and have gaps."""
    prices: list[Price] = []
    for model in MODELS:
        for pool in POOLS:
            cuts = sorted(draw(st.sets(st.integers(0, DAY_NS), max_size=4)))
            for start_ns, end_ns in pairwise(cuts):
                nanos = draw(st.integers(0, 10**11) | st.none())
                if nanos is not None:
                    amount = Decimal(f"{nanos}E-9")
                    valid = Span(start_ns, end_ns)
                    prices.append(Price(model, pool, "EUR", amount, valid))
    return price_book(prices, origin="prices.toml")


@st.composite
def usages(draw: st.DrawFn) -> list[Usage]:
    """Draw what GPUs of several models, pools, nodes and teams did in one day."""
    return draw(st.lists(_usage(), max_size=8))


@st.composite
def _usage(draw: st.DrawFn) -> Usage:
    state = draw(st.sampled_from(STATES))
    place = Place(
        draw(st.sampled_from(MODELS)),
        draw(st.sampled_from(POOLS)),
        draw(st.sampled_from((None, "node-1", "node-2"))),
    )
    cause = draw(st.sampled_from((Cause.NONE, Cause.GPU_LOST)))
    team = draw(st.sampled_from(TEAMS))
    devices = draw(st.integers(1, 16_384))
    return usage(draw(spans()), devices, state, place=place, cause=cause, team=team)


def gpu_ns_of(usages: Iterable[Usage]) -> int:
    """Return the GPU time of usages."""
    return sum(one.gpu_ns for one in usages)
