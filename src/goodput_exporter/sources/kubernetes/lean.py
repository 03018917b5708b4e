"""What all Kubernetes objects have in common, as lean structs: names and conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

# Every field is optional: real objects have nulls where the schema has none, and
# one of them must not cost the object. Tuples of structs without cyclic garbage
# are forgotten by the collector, which would otherwise walk them all, again and
# again. Names as in the API; timestamps stay its strings.

Quantity: TypeAlias = str | int | float
"""As in ``8``, ``"8"`` or ``"512Gi"``."""


class Lean(
    msgspec.Struct,
    frozen=True,
    gc=False,
    omit_defaults=True,
    rename="camel",
):
    """What all parts have in common: unknown fields are skipped, not kept."""


class OwnerReference(Lean, frozen=True):
    """Who made this object."""

    api_version: str | None = None
    kind: str | None = None
    name: str | None = None
    uid: str | None = None
    controller: bool | None = None


class Metadata(Lean, frozen=True):
    """What every object says about itself."""

    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None


class Object(Lean, frozen=True):
    """An object of any kind; whatever is watched is one of these."""

    metadata: Metadata | None = None


class Condition(Lean, frozen=True):
    """One condition of any kind of object."""

    type: str | None = None
    status: str | None = None
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


def identity(found: Object) -> str | None:
    """
    Return what tells one object from every other of its kind, for ever.

    The uid, because a name comes back with another object behind it. Where it
    is missing the name has to do; without both, None.
    """
    metadata = found.metadata
    if metadata is None:
        return None
    if metadata.uid or not metadata.name:
        return metadata.uid or None
    return f"{metadata.namespace or ''}/{metadata.name}"


def version_of(found: Object) -> str | None:
    """Return an object's resource version: equal or not, and nothing else."""
    return None if found.metadata is None else found.metadata.resource_version


def plain(found: Object, kind: str, api_version: str = "") -> dict[str, object]:
    """Return an object as the API's JSON, with what lists leave out of their items."""
    return headed(msgspec.to_builtins(found), kind, api_version)


def headed(
    fields: Mapping[str, object], kind: str, api_version: str = ""
) -> dict[str, object]:
    """Return an object's fields after what lists leave out of their items."""
    named = {"apiVersion": api_version} if api_version else {}
    return {"kind": kind, **named, **fields}
