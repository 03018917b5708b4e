"""One Lease of the cluster: who writes, and until when others believe it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.troubles import ApiError, Trouble

CONFLICT: Final = 409
ANSWER_S: Final = 5.0
"""A third of a lease: an answer that takes longer comes too late to be of use."""


@dataclass(frozen=True, slots=True)
class Lease:
    """
    What a Lease says.

    Args:
        holder: Who holds it; empty if it was let go.
        seconds: How long it holds after each renewal.
        renewed: When it was renewed, on its holder's clock: it changes with each
            renewal, and is compared with nothing else.
        acquired: When the holder became one, likewise.
        transitions: How often it has changed hands.
        version: The object's; empty for one that is not there yet.
    """

    holder: str = ""
    seconds: int = 0
    renewed: str = ""
    acquired: str = ""
    transitions: int = 0
    version: str = ""


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(msgspec.Struct, frozen=True):
    metadata: _Metadata
    spec: _Spec | None = None


class LeaseDoor:
    """
    Reads and writes one Lease; a write that comes second is refused.

    Args:
        server: Whom to ask.
        namespace, name: Which one.
        wall_ns: The wall clock, for the dates that people read.
    """

    def __init__(
        self, server: ApiServer, namespace: str, name: str, wall_ns: Callable[[], int]
    ) -> None:
        self._server = server
        self._place = namespace, name
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._wall_ns = wall_ns

    def now(self) -> str:
        """Return the present as a Lease writes it, in microseconds."""
        at = datetime.fromtimestamp(self._wall_ns() / 10**9, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def read(self) -> Lease:
        """
        Return the Lease; one without holder and version if there is none.

        Raises:
            ApiError: It cannot be read now.
        """
        try:
            path = f"{self._path}/{self._place[1]}"
            body = self._server.fetch(path, {}, ANSWER_S)
        except ApiError as error:
            if error.trouble is Trouble.ABSENT:
                return Lease()
            raise
        return _read(body)

    def write(self, lease: Lease) -> Lease | None:
        """
        Write a Lease in place of the version that it was read in.

        Returns:
            What is there now; None if somebody else was faster.

        Raises:
            ApiError: It cannot be written now; whether it was is not known.
        """
        method, path = "POST", self._path
        if lease.version:
            method, path = "PUT", f"{self._path}/{self._place[1]}"
        try:
            body = self._server.send(
                method, path, self._object(lease), silence_s=ANSWER_S
            )
        except ApiError as error:
            if error.status == CONFLICT:
                return None
            raise
        return _read(body)

    def _object(self, lease: Lease) -> dict[str, object]:
        namespace, name = self._place
        metadata = {"namespace": namespace, "name": name}
        if lease.version:
            metadata["resourceVersion"] = lease.version
        spec: dict[str, object] = {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": lease.seconds,
            "acquireTime": lease.acquired,
            "renewTime": lease.renewed,
            "leaseTransitions": lease.transitions,
        }
        kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        return {**kind, "metadata": metadata, "spec": spec}


def _read(body: bytes) -> Lease:
    try:
        found = msgspec.json.decode(body, type=_Lease)
    except (ValueError, RecursionError) as error:
        msg = f"no Lease to read ({error}): {body[:80]!r}"
        raise ApiError(Trouble.GARBLED, msg) from None
    spec = found.spec or _Spec()
    return Lease(
        spec.holder_identity or "",
        spec.lease_duration_seconds or 0,
        spec.renew_time or "",
        spec.acquire_time or "",
        spec.lease_transitions or 0,
        found.metadata.resource_version,
    )
