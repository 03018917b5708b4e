"""Kinds of objects to follow: where the API has them and what is kept of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from goodput_exporter.sources.kubernetes import devices
from goodput_exporter.sources.kubernetes.objects import (
    Event,
    Node,
    Object,
    Pod,
    Workload,
)

T = TypeVar("T", bound=Object)


def _everything(_found: Object) -> bool:
    return True


def _as_it_is(found: T) -> T:
    return found


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """
    One kind of objects, at one place of the API.

    Args:
        name: As in the objects, such as ``Pod``.
        group: The API group; empty for the core.
        versions: That this program can read, the best first.
        plural: As in the path, such as ``pods``.
        type: The struct to decode.
        wants: Which objects to keep. Once kept, an object is kept until it is
            deleted, whatever becomes of its fields.
        compact: What to keep of one.
    """

    name: str
    group: str
    versions: tuple[str, ...]
    plural: str
    type: type[T]
    wants: Callable[[T], bool] = _everything
    compact: Callable[[T], T] = _as_it_is

    def group_path(self, version: str) -> str:
        """Return where the API says what a version of the group has."""
        return f"/apis/{self.group}/{version}" if self.group else f"/api/{version}"

    def path(self, version: str, namespace: str | None = None) -> str:
        """Return where the objects of one namespace, or of all, are."""
        within = "" if namespace is None else f"/namespaces/{namespace}"
        return f"{self.group_path(version)}{within}/{self.plural}"


PODS: Final = Kind("Pod", "", ("v1",), "pods", Pod, devices.wants_gpus, devices.compact)
NODES: Final = Kind("Node", "", ("v1",), "nodes", Node)
EVENTS: Final = Kind("Event", "", ("v1",), "events", Event)
JOBS: Final = Kind("Job", "batch", ("v1",), "jobs", Workload)
