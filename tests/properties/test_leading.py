"""However slow the API server is, two replicas never believe to lead at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.services.leading import Elector
from tests.fakes.leases import Hands, Paper, Slow

SECONDS = 15.0
SLICES = 4
"""In so many parts a wait passes; in between the other replica may look."""

waits_s = st.one_of(st.just(0.0), st.floats(0, 1.5 * SECONDS))


@dataclass(frozen=True)
class Look:
    """
    One look at the Lease, by a replica whose way to it is slow.

    Args:
        who: Which of the two.
        after_s: How long after the last thing that happened.
        waits_s: For the reading to be served and answered, and the writing.
        watched: In which of these the other one looks, too; in the rest it hangs.
    """

    who: int
    after_s: float
    waits_s: tuple[float, float, float, float]
    watched: tuple[bool, bool, bool, bool] = (False, False, False, False)


looks = st.builds(
    Look,
    st.integers(0, 1),
    waits_s,
    st.tuples(waits_s, waits_s, waits_s, waits_s),
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)


@dataclass
class Two:
    """Two replicas, and at how many of the moments looked at each, or both, led."""

    clock: Hands = field(default_factory=Hands)
    led: set[tuple[bool, bool]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Let both stand for a Lease that is nobody's."""
        paper = Paper(self.clock)
        self.ways = Slow(paper), Slow(paper)
        self.electors = tuple(
            Elector(way, name, seconds=SECONDS, monotonic=self.clock)
            for way, name in zip(self.ways, "ab", strict=True)
        )

    def live(self, look: Look) -> None:
        """Let time pass, then one of them look."""
        self._pass(look.who, look.after_s)
        self.ways[look.who].waits = [
            partial(self._pass, look.who, wait_s, is_watched=is_watched)
            for wait_s, is_watched in zip(look.waits_s, look.watched, strict=True)
        ]
        self.electors[look.who].step()
        self.ways[look.who].waits = []
        self._note()

    def _pass(self, who: int, seconds: float, *, is_watched: bool = False) -> None:
        for _ in range(SLICES):
            self.clock.at += seconds / SLICES
            self._note()
            if is_watched:
                self.electors[1 - who].step()
                self._note()

    def _note(self) -> None:
        one, other = (each.is_leader for each in self.electors)
        self.led.add((one, other))


@given(st.lists(looks, max_size=12))
def test_two_replicas_never_lead_at_once(story: list[Look]) -> None:
    """Requests may hang before they are served and after, for longer than a Lease."""
    two = Two()
    for look in story:
        two.live(look)

    assert (True, True) not in two.led


def test_a_slow_question_is_no_news_of_when_the_lease_was_renewed() -> None:
    """It was renewed while the question was under way: the answer is what counts."""
    two = Two()
    two.live(Look(0, 0.0, (0.0, 0.0, 0.0, 0.0)))
    two.live(Look(1, 1.0, (14.0, 0.5, 0.0, 0.0), (True, False, False, False)))
    two.live(Look(1, 0.5, (0.0, 0.0, 0.0, 0.0)))

    assert two.led == {(False, False), (True, False)}
