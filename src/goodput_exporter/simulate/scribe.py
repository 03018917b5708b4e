"""Writing down what a cluster shows: every change of an object, as the API gives it."""

from __future__ import annotations

from goodput_exporter.simulate.effort import Effort
from goodput_exporter.simulate.objects import (
    condition,
    job,
    jobset,
    node,
    queue_workload,
)
from goodput_exporter.simulate.pods import Pod, pod
from goodput_exporter.simulate.raw import Body, Raw, Verb, Via


class Scribe:
    """Everything that can be seen of a cluster, in no particular order."""

    def __init__(self) -> None:
        self.raws: list[Raw] = []

    def note(self, at_ns: int, body: Body, verb: Verb = Verb.MODIFIED) -> None:
        """Write down one change of one object."""
        self.raws.append(Raw(at_ns, Via.OBJECT, body, verb))

    def machine(self, at_ns: int, name: str, gpus: int, verb: Verb) -> None:
        """A node appears, is well again, or is gone."""
        self.note(at_ns, node(name, gpus), verb)

    def workload(
        self,
        effort: Effort,
        at_ns: int,
        verb: Verb,
        *,
        suspended: bool,
        conditions: list[Body] | None = None,
    ) -> None:
        """Write down the workload, and the job below it where there is one."""
        names, born_ns = effort.names, effort.created_ns
        rows = conditions or []
        if names.top == "JobSet":
            whole = jobset(names, born_ns, rows, suspended=suspended)
            self.note(at_ns, whole, verb)
        self.note(at_ns, job(names, born_ns, rows, suspended=suspended), verb)

    def children(self, effort: Effort, at_ns: int, verb: Verb) -> None:
        """The job below a JobSet goes, or comes, with a restart."""
        if effort.names.top == "JobSet":
            body = job(effort.names, effort.created_ns, [], suspended=False)
            self.note(at_ns, body, verb)

    def queue(
        self, effort: Effort, at_ns: int, conditions: list[Body], verb: Verb
    ) -> None:
        """Write down Kueue's view."""
        if effort.plan.is_queued:
            body = queue_workload(effort.names, effort.created_ns, conditions)
            self.note(at_ns, body, verb)

    def pod(
        self, effort: Effort, at_ns: int, one: Pod, verb: Verb = Verb.MODIFIED
    ) -> None:
        """Write down a pod as it is now."""
        self.note(at_ns, pod(effort.names, one), verb)


def admitted(at_ns: int) -> list[Body]:
    """Return Kueue's rows of a workload that may run."""
    return [
        condition("QuotaReserved", at_ns, "QuotaReserved", "Quota reserved"),
        condition("Admitted", at_ns, "Admitted", "The workload is admitted"),
    ]


def evicted(at_ns: int) -> list[Body]:
    """Return Kueue's rows of a workload whose quota another one gets."""
    said = "Preempted to accommodate a workload due to prioritization"
    return [
        condition("QuotaReserved", at_ns, "Pending", said, holds=False),
        condition("Admitted", at_ns, "NoReservation", said, holds=False),
        condition("Evicted", at_ns, "Preempted", said),
        condition("Preempted", at_ns, "InClusterQueue", said),
    ]
