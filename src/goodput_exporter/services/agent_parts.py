"""The parts of an agent, made of settings."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from goodput_exporter.clock import LedgerClock
from goodput_exporter.config import Settings
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import ConfigError
from goodput_exporter.ledger.spool.figures import Bounds
from goodput_exporter.ledger.spool.spool import Spool
from goodput_exporter.services.courier import HttpCourier
from goodput_exporter.services.node_health import NodeHealth
from goodput_exporter.services.onlooker import Onlooker
from goodput_exporter.services.push import STOP_SECONDS, Pusher, PushThread
from goodput_exporter.services.sharing import Share, urls_of
from goodput_exporter.sources.cgroup_usage import CgroupUsage
from goodput_exporter.sources.identity import Pods
from goodput_exporter.sources.kubelet_pods import HttpKubelet, KubeletPods
from goodput_exporter.sources.nvml.host import Host
from goodput_exporter.sources.podresources.socket_paths import roots
from goodput_exporter.sources.podresources.source import Looker, PodResourcesSource
from goodput_exporter.wire.kinds import Observation

KIBIBYTE = 2**10
MEBIBYTE = 2**20
HOUR_NS = 3600 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Way:
    """
    The way to one shard.

    Args:
        share: What of a node's news goes there.
        pusher: Seals and sends it. *spool*: where it waits. *thread*: does both.
    """

    share: Share
    pusher: Pusher
    spool: Spool
    thread: PushThread


@dataclass(frozen=True, slots=True)
class Pushing:
    """
    The way to the aggregator: one per shard, and none waits for another.

    Args:
        ways: In the order of the shards.
    """

    ways: tuple[Way, ...]

    def start(self) -> None:
        """Begin to send."""
        for way in self.ways:
            way.thread.start()

    def take(self, seen: Sequence[Observation]) -> None:
        """Take what sources saw; never waits."""
        for way in self.ways:
            way.pusher.take(way.share.of(seen))

    def close(self) -> None:
        """Push once more, spool what is left, and let go of the folders."""
        for way in self.ways:
            way.thread.ask_to_stop()
        ends_s = time.monotonic() + STOP_SECONDS
        for way in self.ways:
            way.thread.stop(max(0.0, ends_s - time.monotonic()))
            way.spool.close()


def pushing_of(settings: Settings, clock: LedgerClock) -> Pushing | None:
    """
    Open the way to the aggregator; None where there is none.

    Raises:
        ConfigError: Its address or its certificate is none.
    """
    wanted = settings.push
    if wanted.url is None:
        return None
    urls = urls_of(wanted.url, wanted.shards)
    return Pushing(tuple(_way(settings, clock, *each) for each in enumerate(urls)))


def _way(settings: Settings, clock: LedgerClock, index: int, url: str) -> Way:
    wanted = settings.push
    courier = HttpCourier(
        url,
        clock.now_ns,
        token_file=wanted.token_file,
        tls=_tls(wanted.ca_file),
    )
    bounds = Bounds(
        disk_bytes=wanted.spool_mebibytes * MEBIBYTE,
        age_ns=round(wanted.spool_hours * HOUR_NS),
        memory_bytes=wanted.memory_kibibytes * KIBIBYTE // wanted.shards,
    )
    spool = Spool(settings.agent.folder / spool_name(index), bounds)
    # An agent is called as its node is: the aggregator waits for nodes.
    node = settings.identity.node
    pusher = Pusher(
        courier,
        spool,
        agent=node,
        node=node,
        now_ns=clock.now_ns,
        chance=random.random,
        every_seconds=wanted.every_seconds,
    )
    return Way(Share(index), pusher, spool, PushThread(pusher))


def spool_name(index: int) -> str:
    """Return the folder of what waits for a shard."""
    return f"spool-{index}" if index else "spool"


def _tls(ca_file: Path | None) -> ssl.SSLContext | None:
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as exc:
        msg = f"push.ca_file: {ca_file} cannot be read ({exc}); check path and rights"
        raise ConfigError(msg) from exc


def host_of(settings: Settings) -> Host:
    """Return the doors to the machine, with what is remembered over a restart."""
    folder = settings.agent.folder
    return Host(
        memory=folder / "gpus.json",
        marker=folder / "revoked.json",
        linked_dev=settings.agent.linked_dev,
    )


def kubelet_of(settings: Settings, clock: LedgerClock) -> PodResourcesSource | None:
    """Ask the kubelet who holds which GPU, unless the settings say not to."""
    wanted = settings.kubelet
    if wanted.enabled == "no":
        return None
    looker = Looker(clock.now_ns, roots(wanted.root))
    return PodResourcesSource(looker, interval_seconds=wanted.interval_seconds)


def onlooker_of(settings: Settings) -> Onlooker | None:
    """
    Guess at pods that report nothing, unless the settings say not to.

    Without the kubelet nobody knows who holds a GPU, and without its list of pods
    nobody knows which container that is.
    """
    wanted, kubelet = settings.inference, settings.kubelet
    if wanted.enabled == "no" or kubelet.enabled == "no" or kubelet.pods_url is None:
        return None
    return Onlooker(CgroupUsage(wanted.cgroup_folder, wanted.proc_folder))


def health_of(
    settings: Settings, clock: LedgerClock, notes: Mapping[str, str], pods: Pods | None
) -> NodeHealth:
    """Read the node's kernel log, links and clocks."""

    def pod_of(uid: str) -> str | None:
        found = None if pods is None else pods.read().directory.by_uid(uid)
        return None if found is None else "/".join(found.name)

    return NodeHealth(
        clock,
        settings.identity.node,
        kernel_log=settings.evidence.kernel_log,
        links_folder=settings.evidence.links_folder,
        notes=notes,
        pod_of=pod_of,
    )


def pods_of(settings: Settings, clock: LedgerClock) -> KubeletPods | None:
    """
    Ask the kubelet for the node's pods, where the settings say how.

    Raises:
        ConfigError: The file of authorities cannot be read.
    """
    wanted = settings.kubelet
    if wanted.pods_url is None:
        return None
    try:
        fetch = HttpKubelet(
            wanted.pods_url,
            token_file=wanted.pods_token_file,
            ca_file=wanted.pods_ca_file,
            verify=wanted.pods_certificate == "verified",
        )
    except OSError as exc:
        msg = f"kubelet.pods_ca_file: {wanted.pods_ca_file} cannot be read ({exc})"
        raise ConfigError(msg) from exc
    return KubeletPods(fetch, clock.now_ns)
