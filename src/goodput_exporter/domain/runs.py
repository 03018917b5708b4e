"""Who is who: the identity of runs, attempts and incarnations."""

from __future__ import annotations

from dataclasses import dataclass

from goodput_exporter.domain.observations import RankReport


@dataclass(frozen=True, slots=True, order=True)
class RunKey:
    """
    One training effort across restarts.

    Args:
        cluster, namespace: Where it runs; ``"local"`` and ``"default"`` on one machine.
        run: The run id; never a bare name that another run may take later.
    """

    cluster: str
    namespace: str
    run: str

    def __str__(self) -> str:
        """Return the form used in URLs, logs and errors: ``cluster/namespace/run``."""
        return f"{self.cluster}/{self.namespace}/{self.run}"


def key_of(report: RankReport, *, cluster: str, namespace: str) -> RunKey:
    """
    Name the run of a heartbeat, by what its pod's owners or else its sender say.

    Without a run id two incarnations cannot be tied to one effort, so each
    becomes a run of its own and its name says why. A sender whose pod is known
    speaks within that pod's namespace, whatever run it names.
    """
    if report.pod is not None:
        namespace = report.pod.partition("/")[0]
    run = report.run_id or f"unnamed-{report.incarnation}"
    return RunKey(cluster, report.namespace or namespace, run)
