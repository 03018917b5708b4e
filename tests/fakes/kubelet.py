"""A kubelet as far as its pod-resources API goes: a real gRPC server on a socket."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc
from google.protobuf.message import Message

from goodput_exporter.sources.podresources import pod_resources_pb2 as api
from goodput_exporter.sources.podresources.socket_paths import SOCKET

SERVICE: Final = "v1.PodResourcesLister"
GPU: Final = "nvidia.com/gpu"


class FakeKubelet:
    """
    One node's kubelet, which starts, stops, refuses and restarts as told.

    Args:
        root: Its root directory; the socket is where a kubelet has it.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / SOCKET
        self.listed = api.ListPodResourcesResponse()
        self.allocatable = api.AllocatableResourcesResponse()
        self.methods = {"List", "GetAllocatableResources"}
        self.raw: dict[str, bytes] = {}
        self.refusal: tuple[grpc.StatusCode, str] | None = None
        self.calls: list[str] = []
        self._server: grpc.Server | None = None

    def gives(
        self,
        pod: str,
        *device_ids: str,
        resource: str = GPU,
        claim: str | None = None,
        namespace: str = "ml",
        container: str = "train",
    ) -> None:
        """List devices for a container; by a ResourceClaim if one is named."""
        found = self.listed.pod_resources.add(name=pod, namespace=namespace)
        inside = found.containers.add(name=container)
        if claim is None:
            inside.devices.add(resource_name=resource, device_ids=device_ids)
            return
        dynamic = inside.dynamic_resources.add(
            claim_name=claim, claim_namespace=namespace
        )
        for device_id in device_ids:
            pool, _, device = device_id.partition("/")
            dynamic.claim_resources.add(
                driver_name=resource, pool_name=pool, device_name=device
            )

    def forgets_everything(self) -> None:
        """List no pod any more."""
        self.listed.Clear()

    def start(self) -> None:
        """Listen, as after the kubelet's own start."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._server = grpc.server(ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, self._handlers()),)
        )
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()

    def stop(self) -> None:
        """Stop serving; gRPC takes the socket's file away with it."""
        if self._server is not None:
            self._server.stop(grace=None).wait(5.0)
            self._server = None

    def _handlers(self) -> dict[str, grpc.RpcMethodHandler[bytes, bytes]]:
        answers: dict[str, Message] = {
            "List": self.listed,
            "GetAllocatableResources": self.allocatable,
        }

        def handler(name: str) -> grpc.RpcMethodHandler[bytes, bytes]:
            def answer(_request: bytes, context: grpc.ServicerContext) -> bytes:
                self.calls.append(name)
                if self.refusal is not None:
                    context.abort(*self.refusal)
                return self.raw.get(name) or answers[name].SerializeToString()

            return grpc.unary_unary_rpc_method_handler(answer)

        return {name: handler(name) for name in sorted(self.methods)}


@contextmanager
def kubelet(root: Path) -> Iterator[FakeKubelet]:
    """Yield a kubelet that listens, and stop it afterwards."""
    fake = FakeKubelet(root)
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()
