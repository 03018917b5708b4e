"""
One kubelet over its Unix socket: the only door to gRPC and protobuf.

gRPC's own library, not one of ours: imported and used it costs 16 MiB of
resident memory and 33 ms, a look at 110 pods 2 ms of CPU (an HTTP/2 library
with protobuf alone would cost 6 MiB, and leave gRPC's flow control, timeouts and
status codes to us). So ``source.py`` loads this module when it has found a socket.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import grpc
from google.protobuf.message import Message

from goodput_exporter.domain.allocations import (
    GPU_RESOURCE,
    Allocation,
    PodName,
)
from goodput_exporter.sources.podresources import pod_resources_pb2 as api
from goodput_exporter.sources.podresources.listing import (
    KubeletError,
    Listing,
    Trouble,
)

SERVICE: Final = "/v1.PodResourcesLister/"
MOST_BYTES: Final = 16 * 1024 * 1024
"""kubectl's limit for this API too; 110 pods take some 20 KiB."""

OPTIONS: Final = (
    ("grpc.max_receive_message_length", MOST_BYTES),
    # Our socket is a file: no proxy, no name to look up, no tracing of channels.
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_channelz", 0),
)
FORBIDDEN: Final = frozenset(
    {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}
)

Answer = TypeVar("Answer", bound=Message)


class KubeletClient:
    """
    Asks one kubelet; every call opens a connection of its own.

    A kept channel would go on knocking at a kubelet that restarts, by its own
    back-off; we have ours, and ask every few seconds only.

    Args:
        path: The socket.
        deadline_seconds: How long one call may take.
    """

    def __init__(self, path: Path, deadline_seconds: float) -> None:
        self._path = path
        self._deadline_seconds = deadline_seconds
        self._has_allocatable = True

    def listing(self) -> Listing:
        """
        Return what the kubelet says its containers were given.

        Raises:
            KubeletError: It cannot be asked now.
        """
        self._knock()
        with grpc.insecure_channel(f"unix:{self._path}", options=OPTIONS) as channel:
            listed = self._call(channel, "List", api.ListPodResourcesResponse)
            return Listing(
                tuple(_allocations(listed)),
                self._allocatable(channel) if self._has_allocatable else None,
            )

    def _knock(self) -> None:
        """
        Find out by errno what gRPC would say in words only.

        Raises:
            KubeletError: Nobody listens, or we may not connect.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
            knock.settimeout(self._deadline_seconds)
            try:
                knock.connect(str(self._path))
            except OSError as exc:
                raise self._refused(exc) from exc

    def _refused(self, exc: OSError) -> KubeletError:
        if exc.errno in {errno.EACCES, errno.EPERM}:
            msg = (
                f"{self._path}: {exc.strerror}; the kubelet's socket is root's, "
                f"does this process run as uid 0?"
            )
            return KubeletError(Trouble.FORBIDDEN, msg)
        msg = f"{self._path}: {exc.strerror or exc}; does the kubelet run?"
        return KubeletError(Trouble.NO_SOCKET, msg)

    def _allocatable(self, channel: grpc.Channel) -> tuple[str, ...] | None:
        """Return the ids of GPUs that can be given away; None is not served."""
        try:
            answer = self._call(
                channel, "GetAllocatableResources", api.AllocatableResourcesResponse
            )
        except KubeletError as exc:
            # Before Kubernetes 1.28 a feature gate may keep it; List is enough.
            self._has_allocatable = exc.trouble is not Trouble.UNIMPLEMENTED
            return None
        return tuple(_allocatable(answer))

    def _call(self, channel: grpc.Channel, name: str, answer: type[Answer]) -> Answer:
        ask = channel.unary_unary(
            SERVICE + name,
            request_serializer=api.ListPodResourcesRequest.SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            return ask(api.ListPodResourcesRequest(), timeout=self._deadline_seconds)
        except grpc.RpcError as exc:
            raise self._failed(name, exc) from exc

    def _failed(self, name: str, exc: grpc.RpcError) -> KubeletError:
        code = exc.code()
        msg = f"{self._path}: {name}: {code.name}: {exc.details()}"
        if code is grpc.StatusCode.UNIMPLEMENTED:
            msg += "; pod-resources v1 is served since Kubernetes 1.20"
            return KubeletError(Trouble.UNIMPLEMENTED, msg)
        is_forbidden = code in FORBIDDEN
        return KubeletError(
            Trouble.FORBIDDEN if is_forbidden else Trouble.NO_SOCKET, msg
        )


def _allocations(listed: api.ListPodResourcesResponse) -> Iterator[Allocation]:
    for pod in listed.pod_resources:
        name = PodName(pod.namespace, pod.name)
        for container in pod.containers:
            for devices in container.devices:
                for device_id in devices.device_ids:
                    yield Allocation(
                        name, container.name, devices.resource_name, device_id
                    )
            yield from _claimed(name, container)


def _claimed(pod: PodName, container: api.ContainerResources) -> Iterator[Allocation]:
    for claim in container.dynamic_resources:
        for device in claim.claim_resources:
            yield Allocation(
                pod,
                container.name,
                device.driver_name,
                f"{device.pool_name}/{device.device_name}",
                f"{claim.claim_namespace}/{claim.claim_name}",
                device.share_id or None,
            )


def _allocatable(answer: api.AllocatableResourcesResponse) -> Iterator[str]:
    for devices in answer.devices:
        if GPU_RESOURCE.fullmatch(devices.resource_name) is not None:
            yield from devices.device_ids
