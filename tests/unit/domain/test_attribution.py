"""The ordered rules that name a cause; the first that holds decides."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.attribution import (
    RULES,
    Ending,
    Verdict,
    evidence_of_end,
    explain,
)
from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.states import Cause


def ending(code: int | None, *, stalled: bool, said_bye: bool) -> Ending:
    """Return what was seen of an end, with a remark."""
    return Ending(stalled, said_bye, code, "x")


def attribute(seen: Ending) -> Verdict:
    """Name the cause of an end of which only the process itself was seen."""
    return explain(7, evidence_of_end(seen, 7))


def test_every_rule_has_an_id_of_its_own() -> None:
    """Entries keep it, so it must tell rules apart."""
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("signal", [4, 6, 7, 8, 11])
def test_a_signal_that_a_program_raises_is_its_own_error(signal: int) -> None:
    """Illegal instruction, abort, bus error, arithmetic, segmentation."""
    verdict = attribute(ending(-signal, stalled=False, said_bye=False))

    assert (verdict.cause, verdict.rule) == (Cause.APPLICATION_ERROR, "crash-signal")


@pytest.mark.parametrize("signal", [1, 3, 5, 9, 10, 12])
def test_other_signals_name_no_cause(signal: int) -> None:
    """Who sent them nobody saw."""
    verdict = attribute(ending(-signal, stalled=False, said_bye=False))

    assert (verdict.cause, verdict.rule) == (Cause.UNKNOWN, "nothing-seen")


@pytest.mark.parametrize(
    ("seen", "cause", "rule"),
    [
        (ending(1, stalled=True, said_bye=True), Cause.HANG, "stalled-before-the-end"),
        (
            ending(-2, stalled=True, said_bye=False),
            Cause.HANG,
            "stalled-before-the-end",
        ),
        (ending(-2, stalled=False, said_bye=True), Cause.USER, "interrupted-by-hand"),
        (
            ending(-15, stalled=False, said_bye=True),
            Cause.APPLICATION_ERROR,
            "terminated",
        ),
        (ending(3, stalled=False, said_bye=True), Cause.APPLICATION_ERROR, "exit-code"),
        (
            ending(None, stalled=False, said_bye=True),
            Cause.APPLICATION_ERROR,
            "program-said-so",
        ),
        (
            ending(0, stalled=False, said_bye=True),
            Cause.APPLICATION_ERROR,
            "program-said-so",
        ),
        (ending(0, stalled=False, said_bye=False), Cause.UNKNOWN, "nothing-seen"),
        (
            ending(4, stalled=False, said_bye=False),
            Cause.APPLICATION_ERROR,
            "exit-code",
        ),
    ],
)
def test_the_first_rule_that_holds_decides(
    seen: Ending, cause: Cause, rule: str
) -> None:
    """A hang explains the kill, and the kernel's word the program's."""
    verdict = attribute(seen)

    assert (verdict.cause, verdict.rule) == (cause, rule)


def test_an_xid_that_two_sources_heard_is_told_once() -> None:
    """The kernel's line says more than NVML's number; both GPUs stay."""
    end_ns = 60_000_000_000
    line = "NVRM: Xid (PCI:0000:04:00): 79, GPU has fallen off the bus."
    kernel = Evidence(end_ns, Kind.XID, "79", "gpu/n1/0000:04:00", "kernel", line)
    other = Evidence(end_ns, Kind.XID, "79", "gpu/n1/0000:05:00", "kernel", line)
    nvml = Evidence(end_ns - 1, Kind.XID, "79", "gpu/n1/GPU-1", "nvml")

    verdict = explain(end_ns, [kernel, nvml, other])

    assert verdict.evidence == (kernel.words, other.words)
    assert set(verdict.used) == {kernel, other, nvml}
    assert explain(end_ns, [nvml]).evidence == (nvml.words,)
    assert explain(end_ns, [kernel]).cause is verdict.cause


def test_a_deletion_that_is_asked_for_and_done_is_told_once() -> None:
    """Two versions of one pod say the same words; containers are two things."""
    end_ns = 60_000_000_000
    pod = "pod/ml/llama-0"
    asked = Evidence(end_ns - 5, Kind.POD_DELETED, "deleted", pod, "kubernetes")
    done = Evidence(end_ns, Kind.POD_DELETED, "deleted", pod, "kubernetes")
    other = Evidence(end_ns, Kind.POD_DELETED, "deleted", pod + "x", "kubernetes")

    verdict = explain(end_ns, [asked, done, other])

    assert verdict.evidence == (asked.words, other.words)
    assert verdict.used == (asked, done, other)
