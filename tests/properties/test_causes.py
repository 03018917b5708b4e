"""Laws of attribution: order, echoes and later events never change a cause."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from goodput_exporter.domain.attribution import explain
from goodput_exporter.domain.cause_rule import Role, Rule
from goodput_exporter.domain.cause_rules import RULES
from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Cause
from tests.fakes.causes import Recorded, recorded

END_NS = 1_700_000_000 * NS_PER_SECOND
INITIATING = [rule for rule in RULES if rule.role is Role.INITIATES]
ECHOING = [rule for rule in RULES if rule.role in {Role.CASCADE, Role.SYMPTOM}]
ORDER = {rule.id: index for index, rule in enumerate(RULES)}


@st.composite
def signs(draw: st.DrawFn, rules: list[Rule]) -> tuple[Rule, Evidence]:
    """Draw an observation that one of *rules* matches, where it can explain an end."""
    rule = draw(st.sampled_from([rule for rule in rules if rule.needs is None]))
    reason = draw(st.sampled_from(rule.reasons)).replace("*", "")
    low_ns = END_NS - rule.before_ns + rule.lag_ns
    high_ns = END_NS + rule.after_ns + rule.lag_ns
    return rule, Evidence(draw(st.integers(low_ns, high_ns)), rule.kind, reason)


@st.composite
def echoes(draw: st.DrawFn) -> Evidence:
    """Draw something that follows: a teardown, an exit, a timeout."""
    rule = draw(st.sampled_from(ECHOING))
    reason = draw(st.sampled_from(rule.reasons)).replace("*", "")
    later_ns = draw(st.integers(-5 * NS_PER_SECOND, 3_600 * NS_PER_SECOND))
    return Evidence(END_NS + later_ns, rule.kind, reason)


anything = st.builds(
    Evidence,
    st.integers(END_NS - 4_000 * NS_PER_SECOND, END_NS + 700 * NS_PER_SECOND),
    st.sampled_from([rule.kind for rule in RULES]),
    st.sampled_from([reason for rule in RULES for reason in rule.reasons]),
)


@given(st.lists(anything, max_size=12), st.randoms(use_true_random=False))
def test_the_order_in_which_evidence_comes_does_not_matter(
    evidence: list[Evidence], chance: object
) -> None:
    """Agents deliver when they can, and twice if they must."""
    shuffled = evidence + evidence[: len(evidence) // 2]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' own Random

    assert explain(END_NS, shuffled) == explain(END_NS, evidence)


@given(signs(INITIATING), st.lists(echoes(), max_size=10))
def test_an_echo_never_replaces_what_began_it(
    sign: tuple[Rule, Evidence], noise: list[Evidence]
) -> None:
    """However many ranks abort and pods are told to go."""
    rule, seen = sign

    verdict = explain(END_NS, [*noise, seen])

    assert (verdict.cause, verdict.rule) == (rule.cause, rule.id)
    assert verdict.used == (seen,)


@given(signs(INITIATING), signs(INITIATING))
def test_of_two_causes_the_earliest_wins_then_the_earlier_rule(
    one: tuple[Rule, Evidence], other: tuple[Rule, Evidence]
) -> None:
    """An instant decides; at the same instant the table does."""
    assume(one[1] != other[1])
    first, _ = min(
        one, other, key=lambda sign: (sign[1].at_ns - sign[0].lag_ns, ORDER[sign[0].id])
    )

    assert explain(END_NS, [other[1], one[1]]).rule == first.id


@given(st.lists(echoes(), max_size=10))
def test_echoes_alone_never_name_something_outside_the_program(
    noise: list[Evidence],
) -> None:
    """Without its first event an interruption is not blamed on a machine or a queue."""
    inside = {Cause.APPLICATION_ERROR, Cause.HANG, Cause.USER, Cause.NONE}

    assert explain(END_NS, noise).cause in inside | {Cause.UNKNOWN}


@given(st.sampled_from(recorded()), st.lists(echoes(), max_size=6), st.data())
def test_a_public_interruption_stays_what_it_is_under_noise(
    case: Recorded, noise: list[Evidence], data: st.DataObject
) -> None:
    """Late teardown after a known first event changes nothing."""
    assume(explain(case.end_ns, case.evidence).rule in {rule.id for rule in INITIATING})
    shift_ns = case.end_ns - END_NS + data.draw(st.integers(0, 600)) * NS_PER_SECOND
    moved = [Evidence(one.at_ns + shift_ns, one.kind, one.reason) for one in noise]

    verdict = explain(case.end_ns, [*case.evidence, *moved])

    assert (verdict.cause, verdict.rule) == (case.cause, case.rule)
