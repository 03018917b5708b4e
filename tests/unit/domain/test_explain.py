"""Why a run was interrupted, held against interruptions that are public."""

from __future__ import annotations

from itertools import combinations

import pytest

from goodput_exporter.domain.attribution import NOTHING_SEEN, explain
from goodput_exporter.domain.cause_rule import MINUTE_NS, Role, Rule
from goodput_exporter.domain.cause_rules import RULES
from goodput_exporter.domain.evidence import Evidence, Kind, exit_reason
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Cause
from tests.fakes.causes import Recorded, recorded

RECORDED = recorded()
END_NS = 1_700_000_000 * NS_PER_SECOND


def seen(kind: Kind, reason: str, at_s: float) -> Evidence:
    """Return an observation *at_s* seconds after the first rank's end."""
    return Evidence(END_NS + round(at_s * NS_PER_SECOND), kind, reason)


PREEMPTED = seen(Kind.POD_CONDITION, "PreemptionByScheduler", -30)
UNREACHABLE = seen(Kind.NODE_CONDITION, "Ready=Unknown", 41)
OFF_THE_BUS = seen(Kind.XID, "79", -20)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_a_public_interruption_has_its_cause(case: Recorded) -> None:
    """The rule that names it and what it rests on are kept."""
    verdict = explain(case.end_ns, case.evidence)

    assert (verdict.cause, verdict.rule) == (case.cause, case.rule)
    assert bool(verdict.used) == (case.rule != NOTHING_SEEN)
    told = dict.fromkeys(one.words for one in verdict.used)
    assert verdict.evidence == tuple(told)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_a_fixture_says_where_it_is_from(case: Recorded) -> None:
    """What the rules' author made up himself is said beside it."""
    assert case.sources
    assert all(source.startswith("https://") for source in case.sources)
    assert case.modelled.endswith(".")


def test_every_cause_is_recorded() -> None:
    """No cause is named that nothing public shows."""
    assert {case.cause for case in RECORDED} == set(Cause)


def removals(case: Recorded) -> list[tuple[Evidence, ...]]:
    """Return what is left when a fifth of the evidence is lost, in every way."""
    kept = {one for one in case.evidence if one.until_ns is None}
    declared = tuple(one for one in case.evidence if one.until_ns is not None)
    count = max(1, len(kept) // 5)
    return [
        declared + tuple(one for one in kept if one not in lost)
        for lost in combinations(kept, count)
    ]


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_lost_evidence_gives_no_wrong_cause(case: Recorded) -> None:
    """With a fifth lost the cause is still right, or it is not named."""
    allowed = {case.cause, Cause.OTHER, Cause.UNKNOWN}

    found = {explain(case.end_ns, left).cause for left in removals(case)}

    assert found <= allowed


def test_nothing_seen_is_unknown() -> None:
    """No guess is made."""
    verdict = explain(END_NS, [])

    assert (verdict.cause, verdict.rule) == (Cause.UNKNOWN, NOTHING_SEEN)
    assert verdict.used == verdict.dismissed == ()


@pytest.mark.parametrize(
    "kind", [Kind.POD_CONDITION, Kind.POD_REASON, Kind.XID, Kind.WORKLOAD_CONDITION]
)
def test_a_reason_that_nobody_has_seen_is_other(kind: Kind) -> None:
    """It began the interruption, and it is not in the set; never a person's doing."""
    reason = "Evicted/Unheard" if kind is Kind.WORKLOAD_CONDITION else "4711"

    verdict = explain(END_NS, [seen(kind, reason, -1)])

    assert verdict.cause is Cause.OTHER
    assert verdict.rule.startswith("unseen-")


def test_what_no_rule_matches_is_no_evidence() -> None:
    """Pods are scheduled and images pulled all day."""
    verdict = explain(END_NS, [seen(Kind.EVENT, "Pod/Scheduled", -1)])

    assert verdict.rule == NOTHING_SEEN
    assert verdict.dismissed == ()


def test_the_echo_of_a_lost_node_is_dismissed() -> None:
    """Collectives time out, other pods are told to go, the node's pods are orphaned."""
    echo = [
        seen(Kind.STALL, "step", -8),
        seen(Kind.POD_CONDITION, "DeletionByPodGC", 400),
        seen(Kind.CONTAINER_EXIT, "signal 15", 2),
        seen(Kind.LOG, "collective-timeout", 600),
        seen(Kind.CONTAINER_RESTART, "signal 6", 601),
    ]

    verdict = explain(END_NS, [*echo, UNREACHABLE])

    assert (verdict.cause, verdict.used) == (Cause.NODE_LOST, (UNREACHABLE,))
    assert set(verdict.dismissed) == set(echo)


def test_without_the_lost_node_its_traces_keep_the_program_from_blame() -> None:
    """A stall beside an orphaned pod is no hang of the program's."""
    verdict = explain(
        END_NS,
        [
            seen(Kind.STALL, "step", -8),
            seen(Kind.POD_CONDITION, "DeletionByPodGC", 400),
            seen(Kind.PROCESS_EXIT, "exit 1", 0),
        ],
    )

    assert (verdict.cause, verdict.rule) == (Cause.OTHER, "orphaned")


def test_the_others_that_are_told_to_go_after_a_kill_began_nothing() -> None:
    """Nobody says who killed it; the SIGTERM of the rest is nobody's error."""
    verdict = explain(
        END_NS,
        [
            seen(Kind.CONTAINER_EXIT, exit_reason(137), -1),
            seen(Kind.PROCESS_EXIT, exit_reason(143), 0),
        ],
    )

    assert (verdict.cause, verdict.rule) == (Cause.UNKNOWN, "container-killed")


@pytest.mark.parametrize(
    "echo",
    [
        seen(Kind.CONTAINER_EXIT, exit_reason(143), 0),
        seen(Kind.EVENT, "Pod/Killing", 0),
        seen(Kind.XID, "45", 0),
        seen(Kind.NVRX_CYCLE, "cycle 3 ended", 1),
    ],
    ids=lambda echo: echo.reason,
)
def test_an_echo_alone_names_nothing(echo: Evidence) -> None:
    """It would sound the same whatever began it."""
    verdict = explain(END_NS, [echo])

    assert (verdict.cause, verdict.rule) == (Cause.UNKNOWN, NOTHING_SEEN)
    assert verdict.dismissed == (echo,)


def test_an_exit_after_the_first_rank_s_is_not_the_first_rank_s() -> None:
    """Ranks that lost a peer raise and exit with 1; that is not why it began."""
    verdict = explain(END_NS, [seen(Kind.PROCESS_EXIT, "exit 1", 2)])

    assert verdict.cause is Cause.UNKNOWN


def test_of_two_causes_the_first_wins() -> None:
    """Whichever is found first by us, and whoever is louder."""
    later = seen(Kind.XID, "94", -5)

    assert explain(END_NS, [later, OFF_THE_BUS]).cause is Cause.GPU_LOST
    assert explain(END_NS, [OFF_THE_BUS, PREEMPTED]).cause is Cause.PREEMPTED


def test_of_two_causes_at_one_instant_the_earlier_rule_wins() -> None:
    """Machines before GPUs before pods: the wider one takes the narrower along."""
    both = [
        seen(Kind.POD_CONDITION, "PreemptionByScheduler", -3),
        seen(Kind.XID, "48", -3),
    ]

    assert explain(END_NS, both).cause is Cause.GPU_ERROR


def test_a_silent_node_counts_from_before_it_was_marked() -> None:
    """Marked 30 s after an XID, it cannot have been lost later than 10 s before."""
    xid = seen(Kind.XID, "48", 0)
    marked = seen(Kind.NODE_CONDITION, "Ready=Unknown", 30)

    assert explain(END_NS, [xid, marked]).cause is Cause.NODE_LOST


def test_a_declared_window_explains_what_ends_inside_it() -> None:
    """The node reboots because somebody announced it."""
    window = Evidence(
        END_NS - 60, Kind.MAINTENANCE_WINDOW, "upgrade", until_ns=END_NS + 1
    )

    assert explain(END_NS, [window, UNREACHABLE]).cause is Cause.PLANNED
    assert explain(END_NS + 1, [window, UNREACHABLE]).cause is Cause.NODE_LOST


def test_a_window_without_an_end_goes_on() -> None:
    """Nobody has said yet when the work is done."""
    window = Evidence(END_NS, Kind.MAINTENANCE_WINDOW, "upgrade")

    assert explain(END_NS + 99 * MINUTE_NS, [window]).cause is Cause.PLANNED
    assert explain(END_NS - 1, [window]).cause is Cause.UNKNOWN


def test_windows_that_differ_in_their_end_alone_are_two() -> None:
    """One that was declared without an end, and again with one."""
    open_end = Evidence(END_NS, Kind.MAINTENANCE_WINDOW, "upgrade")
    closed = Evidence(
        END_NS, Kind.MAINTENANCE_WINDOW, "upgrade", until_ns=END_NS + MINUTE_NS
    )

    assert explain(END_NS, [closed, open_end]).used == (open_end, closed)


def test_an_older_attempt_s_evidence_does_not_explain_this_one() -> None:
    """The preemption that the run came back from is not why it fails now."""
    crash = seen(Kind.PROCESS_EXIT, "signal 11", 0)
    torn_down = seen(Kind.CONTAINER_EXIT, "signal 15", -29.5)

    verdict = explain(
        END_NS, [PREEMPTED, torn_down, crash], since_ns=END_NS - 20 * NS_PER_SECOND
    )

    assert verdict.cause is Cause.APPLICATION_ERROR
    assert verdict.dismissed == ()


def test_an_eviction_is_a_drain_only_of_a_cordoned_node() -> None:
    """Autoscalers and spot handlers call the same API."""
    evicted = seen(Kind.POD_CONDITION, "EvictionByEvictionAPI", -20)
    cordon = seen(Kind.NODE_TAINT, "node.kubernetes.io/unschedulable", -21)

    assert explain(END_NS, [evicted]).cause is Cause.OTHER
    assert explain(END_NS, [evicted, cordon]).cause is Cause.NODE_MAINTENANCE
    assert explain(END_NS, [cordon]).cause is Cause.UNKNOWN


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0, "exit 0"),
        (1, "exit 1"),
        (128, "exit 128"),
        (137, "signal 9"),
        (139, "signal 11"),
        (143, "signal 15"),
        (192, "signal 64"),
        (193, "exit 193"),
        (-9, "signal 9"),
    ],
)
def test_an_exit_code_above_128_is_a_signal(code: int, reason: str) -> None:
    """Up to the highest signal that Linux has."""
    assert exit_reason(code) == reason


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_why_and_can_be_reached(rule: Rule) -> None:
    """One that an earlier rule hides, or that reaches nowhere, decides nothing."""
    reason = rule.reasons[0].replace("*", "zzz")
    mine = Evidence(0, rule.kind, reason)
    first = next(one for one in RULES if one.matches(mine))

    assert rule.why
    assert first is rule or first.needs is not None
    assert rule.role in {Role.OVERRIDES, Role.CASCADE} or rule.before_ns > 0
    assert (rule.role is Role.CASCADE) <= (rule.cause is Cause.UNKNOWN)
