"""What an API server writes down, and whom it knows: leases, labels, tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]
Answer: TypeAlias = tuple[int, Json]

LEASES: Final = "/leases"
CREATED, CONFLICT, ABSENT = 201, 409, 404


def status(code: int, reason: str = "", message: str = "") -> Json:
    """Return a Status as the API server writes it."""
    said: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
    said |= {"status": "Failure", "code": code}
    said |= {"reason": reason} if reason else {}
    return said | ({"message": message} if message else {})


@dataclass(frozen=True)
class Account:
    """
    Whose a token is.

    Args:
        name: The user's.
        audience: That the token is for; empty is the API server itself.
        extra: What it is bound to.
        may: Paths that the user may get.
    """

    name: str
    audience: str = ""
    extra: Mapping[str, tuple[str, ...]] | None = None
    may: frozenset[str] = frozenset()


class Clerk:
    """
    Keeps Leases by their versions, labels of pods, and accounts by token.

    Attributes:
        pods: By path, what a GET of a single pod answers.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._version = 0
        self.leases: dict[str, Json] = {}
        self.labels: dict[str, dict[str, str]] = {}
        self.pods: dict[str, Json] = {}
        self.accounts: dict[str, Account] = {}
        self.reviews = 0

    def answer(self, verb: str, path: str, body: Json) -> Answer | None:
        """Return an answer to what is not a list or a watch; None to the rest."""
        with self._lock:
            if path.endswith("/tokenreviews"):
                return CREATED, self._review(body)
            if path.endswith("/subjectaccessreviews"):
                return CREATED, self._access(body)
            if LEASES in path:
                return self._lease(verb, path, body)
            if verb == "patch":
                return self._label(path, body)
            return (200, self.pods[path]) if path in self.pods else None

    def _review(self, body: Json) -> Json:
        self.reviews += 1
        asked = body["spec"]
        account = self.accounts.get(asked["token"])
        wanted = asked.get("audiences", [""])
        if account is None or account.audience not in wanted:
            return {"status": {"error": "the token is not for us"}}
        extra = {name: list(some) for name, some in (account.extra or {}).items()}
        user = {"username": account.name, "uid": "u", "groups": ["g"], "extra": extra}
        known = {"authenticated": True, "user": user, "audiences": wanted}
        return {"kind": "TokenReview", "status": known}

    def _access(self, body: Json) -> Json:
        asked = body["spec"]
        path = asked["nonResourceAttributes"]["path"]
        may = any(
            account.name == asked["user"] and path in account.may
            for account in self.accounts.values()
        )
        return {"status": {"allowed": may}}

    def _lease(self, verb: str, path: str, body: Json) -> Answer:
        if verb == "post":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.leases:
                return CONFLICT, status(CONFLICT, "AlreadyExists")
        elif path not in self.leases:
            return ABSENT, status(ABSENT, "NotFound")
        if verb == "list":
            return 200, self.leases[path]
        if verb == "put":
            version = self.leases[path]["metadata"]["resourceVersion"]
            if body["metadata"].get("resourceVersion") != version:
                return CONFLICT, status(CONFLICT, "Conflict")
        self._version += 1
        metadata = body["metadata"] | {"resourceVersion": str(self._version)}
        self.leases[path] = body | {"metadata": metadata}
        return (CREATED if verb == "post" else 200), self.leases[path]

    def _label(self, path: str, body: Json) -> Answer:
        known = self.labels.setdefault(path.rpartition("/")[2], {})
        for name, value in body["metadata"]["labels"].items():
            if value is None:
                known.pop(name, None)
            else:
                known[name] = value
        return 200, {"kind": "Pod", "metadata": {"labels": known}}
