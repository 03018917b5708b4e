"""What a run's past lets expect, in sentences of a report."""

from __future__ import annotations

from goodput_exporter.analysis.exposure import Exposure
from goodput_exporter.analysis.histories import View
from goodput_exporter.analysis.records import NodeTime
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.report.drawing_up import sheet
from goodput_exporter.report.estimates import ettr_sentence
from goodput_exporter.report.markdown import markdown
from goodput_exporter.report.sheet import Sheet
from tests.fakes.bills import H100
from tests.fakes.epics import BEGINS_NS, DAY, HOUR, MINUTE, Epic, three_days

WINDOW = Span(BEGINS_NS, BEGINS_NS + 3 * DAY)
VIEW = View.SETTLED


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
    assert "Failures per 1,000 node-days, node node-7: 1666.7" in told
    assert "node node-1:" not in told
    assert "No node fails more often than chance explains" in few


def test_without_nodes_a_report_says_what_is_not_known() -> None:
    """An empty list would read as: all nodes are well."""
    told = markdown(report_of(three_days(), []))

    assert "suspect nodes are not known" in told
    assert "By whom is not known: 1 preemption of 1 run cost " in told


def test_failures_that_no_node_can_be_blamed_for_are_counted_beside() -> None:
    """Two of the six are on no known node, and one is before the book of nodes."""
    epic = three_days()
    nodes = (NodeTime("node-7", H100, 3 * DAY),)
    first_ns = epic.told().incidents(WINDOW, View.SETTLED).records[0].detected_ns
    known = Span(first_ns + 1, WINDOW.end_ns)
    told = markdown(report_on([epic], Exposure(nodes, {epic.key: known})))

    assert "nodes and GPU models: 3 failures on a node that nobody knows" in told
    assert "Left out of these figures: 1 interruption at a time" in told


def test_what_a_restart_cost_others_stands_with_the_failure() -> None:
    """Llama fails, comes back, and takes the place of qwen and of a third one."""
    llama = Epic().train(60).save().train(30).crash(Cause.GPU_ERROR, 60 * MINUTE)
    qwen, third = Epic("qwen", devices=4), Epic("third", devices=2)
    for other, wait in ((qwen, 110), (third, 120)):
        other.train(wait).crash(Cause.PREEMPTED, 40 * MINUTE, by=llama.key)
    for each in (llama, qwen, third):
        each.train(200)
    told = markdown(report_on([llama, qwen, third], Exposure()))

    lost = [
        sum(one.total_gpu_ns for one in each.told().incidents(WINDOW, VIEW).records)
        for each in (llama, qwen, third)
    ]
    own, others = f"{lost[0] / HOUR:.3f}", f"{(lost[1] + lost[2]) / HOUR:.3f}"
    assert f"Preempted by llama: 2 preemptions of 2 runs cost {others} GPU" in told
    assert "Secondary cost of llama #1: its restart preempted others" in told
    assert f"(2 interruptions), which cost {others} GPU-hours beside" in told
    assert f"its own {own}." in told


def report_of(epic: Epic, nodes: list[NodeTime]) -> Sheet:
    """Return the report on an epic's three days, all of them on these nodes."""
    known = {epic.key: WINDOW} if nodes else {}
    return report_on([epic], Exposure(tuple(nodes), known))


def report_on(epics: list[Epic], exposure: Exposure) -> Sheet:
    """Return the report on the three days of some runs."""
    runs = [(epic.told(), epic.account(WINDOW)) for epic in epics]
    return sheet(runs, subject="all", window=WINDOW, view=VIEW, exposure=exposure)
