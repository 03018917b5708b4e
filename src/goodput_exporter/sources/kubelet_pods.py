"""This node's pods, asked of its kubelet: names, addresses, and which are over."""

from __future__ import annotations

import logging
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from goodput_exporter.domain.allocations import PodName
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.sources.identity import PodLook
from goodput_exporter.sources.pod_directory import (
    ContainerRecord,
    PodDirectory,
    PodRecord,
)

LOG: Final = logging.getLogger(__name__)

MOST_BYTES: Final = 64 * 2**20
"""A node has at most some hundred pods, of some 10 KiB each."""
SOONEST_SECONDS: Final = 1.0
"""However many new senders there are, the kubelet is asked no more often."""
FINISHED: Final = frozenset({"Succeeded", "Failed"})


class Owner(msgspec.Struct, rename="camel"):
    """One of a pod's owners."""

    api_version: str = ""
    kind: str = ""
    controller: bool = False


class Metadata(msgspec.Struct):
    """Of a pod's metadata, as much as is used."""

    name: str
    namespace: str
    uid: str
    created: str | None = msgspec.field(name="creationTimestamp", default=None)
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    owners: list[Owner] = msgspec.field(name="ownerReferences", default_factory=list)


class Spec(msgspec.Struct, rename="camel"):
    """Of a pod's spec, as much as is used."""

    host_network: bool = False


class Address(msgspec.Struct):
    """One of a pod's addresses."""

    ip: str = ""


class Running(msgspec.Struct, rename="camel"):
    """A life of a container that goes on."""

    started_at: str


class Terminated(msgspec.Struct, rename="camel"):
    """A life of a container that is over."""

    started_at: str
    finished_at: str
    exit_code: int
    container_id: str = msgspec.field(name="containerID", default="")


class State(msgspec.Struct):
    """How a container stands; with neither it waits."""

    running: Running | None = None
    terminated: Terminated | None = None


class Standing(msgspec.Struct):
    """One container of a pod, now and in the life before."""

    name: str
    container_id: str = msgspec.field(name="containerID", default="")
    state: State = msgspec.field(default_factory=State)
    before: State = msgspec.field(name="lastState", default_factory=State)


class Status(msgspec.Struct):
    """Of a pod's status, as much as is used."""

    phase: str = ""
    address: str = msgspec.field(name="podIP", default="")
    addresses: list[Address] = msgspec.field(name="podIPs", default_factory=list)
    containers: list[msgspec.Raw] = msgspec.field(
        name="containerStatuses", default_factory=list
    )


class Pod(msgspec.Struct):
    """One pod."""

    metadata: Metadata
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)


class PodList(msgspec.Struct):
    """What the kubelet answers at ``/pods``; each pod is read by itself."""

    items: list[msgspec.Raw] | None = None


Fetch = Callable[[], bytes]
"""Returns the kubelet's answer, or raises ``SourceUnavailableError``."""


def records_of(body: bytes) -> list[PodRecord]:
    """
    Return the pods in an answer; one that cannot be read costs itself only.

    Raises:
        SourceUnavailableError: It is no list of pods.
    """
    try:
        listed = msgspec.json.decode(body, type=PodList)
    except msgspec.DecodeError as exc:
        msg = f"the kubelet's answer is no list of pods ({exc}); is it the kubelet's?"
        raise SourceUnavailableError(msg) from exc
    found = []
    for item in listed.items or ():
        try:
            found.append(_record(msgspec.json.decode(item, type=Pod)))
        except (msgspec.DecodeError, ValueError) as exc:
            LOG.debug("a pod of the kubelet's list cannot be read: %s", exc)
    return found


def _record(pod: Pod) -> PodRecord:
    said = [each.ip for each in pod.status.addresses] or [pod.status.address]
    meta = pod.metadata
    return PodRecord(
        PodName(meta.namespace, meta.name),
        meta.uid,
        tuple(address for address in said if address),
        uses_host_network=pod.spec.host_network,
        created_ns=None if meta.created is None else _ns(meta.created),
        is_finished=pod.status.phase in FINISHED,
        owner=next((_kind(one) for one in meta.owners if one.controller), None),
        stated={**meta.annotations, **meta.labels},
        containers=tuple(_lives(pod.status.containers)),
    )


def _kind(owner: Owner) -> tuple[str, str]:
    group, slash, _ = owner.api_version.partition("/")
    return (group if slash else "", owner.kind)


def _lives(standings: Iterable[msgspec.Raw]) -> Iterator[ContainerRecord]:
    """Yield lives of containers; one that cannot be read costs itself only."""
    for raw in standings:
        try:
            one = msgspec.json.decode(raw, type=Standing)
            lives = [_life(one, state) for state in (one.before, one.state)]
        except (msgspec.DecodeError, ValueError) as exc:
            LOG.debug("a container of the kubelet's list cannot be read: %s", exc)
            continue
        yield from (life for life in lives if life is not None)


def _life(one: Standing, state: State) -> ContainerRecord | None:
    if state.running is not None:
        started_ns = _ns(state.running.started_at)
        return ContainerRecord(one.name, _bare(one.container_id), started_ns)
    if state.terminated is not None:
        over = state.terminated
        return ContainerRecord(
            one.name,
            _bare(over.container_id),
            _ns(over.started_at),
            _ns(over.finished_at),
            over.exit_code,
        )
    return None


def _bare(container_id: str) -> str:
    """Return an id without its runtime's scheme, such as ``containerd://``."""
    return container_id.rpartition("/")[2]


def _ns(date: str) -> int:
    """Return nanoseconds since the epoch; Kubernetes dates to the second."""
    at = datetime.fromisoformat(date).astimezone(UTC)
    return int(at.timestamp()) * NS_PER_SECOND


class HttpKubelet:
    """
    Asks a kubelet over HTTP.

    Args:
        url: Such as ``https://10.0.0.1:10250/pods``.
        token_file: A bearer token, read again for each request; None sends none.
        ca_file: Who may have signed the kubelet's certificate; None is the system's.
        verify: Whether its certificate is looked at. Most kubelets sign their own.
        deadline_seconds: For the whole answer to begin.
    """

    def __init__(
        self,
        url: str,
        *,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        verify: bool = True,
        deadline_seconds: float = 5.0,
    ) -> None:
        self._url = url
        self._token_file = token_file
        self._deadline_seconds = deadline_seconds
        self._tls = ssl.create_default_context(
            cafile=None if ca_file is None else str(ca_file)
        )
        if not verify:
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE

    def __call__(self) -> bytes:
        """
        Return the answer.

        Raises:
            SourceUnavailableError: There is none.
        """
        try:
            headers = {}
            if self._token_file is not None:
                token = self._token_file.read_text(encoding="ascii").strip()
                headers["Authorization"] = f"Bearer {token}"
            asked = urllib.request.Request(self._url, headers=headers)  # noqa: S310  # the operator's own address
            with urllib.request.urlopen(  # noqa: S310  # the same
                asked, timeout=self._deadline_seconds, context=self._tls
            ) as answer:
                body: bytes = answer.read(MOST_BYTES + 1)
        except (OSError, ValueError) as exc:
            msg = (
                f"the kubelet does not tell its pods at {self._url} ({exc}); check the "
                "address, and that the token may get nodes/pods or nodes/proxy"
            )
            raise SourceUnavailableError(msg) from exc
        if len(body) > MOST_BYTES:
            msg = f"{self._url} answers more than {MOST_BYTES} bytes; is it a kubelet?"
            raise SourceUnavailableError(msg)
        return body


class KubeletPods:
    """
    Asks again and again in a thread; reading it never waits for a kubelet.

    Args:
        fetch: Asks the kubelet once.
        now_ns: The ledger's clock.
        interval_seconds: Between two answers, unless somebody new speaks.
    """

    def __init__(
        self, fetch: Fetch, now_ns: Callable[[], int], *, interval_seconds: float = 10.0
    ) -> None:
        self._fetch = fetch
        self._now_ns = now_ns
        self._interval_seconds = interval_seconds
        self._look = PodLook()
        self._wish = threading.Event()
        self._closing = threading.Event()
        self.trouble = ""
        self.look()
        self._thread = threading.Thread(target=self._keep, name="pods", daemon=True)
        self._thread.start()

    def read(self) -> PodLook:
        """Return the newest answer, at once."""
        return self._look

    def nudge(self) -> None:
        """Ask anew within a second."""
        self._wish.set()

    def look(self) -> None:
        """Ask once. The newest answer holds until there is a newer one."""
        # Dated before it is asked: what it does not know may be younger than that.
        asked_ns = self._now_ns()
        try:
            directory = PodDirectory(records_of(self._fetch()))
        except SourceUnavailableError as exc:
            if not self.trouble:
                LOG.warning("senders are not tied to pods now: %s", exc)
            self.trouble = str(exc)
            return
        if self.trouble:
            LOG.info("the kubelet tells its pods again")
        self.trouble = ""
        self._look = PodLook(directory, asked_ns)

    def close(self) -> None:
        """Stop asking, waiting 5 s at most for a question under way."""
        self._closing.set()
        self._wish.set()
        self._thread.join(timeout=5.0)

    def _keep(self) -> None:
        while not self._closing.wait(SOONEST_SECONDS):
            self._wish.wait(self._interval_seconds - SOONEST_SECONDS)
            self._wish.clear()
            if not self._closing.is_set():
                self.look()
