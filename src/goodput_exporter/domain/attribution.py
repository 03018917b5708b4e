"""Why a run was interrupted: the first event that could begin it decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.cause_rule import WHOLE_SECOND_NS, Role, Rule
from goodput_exporter.domain.cause_rules import RULES
from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.states import Cause

__all__ = [
    "NOTHING_SEEN",
    "RULES",
    "Ending",
    "Verdict",
    "evidence_of_end",
    "explain",
]

NOTHING_SEEN: Final = "nothing-seen"
"""The rule's id where no observation can have begun it."""

DECIDING: Final = (Role.OVERRIDES, Role.INITIATES, Role.TRACE, Role.SYMPTOM)
"""In order; a cascade decides nothing."""

_ORDER: Final = {rule.id: index for index, rule in enumerate(RULES)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    A cause, the rule that named it, and what it rests on.

    Args:
        cause: One of the closed set.
        rule: The id of the rule that decided.
        evidence: What it rests on, in words, each thing once.
        used: The same, as observed.
        dismissed: What was seen too, and judged to follow from it.
    """

    cause: Cause
    rule: str
    evidence: tuple[str, ...]
    used: tuple[Evidence, ...] = ()
    dismissed: tuple[Evidence, ...] = ()

    @property
    def by(self) -> str:
        """Return who did it, as the earliest observation that names a run says."""
        runs = (seen.by for seen in self.used if seen.by.startswith("run/"))
        return next(runs, "")


@dataclass(frozen=True, slots=True)
class _Sign:
    """One observation, the rule that judges it, and when it began at the latest."""

    rule: Rule
    seen: Evidence

    @property
    def began_ns(self) -> int:
        return self.seen.at_ns - self.rule.lag_ns

    @property
    def rank(self) -> tuple[int | str, ...]:
        """Sort the earliest first; ties go to the rule that stands first."""
        return self.began_ns, _ORDER[self.rule.id], *self.seen.key


def explain(
    end_ns: int, evidence: Iterable[Evidence], *, since_ns: int | None = None
) -> Verdict:
    """
    Name the cause of an interruption by the first event that could begin it.

    A declared window explains whatever ends inside it. Without one the earliest
    initiating event wins, however loud the cascade after it. Where none was seen,
    a trace of something outside the program gives ``OTHER`` rather than blaming
    the program; only then do symptoms speak. A cascade alone is ``UNKNOWN``: it
    would look the same whatever began it.

    Args:
        end_ns: When the first rank's incarnation ended.
        evidence: What was seen of the run, its pods, nodes and GPUs, in any order.
            What is about others must not be here: a rule does not look at subjects.
        since_ns: When the attempt began; older evidence explains older ends.
    """
    reaching, following = [], []
    for sign in sorted(_signs(evidence), key=lambda sign: sign.rank):
        if _reaches(sign, end_ns, since_ns):
            reaching.append(sign)
        elif _follows(sign, end_ns, since_ns):
            following.append(sign)
    for role in DECIDING:
        found = [sign for sign in reaching if sign.rule.role is role]
        if role is Role.TRACE:
            found = [sign for sign in found if not _came_after(sign, reaching)]
        if found:
            return _decide(found, reaching + following)
    return Verdict(Cause.UNKNOWN, NOTHING_SEEN, (), (), _seen(reaching + following))


def _came_after(trace: _Sign, reaching: list[_Sign]) -> bool:
    """
    Tell whether the program had failed by itself when a trace was left.

    Controllers delete pods within a second of their failure, and dates are whole
    seconds: what is no older than the failure follows from it.
    """
    own = [sign.began_ns for sign in reaching if sign.rule.is_own]
    if not trace.rule.may_follow or not own:
        return False
    return trace.began_ns >= min(own) - WHOLE_SECOND_NS


def _signs(evidence: Iterable[Evidence]) -> list[_Sign]:
    """Pair each observation with the first rule that matches; others are nothing."""
    seen = set(evidence)
    found = []
    for one in seen:
        rule = next((rule for rule in RULES if _holds(rule, one, seen)), None)
        if rule is not None:
            found.append(_Sign(rule, one))
    return found


def _holds(rule: Rule, one: Evidence, seen: set[Evidence]) -> bool:
    if not rule.matches(one):
        return False
    if rule.needs is None:
        return True
    kind, reason = rule.needs
    return any(other.kind is kind and other.reason == reason for other in seen)


def _reaches(sign: _Sign, end_ns: int, since_ns: int | None) -> bool:
    """Return whether a sign lies where it can explain an end at *end_ns*."""
    if sign.rule.role is Role.OVERRIDES:
        until_ns = sign.seen.until_ns
        return sign.seen.at_ns <= end_ns and (until_ns is None or end_ns < until_ns)
    # By its own date: how long after the fact it came at most, nobody knows.
    if since_ns is not None and sign.seen.at_ns < since_ns:
        return False
    earliest_ns = end_ns - sign.rule.before_ns
    return earliest_ns <= sign.began_ns <= end_ns + sign.rule.after_ns


def _follows(sign: _Sign, end_ns: int, since_ns: int | None) -> bool:
    """Return whether a sign that explains nothing is at least no older story."""
    if sign.rule.role is Role.CASCADE:
        return since_ns is None or sign.began_ns >= since_ns
    return sign.began_ns >= end_ns


def _decide(found: list[_Sign], after: list[_Sign]) -> Verdict:
    """Rest on every sign of the winning role that names the first one's cause."""
    first = found[0]
    used = _seen([sign for sign in found if sign.rule.cause is first.rule.cause])
    kept = set(used)
    dismissed = _seen([sign for sign in after if sign.seen not in kept])
    return Verdict(
        first.rule.cause,
        first.rule.id,
        _told_once(used),
        used,
        dismissed,
    )


def _told_once(used: tuple[Evidence, ...]) -> tuple[str, ...]:
    """
    Return what was seen in words, each thing once.

    NVML and the kernel's log both tell of an XID, and a pod's deletion is told
    when it is asked for and when it is done. What another source tells of the
    same place with more words, and the same words again, are left out.
    """
    at_length = {
        (seen.kind, seen.reason, seen.place): seen.source
        for seen in used
        if seen.detail
    }
    told = [
        seen.words
        for seen in used
        if seen.detail
        or at_length.get((seen.kind, seen.reason, seen.place), seen.source)
        == seen.source
    ]
    return tuple(dict.fromkeys(told))


def _seen(signs: list[_Sign]) -> tuple[Evidence, ...]:
    """Return what was observed, by date."""
    return tuple(sorted((sign.seen for sign in signs), key=lambda seen: seen.key))


@dataclass(frozen=True, slots=True)
class Ending:
    """
    What was seen of the first rank to end, where nothing but processes is watched.

    Args:
        stalled: The run had stopped making progress before.
        said_bye: The program said goodbye, and did not call it a normal end.
        exit_code: What it returned, or minus the signal; None unknown.
        detail: The observation, for people.
    """

    stalled: bool
    said_bye: bool
    exit_code: int | None
    detail: str


def evidence_of_end(seen: Ending, at_ns: int) -> list[Evidence]:
    """Return what the end of a process says of its cause, dated *at_ns*."""
    evidence = []
    if seen.stalled:
        evidence.append(Evidence(at_ns, Kind.STALL, "step"))
    if seen.exit_code is not None:
        # The kernel told a signal from a return, so 137 is a plain return here.
        code = seen.exit_code
        reason = f"signal {-code}" if code < 0 else f"exit {code}"
        evidence.append(Evidence(at_ns, Kind.PROCESS_EXIT, reason))
    if seen.said_bye:
        evidence.append(Evidence(at_ns, Kind.GOODBYE, "failed"))
    return evidence
