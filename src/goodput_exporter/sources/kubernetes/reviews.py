"""What the API server is asked of somebody else: whose a token is, and may they."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from goodput_exporter.sources.kubernetes.client import MERGE, ApiServer
from goodput_exporter.sources.kubernetes.troubles import ApiError, Trouble

TOKENS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
ANSWER_S: Final = 10.0

Extra = dict[str, tuple[str, ...]]
S = TypeVar("S", bound=msgspec.Struct)


class _User(msgspec.Struct, frozen=True):
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Extra = {}


class _TokenStatus(msgspec.Struct, frozen=True):
    authenticated: bool = False
    user: _User = _User()
    audiences: tuple[str, ...] = ()
    error: str = ""


class _Reviewed(msgspec.Struct, frozen=True):
    status: _TokenStatus


class _AccessStatus(msgspec.Struct, frozen=True):
    allowed: bool = False
    reason: str = ""


class _Access(msgspec.Struct, frozen=True):
    status: _AccessStatus


class _PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""


class _PodMetadata(msgspec.Struct, frozen=True):
    uid: str = ""


class _Pod(msgspec.Struct, frozen=True):
    metadata: _PodMetadata
    spec: _PodSpec


@dataclass(frozen=True, slots=True)
class User:
    """
    Whose a token is, as the API server says.

    Args:
        name: Empty if it is nobody's: forged, expired, or for another audience.
        uid, groups: As the server knows them.
        extra: What the token is bound to, such as a pod and its node.
        error: Why it is nobody's, where the server says so.
    """

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    error: str = ""


def review_token(server: ApiServer, token: str, audiences: Sequence[str] = ()) -> User:
    """
    Ask whose a token is.

    Args:
        server: Whom to ask.
        token: As it was presented.
        audiences: One of which it must be for; without any, the server's own.

    Raises:
        ApiError: It cannot be told now.
    """
    spec: dict[str, object] = {"token": token}
    if audiences:
        spec["audiences"] = list(audiences)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    body = server.send("POST", TOKENS, {**asked, "spec": spec}, silence_s=ANSWER_S)
    status = _decoded(body, _Reviewed, TOKENS).status
    # A server that knows nothing of audiences lists none, and then any token of the
    # cluster would do.
    is_for_us = not audiences or bool(set(audiences) & set(status.audiences))
    if not status.authenticated or not is_for_us:
        return User("", error=status.error or "it is for another audience, or too old")
    user = status.user
    return User(user.username, user.uid, user.groups, user.extra)


def may(server: ApiServer, user: User, verb: str, path: str) -> str | None:
    """
    Ask whether somebody may do something with a path, such as ``get /metrics``.

    Returns:
        None if they may, else why not.

    Raises:
        ApiError: It cannot be told now.
    """
    spec = {
        "user": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {name: list(values) for name, values in user.extra.items()},
        "nonResourceAttributes": {"verb": verb, "path": path},
    }
    asked = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    body = server.send("POST", ACCESS, {**asked, "spec": spec}, silence_s=ANSWER_S)
    status = _decoded(body, _Access, ACCESS).status
    if status.allowed:
        return None
    return status.reason or f"no role lets {user.name} {verb} {path}"


def node_of_pod(server: ApiServer, namespace: str, name: str, uid: str) -> str:
    """
    Return the node of a pod; empty if there is no such pod with that uid.

    Raises:
        ApiError: It cannot be told now.
    """
    path = _pod(namespace, name)
    try:
        found = _decoded(server.fetch(path, {}, ANSWER_S), _Pod, path)
    except ApiError as error:
        if error.trouble is Trouble.ABSENT:
            return ""
        raise
    return found.spec.node_name if found.metadata.uid == uid else ""


def label_pod(
    server: ApiServer, namespace: str, name: str, labels: Mapping[str, str | None]
) -> None:
    """
    Set labels of a pod; None takes one away.

    Raises:
        ApiError: It cannot be done now.
    """
    wanted = {"metadata": {"labels": dict(labels)}}
    server.send(
        "PATCH",
        _pod(namespace, name),
        wanted,
        silence_s=ANSWER_S,
        content_type=MERGE,
    )


def _pod(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def _decoded(body: bytes, shape: type[S], path: str) -> S:
    try:
        return msgspec.json.decode(body, type=shape)
    except (ValueError, RecursionError) as error:
        msg = f"{path}: an answer that cannot be read ({error}): {body[:80]!r}"
        raise ApiError(Trouble.GARBLED, msg) from None
