"""
The agent of one node, top to bottom.

It sees every GPU and who holds it, and takes every heartbeat; it judges nothing, and
keeps no books. What it saw waits in a spool until the aggregator's ledger has it.
Nothing in here waits for a driver, a disk, a kubelet or a network: each of them has
a thread or a process of its own.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from typing import Final

from goodput_exporter.config import Settings
from goodput_exporter.domain.coalescing import coalesced
from goodput_exporter.domain.holdings import Attributed
from goodput_exporter.domain.inventory import Gpu, gpus_of
from goodput_exporter.domain.node_view import NodeView
from goodput_exporter.domain.observations import (
    Delivered,
    GpuInventory,
    GpuObservation,
    GpuSample,
    RunObservation,
)
from goodput_exporter.domain.snapshot import ExporterHealth, Snapshot
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.exposition.agent_app import Doors, Verdict, agent_app
from goodput_exporter.exposition.families import OF_AN_AGENT
from goodput_exporter.exposition.render import MetricsPage
from goodput_exporter.services.acquaintances import Acquaintances
from goodput_exporter.services.agent_parts import (
    health_of,
    host_of,
    kubelet_of,
    onlooker_of,
    pods_of,
    pushing_of,
)
from goodput_exporter.services.agent_views import (
    attribution_view,
    push_view,
    reader_view,
    readiness,
    said_of_guessing,
    suspects,
)
from goodput_exporter.services.from_settings import (
    CLOCK,
    clock_from,
    clock_note,
    tokens_of,
    write_audit,
)
from goodput_exporter.services.lifecycle import Pace, Ticker, serve
from goodput_exporter.services.node_news import NodeNews
from goodput_exporter.services.node_parts import nvml_of, udp_of
from goodput_exporter.services.notes import Notes
from goodput_exporter.services.own_health import of_ticks, with_senses
from goodput_exporter.services.reader_tokens import agent_readers
from goodput_exporter.services.tls import certificate_of
from goodput_exporter.services.witness import Witness
from goodput_exporter.sources.heartbeats import HeartbeatSource
from goodput_exporter.sources.podresources.attributor import Attributor
from goodput_exporter.wire.kinds import Observation

_log = logging.getLogger(__name__)

UNDER_WAY_NS: Final = NS_PER_SECOND
"""A datagram is dated when it was sent; one sent earlier than this has been read."""
STILL_NS: Final = 30 * NS_PER_SECOND
"""A tick waits for nothing; one that is older than this will not come any more."""
LEFT_BY_ITSELF: Final = 1
"""The exit status of an agent that wants its container made anew."""
COUNT_NS: Final = 10 * NS_PER_SECOND
"""How often the PCI bus is listed: some hundred files."""


def main(settings: Settings) -> int:
    """
    Run until SIGTERM or SIGINT.

    Returns:
        0, or 1 where it ended itself for a new container: a pod's status then says
        why it was restarted, and a supervisor that restarts failures only does so.
    """
    agent = Agent(settings)
    try:
        agent.serve()
    finally:
        agent.close()
    return LEFT_BY_ITSELF if agent.is_leaving else 0


class Agent:
    """
    The parts of an agent, and the tick that moves them.

    Args:
        settings: As checked by ``config``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._node = settings.identity.node
        self._notes = Notes(settings.agent.folder)
        self._clock = clock = clock_from(self._notes.kept)
        self._tokens = tokens_of(settings.http.tokens_file)
        self._readers = agent_readers(settings)
        self._pushing = pushing_of(settings, clock)
        self._pods = pods_of(settings, clock)
        self._heartbeats = HeartbeatSource(
            clock,
            unix_path=settings.heartbeats.unix_path,
            udp=udp_of(settings),
            pods=self._pods,
        )
        self._nvml = nvml_of(settings, clock, host_of(settings))
        self._kubelet = kubelet_of(settings, clock)
        self._attributor = Attributor()
        self._gpus: tuple[Gpu, ...] = ()
        self._inventory: GpuInventory | None = None
        self._counted_ns = 0
        self._news = NodeNews()
        self._witness = Witness(settings)
        self._around = health_of(settings, clock, self._notes.kept, self._pods)
        self._onlooker = onlooker_of(settings)
        self._known = Acquaintances(self._heartbeats)
        self._page = MetricsPage(OF_AN_AGENT)
        self._started_ns = clock.now_ns()
        self._latest: Snapshot | None = None
        self._shown: Snapshot | None = None
        self.is_leaving = False
        self._push(self._known.resume(self._notes.kept, self._started_ns))
        self._ticker = Ticker(self._tick, settings.books.tick_seconds)

    def serve(self) -> None:
        """Answer requests until told to stop."""
        doors = Doors(
            metrics=lambda: self._rendered().latest(),
            metrics_gzip=lambda: self._rendered().latest_gzip(),
            alive=self._alive,
            ready=self._ready,
            capabilities=self._capabilities,
            release=lambda: self._nvml is None or self._nvml.release(),
            resume=lambda: None if self._nvml is None else self._nvml.resume(),
        )
        app = agent_app(
            doors, tokens=self._tokens, audit=write_audit, may_read=self._readers
        )
        if self._pushing is not None:
            self._pushing.start()
        self._around.start()
        self._ticker.start()
        http = self._settings.http
        serve(
            app,
            http.host,
            http.port,
            ready=self._announce,
            certificate=certificate_of(http),
        )

    def close(self) -> None:
        """Take what is still queued, push it or spool it, and let go of everything."""
        self._ticker.stop()
        self._heartbeats.close()
        self._hear()
        self._keep_notes()
        for part in (
            self._pushing,
            self._around,
            self._kubelet,
            self._pods,
            self._nvml,
        ):
            if part is not None:
                part.close()
        _log.info("stopped; what was not delivered waits in the spool")

    def _announce(self, address: str) -> None:
        _log.info("listening", extra={"page": address, "metrics": f"{address}metrics"})
        _log.info(
            "taking heartbeats",
            extra={
                "unix": str(self._settings.heartbeats.unix_path),
                "udp": str(self._heartbeats.udp_address),
                "aggregator": self._settings.push.url,
            },
        )

    def _tick(self, pace: Pace) -> None:
        self._hear()
        now_ns = self._clock.now_ns()
        gpus = () if self._nvml is None else tuple(self._nvml.read())
        xids = () if self._nvml is None else self._nvml.xids()
        self._count(now_ns)
        held = self._attribute(gpus, now_ns)
        self._push(self._news.of(gpus, xids, self._inventory, now_ns))
        self._push(self._witness.drain(gpus, xids, now_ns))
        if self._kubelet is not None:
            self._push(self._news.of_holders(held, now_ns))
        self._look_around(gpus, held, now_ns)
        self._keep_notes()
        look = None if self._kubelet is None else self._kubelet.read()
        snapshot = Snapshot(
            at_ns=now_ns,
            node=self._node,
            runs=(),
            gpus=gpus,
            health=self._health(pace),
            node_view=NodeView(
                xids=xids,
                inventory=self._inventory,
                reader=reader_view(self._nvml),
                attribution=attribution_view(self._attributor, look, held),
                push=push_view(self._pushing),
                inference=None if self._onlooker is None else self._onlooker.view(),
                kernel_log=self._around.view(),
            ),
        )
        self._latest = snapshot
        self._leave_if_revoked()

    def _hear(self) -> None:
        """Take what ranks said, and vouch for everything before that was read."""
        asked_ns = self._clock.now_ns()
        seen: list[RunObservation] = coalesced(self._heartbeats.drain())
        self._known.meet(seen)
        if self._onlooker is not None:
            self._onlooker.hear(seen, asked_ns)
        self._push([*seen, Delivered(self._node, asked_ns - UNDER_WAY_NS)])

    def _look_around(
        self, gpus: Sequence[GpuObservation], held: Attributed | None, now_ns: int
    ) -> None:
        """Take what the node tells of itself, and guess at who tells nothing."""
        answering = [gpu for gpu in gpus if isinstance(gpu, GpuSample)]
        self._push(self._around.drain(answering))
        if self._onlooker is not None and self._pods is not None:
            directory = self._pods.read().directory
            self._push(self._onlooker.look(held, directory, answering, now_ns))

    def _keep_notes(self) -> None:
        clock = {CLOCK: clock_note(self._clock)}
        self._notes.keep({**clock, **self._known.notes(), **self._around.notes()})

    def _push(self, seen: Sequence[Observation]) -> None:
        if self._pushing is not None:
            self._pushing.take(seen)

    def _count(self, now_ns: int) -> None:
        """Look which GPUs there should be; the bus changes seldom."""
        is_due = now_ns - self._counted_ns >= COUNT_NS
        if self._nvml is not None and (is_due or self._inventory is None):
            self._inventory, self._counted_ns = self._nvml.inventory(), now_ns

    def _attribute(
        self, seen: tuple[GpuObservation, ...], now_ns: int
    ) -> Attributed | None:
        if self._kubelet is None:
            return None
        self._gpus = gpus_of(seen, self._gpus)
        look = self._kubelet.read()
        if self._pods is None:
            return self._attributor.tick(look, now_ns, self._gpus)
        facts_of = self._pods.read().directory.facts
        return self._attributor.tick(look, now_ns, self._gpus, facts_of)

    def _health(self, pace: Pace) -> ExporterHealth:
        own = of_ticks(self._started_ns, pace, self._clock)
        return with_senses(own, self._heartbeats, self._witness, self._nvml)

    def _rendered(self) -> MetricsPage:
        """
        Return the page of the last tick, rendered when it is first asked for.

        Most ticks are scraped by nobody, and a page of them is half their cost.
        """
        latest = self._latest
        if latest is not None and latest is not self._shown:
            self._page.render(latest)
            self._shown = latest
        return self._page

    def _alive(self) -> Verdict:
        latest = self._latest
        last_ns = self._started_ns if latest is None else latest.at_ns
        age_ns = self._clock.now_ns() - last_ns
        if age_ns < STILL_NS:
            return Verdict(is_well=True)
        detail = f"the last tick was {age_ns / NS_PER_SECOND:.0f} s ago"
        return Verdict(is_well=False, detail=detail)

    def _ready(self) -> Verdict:
        if self._latest is None:
            return Verdict(is_well=False, detail="there has been no tick yet")
        view = self._latest.node_view
        return readiness(view.reader, view.inventory)

    def _capabilities(self) -> object:
        """Say how GPUs, their holders and senders are known on this node."""
        look = None if self._kubelet is None else self._kubelet.read()
        return {
            "node": self._node,
            "nvml": None if self._nvml is None else self._nvml.capabilities(),
            "nvml_state": None if self._nvml is None else self._nvml.state()[1],
            "nvml_outage": None if self._nvml is None else self._nvml.outage(),
            "holders": "not asked" if look is None else look.detail,
            "senders": self._senders(),
            "hang_suspects": suspects(self._onlooker),
            "kernel_log": self._around.why_off() or "read",
            "inference": said_of_guessing(self._onlooker, self._clock.now_ns()),
            "unix": str(self._settings.heartbeats.unix_path),
            "udp": self._heartbeats.udp_address,
            "aggregator": self._settings.push.url,
        }

    def _senders(self) -> str:
        if self._pods is None:
            return "by the kernel's pid on the Unix socket; kubelet.pods_url is not set"
        known = self._pods.trouble or "the kubelet tells the node's pods"
        return f"by cgroup on the Unix socket, by address over UDP; {known}"

    def _leave_if_revoked(self) -> None:
        """Ask for a new container, once, when this one lost its GPUs' devices."""
        why = None if self._nvml is None else self._nvml.wants_exit()
        if why is None or self.is_leaving:
            return
        self.is_leaving = True
        _log.error("leaving, so that this container is made anew: %s", why)
        os.kill(os.getpid(), signal.SIGTERM)
