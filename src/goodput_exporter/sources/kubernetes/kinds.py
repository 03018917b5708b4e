"""Kinds of objects to follow: where the API has them and what is kept of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from goodput_exporter.domain.cause_rules import RULES
from goodput_exporter.domain.evidence import Kind as Seen
from goodput_exporter.sources.kubernetes import devices
from goodput_exporter.sources.kubernetes.lean import Object
from goodput_exporter.sources.kubernetes.objects import Event, Manifest, Node, Workload
from goodput_exporter.sources.kubernetes.pod_objects import Pod
from goodput_exporter.sources.workloads.entry import Entry
from goodput_exporter.sources.workloads.table import TABLE

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

    def api_version(self, version: str) -> str:
        """Return what an object of a version says of itself; lists leave it out."""
        return f"{self.group}/{version}" if self.group else version


_TOLD: Final = tuple(
    reason for rule in RULES if rule.kind is Seen.EVENT for reason in rule.reasons
)


def explains(event: Event) -> bool:
    """Return whether some rule of causes reads such an event; few are worth a byte."""
    about = event.involved_object or event.regarding
    if about is None:
        return False
    said = f"{about.kind}/{event.reason}"
    return any(
        said.startswith(reason[:-1]) if reason.endswith("*") else said == reason
        for reason in _TOLD
    )


PODS: Final = Kind("Pod", "", ("v1",), "pods", Pod, devices.wants_gpus, devices.compact)
NODES: Final = Kind("Node", "", ("v1",), "nodes", Node)
EVENTS: Final = Kind("Event", "", ("v1",), "events", Event, explains)
JOBS: Final = Kind("Job", "batch", ("v1",), "jobs", Workload)


def manifests(
    name: str, group: str, plural: str, versions: tuple[str, ...]
) -> Kind[Manifest]:
    """Return a kind of which everything but the managed fields is kept."""
    return Kind(name, group, versions, plural, Manifest, compact=devices.without_copy)


_LEAN: Final[dict[str, Kind[Any]]] = {"Pod": PODS, "Node": NODES, "Event": EVENTS}


def kind_of(entry: Entry) -> Kind[Any]:
    """Return how a kind of the table is followed: by the thousand lean, else whole."""
    if not entry.group and entry.kind in _LEAN:
        return _LEAN[entry.kind]
    return manifests(entry.kind, entry.group, entry.plural, entry.versions)


def followed() -> tuple[Kind[Any], ...]:
    """Return every kind of the table that is watched, in its order."""
    return tuple(kind_of(entry) for entry in TABLE if entry.is_followed)
