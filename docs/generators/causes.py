"""Renders docs/reference/causes.md from the rules that name causes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from goodput_exporter.domain.cause_rule import MINUTE_NS, Role, Rule
from goodput_exporter.domain.cause_rules import RULES
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Cause
from goodput_exporter.domain.xids import XIDS

HEAD: Final = """\
# How a cause is found

<!-- Generated from the code; run `make docs`, do not edit. -->

An interruption has one cause: the first event that could begin it. Every observation
is judged by the first rule below that matches it. The roles decide in this order, and
within a role the earliest observation, then the earlier rule:

1. `overrides`: a declared window explains whatever ends inside it.
2. `initiates`: it can begin an interruption.
3. `trace`: it proves that something outside the program began it, and names nobody.
   The cause is `other` (or `unknown` where a pod was deleted without a word), not the
   program's.
4. `symptom`: how it looked from inside; the word of last resort.
5. `cascade`: it follows whatever began, and decides nothing.

Nothing of the first four gives `unknown`, by the rule `nothing-seen`. A reason that no
rule knows gives `other`. What was seen and not used is kept as dismissed.

A rule reaches from so long before the first rank's end to so long after it. What is
dated late, such as a silent node, counts as that much older.

Two limits are known. A drain whose spot or scale-in notice was missed is
`node_maintenance`, if the node was cordoned too. The loss of a node of which nothing at
all was seen looks like a hang.

## Causes
"""


def render() -> str:
    """Return the whole page, its last newline included."""
    lines = [HEAD.rstrip("\n"), "", *_causes(), *_rules(), *_xids(), *_exits()]
    return "\n".join(lines) + "\n"


def _causes() -> Iterator[str]:
    yield "| cause | rules that name it |"
    yield "| --- | --- |"
    for cause in Cause:
        rules = [rule.id for rule in RULES if _names(rule, cause)]
        if cause is Cause.UNKNOWN:
            rules.append("nothing-seen")
        yield f"| `{cause}` | {', '.join(f'`{rule}`' for rule in rules)} |"
    yield ""


def _names(rule: Rule, cause: Cause) -> bool:
    return rule.cause is cause and rule.role is not Role.CASCADE


def _rules() -> Iterator[str]:
    yield "## Rules, in order\n"
    yield "| rule | role | cause | matches | before | after | why |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for rule in RULES:
        cause = "-" if rule.role is Role.CASCADE else f"`{rule.cause}`"
        before, after = _reach(rule)
        cells = (f"`{rule.id}`", rule.role, cause, _match(rule), before, after)
        yield f"| {' | '.join(cells)} | {rule.why} |"
    yield ""


def _match(rule: Rule) -> str:
    reasons = ", ".join(f"`{reason}`" for reason in rule.reasons)
    needs = f"; needs `{rule.needs[1]}`" if rule.needs else ""
    return f"{rule.kind.value}: {reasons}{needs}"


def _reach(rule: Rule) -> tuple[str, str]:
    if rule.role in {Role.OVERRIDES, Role.CASCADE}:
        return "-", "-"
    lag = f", dated {_words(rule.lag_ns)} late" if rule.lag_ns else ""
    return _words(rule.before_ns), _words(rule.after_ns) + lag


def _words(span_ns: int) -> str:
    if span_ns >= MINUTE_NS:
        return f"{span_ns // MINUTE_NS} min"
    return f"{span_ns // NS_PER_SECOND} s"


def _xids() -> Iterator[str]:
    yield "## XIDs\n"
    yield "A code that is not listed has the class `unknown`.\n"
    yield "| XID | class | meaning | NVIDIA's immediate action | ends work | source |"
    yield "| ---: | --- | --- | --- | --- | --- |"
    for row in sorted(XIDS, key=lambda row: row.code):
        ends = "yes" if row.ends_work else "no"
        cells = (str(row.code), f"`{row.xid_class}`", row.meaning, f"`{row.action}`")
        yield f"| {' | '.join(cells)} | {ends} | <{row.source}> |"
    yield ""


def _exits() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| seen | read as | alone it means |"
    yield "| --- | --- | --- |"
    for seen, read, means in (
        ("`OOMKilled`, any code", "`OOMKilled`", "`oom_killed`"),
        ("137", "`signal 9`", "nothing: whose SIGKILL it was is not told"),
        ("143", "`signal 15`", "nothing; in a pod that lives on `application_error`"),
        ("139, 134", "`signal 11`, `signal 6`", "`application_error`"),
        ("130", "`signal 2`", "of a process that is watched: `user`"),
        ("1 to 128, 193 to 255", "`exit N`", "`application_error`"),
    ):
        yield f"| {seen} | {read} | {means} |"
