"""Aggregators as processes, a cluster on loopback, and a node's agent that pushes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from goodput_exporter.domain.observations import RankExited, RankReport
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase
from goodput_exporter.services.courier import HttpCourier, Reply
from goodput_exporter.wire.answers import decode_answer
from goodput_exporter.wire.frames import encode_frame
from goodput_exporter.wire.kinds import Observation
from tests.fakes.cluster import BEGIN, Raw
from tests.fakes.kube_server import KubeServer
from tests.fakes.station import Station, until

PATHS: Final = {
    "Pod": "/api/v1/pods",
    "Node": "/api/v1/nodes",
    "Event": "/api/v1/events",
    "Job": "/apis/batch/v1/jobs",
    "StatefulSet": "/apis/apps/v1/statefulsets",
}
WITHIN_S: Final = 30.0
DATE: Final = re.compile(r"2026-03-01T\d\d:\d\d:\d\dZ")


class Cluster:
    """
    A cluster whose objects are told as in ``tests.fakes.cluster``, but lately.

    Args:
        server: The API server.
        ago_s: How long ago second 0 of its story was.
    """

    def __init__(self, server: KubeServer, ago_s: int = 60) -> None:
        self.server = server
        self._later_s = round(time.time() - BEGIN.timestamp()) - ago_s
        for kind, path in PATHS.items():
            server.install(path, kind)

    def see(self, *raws: Raw) -> None:
        """Make objects, or change them."""
        for raw in raws:
            self.server.put(PATHS[raw["kind"]], self._lately(raw))

    def gone(self, raw: Raw) -> None:
        """Delete an object."""
        self.server.delete(PATHS[raw["kind"]], raw["metadata"]["uid"])

    def _lately(self, value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
        if isinstance(value, dict):
            return {name: self._lately(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._lately(each) for each in value]
        if isinstance(value, str) and DATE.fullmatch(value):
            then_s = datetime.fromisoformat(value).timestamp() + self._later_s
            return datetime.fromtimestamp(then_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return value


class Agent:
    """
    One rank on one node, and the agent that pushes what it says.

    Args:
        node: The one it says that it is on.
        pod: The uid of the rank's pod.
        run_id: What the rank calls its run.
        token: File with the agent's token.
    """

    def __init__(
        self,
        node: str,
        pod: str | None,
        run_id: str | None = None,
        token: Path | None = None,
    ) -> None:
        self._node, self._pod, self._run_id = node, pod, run_id
        self._token = token
        self._sequence = self._step = 0
        self._began_ns = time.time_ns()
        self._name = sha256(f"{node}/{pod}".encode()).hexdigest()[:16]

    def push(self, url: str, *, steps: int = 0, ends: bool = False) -> Reply:
        """Push what the rank says after more steps, and at its end."""
        self._step += steps
        seen: list[Observation] = [self._report()]
        if ends:
            seen.append(RankExited(self._name, time.time_ns(), 0))
        return self.send(url, self.packed(seen))

    def packed(self, seen: list[Observation]) -> bytes:
        """Return anything as the agent's next batch."""
        self._sequence += 1
        return encode_frame(
            seen,
            agent="agent",
            node=self._node,
            epoch="e1",
            sequence=self._sequence,
            made_ns=time.time_ns(),
            offset_ns=0,
        )

    def send(self, url: str, frame: bytes) -> Reply:
        """Push bytes as they are."""
        courier = HttpCourier(url, time.time_ns, token_file=self._token)
        try:
            return courier.post(frame, {})
        finally:
            courier.close()

    def _report(self) -> RankReport:
        now_ns = time.time_ns()
        up_ns = now_ns - self._began_ns
        init_ns = min(up_ns, NS_PER_SECOND // 10)
        return RankReport(
            incarnation=self._name,
            seq=self._sequence + 1,
            at_ns=now_ns,
            up_ns=up_ns,
            phase=Phase.TRAIN_STEP,
            phase_age_ns=0,
            cum_ns={Phase.INIT: init_ns, Phase.TRAIN_STEP: up_ns - init_ns},
            run_id=self._run_id,
            rank=0,
            world_size=1,
            step=self._step or None,
            step_age_ns=0 if self._step else None,
            steps_done=self._step,
            pod=self._pod,
        )


def fates(reply: Reply) -> list[str]:
    """Return what became of the batches of a push that was taken."""
    assert reply.status == 200, (reply.status, reply.body)
    return [each.fate for each in decode_answer(reply.body).outcomes]


@contextmanager
def replicas(
    folder: Path, url: str, *names: str, **settings: str
) -> Iterator[list[Station]]:
    """
    Give aggregators on one ledger that are not started yet; they are gone afterwards.

    Args:
        folder: Where the ledger and a folder for each are.
        url: Of the API server that they follow.
        names: Their pods'; with more than one they stand for a Lease.
        settings: Changes, by the name behind ``GOODPUT_EXPORTER_``.
    """
    with ExitStack() as stack:
        found: list[Station] = []
        for name in names:
            own = folder / name
            own.mkdir()
            given = {
                "KUBERNETES_SERVER": url,
                "LEDGER_PATH": str(folder / "ledger.sqlite"),
                "IDENTITY_NODE": name,
                "IDENTITY_CLUSTER": "c1",
            }
            if len(names) > 1:
                given |= {
                    "AGGREGATOR_LEASE": "goodput",
                    "AGGREGATOR_LEASE_SECONDS": "2",
                    "AGGREGATOR_POD": name,
                    "AGGREGATOR_NAMESPACE": "goodput",
                }
            one = Station(own, own, given | settings)
            one.command = "aggregator"
            stack.callback(one.close)
            found.append(one)
        yield found


def is_in(one: Station, state: str, run: str = "train") -> bool:
    """Tell whether a run is in a state now."""
    return one.page().one("goodput_run_state", run=run, state=state) == 1


def becomes(one: Station, state: str, run: str = "train") -> None:
    """Wait until a run is in a state."""
    until(lambda: is_in(one, state, run), f"{run} is {state}", within_s=WITHIN_S)


def appears(one: Station, run: str = "train") -> None:
    """Wait until a run is known."""
    until(lambda: one.page().sum("goodput_run_state", run=run), run, within_s=WITHIN_S)


def steps(agent: Agent, one: Station, run: str = "train") -> None:
    """Push steps until the run is known to make them."""

    def is_seen() -> bool:
        agent.push(one.url, steps=1)
        return is_in(one, "productive", run)

    until(is_seen, f"{run} steps", within_s=WITHIN_S)


def booked_s(one: Station, run: str = "train") -> float:
    """Return what is sealed of a run, in device seconds."""
    return one.page().sum("goodput_run_gpu_seconds_total", run=run)


def leader_of(all_of_them: list[Station]) -> Station:
    """Wait until one leads and answers; return it."""

    def found() -> Station | None:
        leading = [one for one in all_of_them if one.page().one("goodput_leader") == 1]
        return leading[0] if len(leading) == 1 else None

    return until(found, "a leader", within_s=WITHIN_S)


def fates_or_nothing(agent: Agent, one: Station, frame: bytes) -> list[str]:
    """Send a batch; nothing while nobody takes it."""
    reply = agent.send(one.url, frame)
    return fates(reply) if reply.status == 200 else []
