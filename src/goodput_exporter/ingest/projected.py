"""Agents known by the tokens that Kubernetes projects into their pods."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.ingest.senders import Caller, Refusal, Sender

NODE: Final = "authentication.kubernetes.io/node-name"
POD: Final = "authentication.kubernetes.io/pod-name"
POD_UID: Final = "authentication.kubernetes.io/pod-uid"
ACCOUNT: Final = "system:serviceaccount:"

KEPT_S: Final = 60.0
"""How long an answer holds: a pod that is deleted speaks no longer than this."""
REFUSED_S: Final = 10.0
OUTAGE_S: Final = 600.0
"""How long a known token holds while the API server cannot be asked."""
MOST_KEPT: Final = 40_000
MOST_ASKED: Final = 8
"""Questions to the API server at a time: 10,000 agents may come back at once."""
LONGEST_TOKEN: Final = 16_384


class User(Protocol):
    """Whose a token is, as the API server says."""

    @property
    def name(self) -> str:
        """Return the user's name; empty if it is nobody's."""

    @property
    def extra(self) -> Mapping[str, tuple[str, ...]]:
        """Return what the token is bound to."""

    @property
    def error(self) -> str:
        """Return why it is nobody's."""


Review = Callable[[str], User]
"""Asks whose a token is, for our audience; may raise SourceUnavailableError."""
NodeOf = Callable[[str, str, str], str]
"""Asks for the node of a pod by namespace, name and uid; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Known:
    """An answer, when it was asked for, and when its token expires."""

    answer: Sender | Refusal
    asked_s: float
    expires_s: float | None

    def holds(self, now_s: float, wall_s: float, *, outage: bool = False) -> bool:
        """Tell whether it may be used again."""
        if isinstance(self.answer, Refusal):
            return now_s - self.asked_s < REFUSED_S
        if self.expires_s is not None and wall_s >= self.expires_s:
            return False
        return now_s - self.asked_s < (OUTAGE_S if outage else KEPT_S)


class ProjectedTokens:
    """
    Asks the API server whose a token is, and which node its pod is on.

    A node's agent can only speak for its own node: the token is bound to the pod,
    and the pod to the node. Answers are kept for a minute and never beyond the
    token's own end. What is kept is the token's digest.

    Args:
        review: Asks whose a token is; on a worker thread.
        node_of: Asks for a pod's node, where the token does not name it.
        accounts: Service accounts that may push, as ``NAMESPACE/NAME`` or
            ``NAMESPACE/*``: whoever makes a pod chooses the audience of its token.
        monotonic, wall: Clocks in seconds.
    """

    def __init__(
        self,
        review: Review,
        node_of: NodeOf,
        accounts: frozenset[str],
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._review = review
        self._node_of = node_of
        self._accounts = accounts
        self._monotonic = monotonic
        self._wall = wall
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Sender | Refusal]] = {}
        self._turns = asyncio.Semaphore(MOST_ASKED)

    async def __call__(self, caller: Caller) -> Sender | Refusal:
        """Return who presents a token."""
        token = caller.bearer
        if not token or len(token) > LONGEST_TOKEN:
            return Refusal(401, "this needs 'Authorization: Bearer TOKEN'")
        digest = digest_of(token)
        known = self._kept(digest)
        if known is not None:
            return known
        task = self._asking.get(digest)
        if task is None:
            task = asyncio.create_task(self._ask(digest, token))
            self._asking[digest] = task
            task.add_done_callback(lambda _: self._asking.pop(digest, None))
        # A sender that hangs up must not end the question for the others.
        return await asyncio.shield(task)

    def recall(self, caller: Caller) -> Sender | None:
        """Return who presents a token, where that was asked a short while ago."""
        known = self._kept(digest_of(caller.bearer))
        return known if isinstance(known, Sender) else None

    def _kept(self, digest: bytes) -> Sender | Refusal | None:
        known = self._known.get(digest)
        if known is None or not known.holds(self._monotonic(), self._wall()):
            return None
        return known.answer

    async def _ask(self, digest: bytes, token: str) -> Sender | Refusal:
        async with self._turns:
            now_s = self._monotonic()
            try:
                answer = await asyncio.to_thread(self._identify, token)
            except SourceUnavailableError as exc:
                known = self._known.get(digest)
                if known is not None and known.holds(now_s, self._wall(), outage=True):
                    return known.answer
                return Refusal(503, f"the API server cannot be asked now: {exc}")
        self._known[digest] = Known(answer, now_s, expiry_s(token))
        self._known.move_to_end(digest)
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
        return answer

    def _identify(self, token: str) -> Sender | Refusal:
        user = self._review(token)
        if not user.name:
            return Refusal(401, f"this token is nobody's here: {user.error}")
        account = account_of(user.name)
        namespace = account.partition("/")[0]
        if not {account, f"{namespace}/*"} & self._accounts:
            detail = f"{user.name} is none of ingest.service_accounts"
            return Refusal(403, detail)
        node = _only(user, NODE)
        pod, uid = _only(user, POD), _only(user, POD_UID)
        if not node and pod and uid:
            node = self._node_of(namespace, pod, uid)
        if not node:
            detail = (
                f"the token of {user.name} names no node; mount a projected token, "
                "which is bound to its pod"
            )
            return Refusal(403, detail)
        return Sender(f"{account}@{node}", node)


def digest_of(token: str) -> bytes:
    """Return what of a token is kept; how long it is looked for tells nothing of it."""
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def account_of(user: str) -> str:
    """Return a service account as ``NAMESPACE/NAME``; empty for any other user."""
    if not user.startswith(ACCOUNT):
        return ""
    return user.removeprefix(ACCOUNT).replace(":", "/", 1)


def expiry_s(token: str) -> float | None:
    """
    Return when a token says that it ends, in Unix seconds.

    Its signature is not checked: only a token that the API server has taken is
    asked, and this can only shorten how long the answer is kept.
    """
    parts = token.split(".")
    if len(parts) != len(("header", "payload", "signature")):
        return None
    payload = parts[1] + "=" * (-len(parts[1]) % 4)
    try:
        said = json.loads(base64.urlsafe_b64decode(payload)).get("exp")
    except (ValueError, binascii.Error, AttributeError, RecursionError):
        return None
    is_number = isinstance(said, int | float) and not isinstance(said, bool)
    return float(said) if is_number else None


def _only(user: User, name: str) -> str:
    """Return the one value that a token is bound to under a name."""
    values = user.extra.get(name, ())
    return values[0] if len(values) == 1 else ""
