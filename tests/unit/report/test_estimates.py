"""What a run's past lets expect, in sentences of a report."""

from __future__ import annotations

from goodput_exporter.analysis.histories import View
from goodput_exporter.analysis.records import NodeTime
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.report.estimates import ettr_sentence
from goodput_exporter.report.markdown import markdown
from goodput_exporter.report.sheet import Sheet, sheet
from tests.fakes.bills import H100
from tests.fakes.epics import BEGINS_NS, DAY, MINUTE, Epic, three_days

WINDOW = Span(BEGINS_NS, BEGINS_NS + 3 * DAY)


def test_what_was_expected_stands_beside_what_was_realised() -> None:
    """The estimate is called one, and six interruptions are said to be few."""
    said = ettr_sentence(three_days().told(), WINDOW)

    assert said is not None
    assert said.startswith("llama: ")
    assert "an estimate without queueing" in said
    assert "was realised" in said
    assert said.endswith("Too few interruptions to rely on.")


def test_failures_that_meet_each_others_work_are_left_to_the_renewal_model() -> None:
    """The closed form would be far off, or below zero; the sentence says why."""
    epic = Epic().book(RunState.INITIALIZING, MINUTE)
    for _ in range(12):
        epic.train(50).save(MINUTE).train(20).crash(Cause.HANG, 60 * MINUTE)

    said = ettr_sentence(epic.train(30).told(), WINDOW)

    assert said is not None
    assert "By the renewal model, as failures are said to take" in said


def test_without_an_interruption_or_a_save_nothing_is_expected() -> None:
    """A missing input is not zero."""
    never_failed = Epic().train(50).save(MINUTE).train(50)
    never_saved = Epic().train(50).crash(Cause.HANG, MINUTE).train(90)

    assert ettr_sentence(never_failed.told(), WINDOW) is None
    assert ettr_sentence(never_saved.told(), WINDOW) is None


def test_a_node_that_fails_alone_is_suspect_and_healthy_ones_are_not() -> None:
    """Of fifty nodes one has every failure; with two of three it may be chance."""
    epic = Epic()
    for _ in range(5):
        evidence = "xid 79 on gpu/node-7/0000:04:00"
        epic.train(300).crash(Cause.GPU_ERROR, MINUTE, evidence=evidence)
    fleet = [NodeTime(f"node-{number}", H100, 3 * DAY) for number in range(50)]

    told = markdown(report_of(epic, fleet))
    few = markdown(report_of(three_days(), fleet[2:8:5]))

    assert "Suspect node node-7: 5 failures" in told
    assert told.count("Suspect node") == 1
    assert "No node fails more often than chance explains" in few


def test_without_nodes_and_preemptors_a_report_says_what_is_not_known() -> None:
    """An empty list would read as: all nodes are well, and nobody else paid."""
    told = markdown(report_of(three_days(), []))

    assert "suspect nodes are not known" in told
    assert "who preempted whom" in told


def report_of(epic: Epic, nodes: list[NodeTime]) -> Sheet:
    """Return the report on an epic's three days."""
    runs = [(epic.told(), epic.account(WINDOW))]
    return sheet(runs, subject="llama", window=WINDOW, view=View.SETTLED, nodes=nodes)
