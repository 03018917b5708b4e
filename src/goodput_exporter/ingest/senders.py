"""Who pushes: the question asked of every request, and two ways to answer it."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

ADDRESSES_KEPT: Final = 1_024

_log = logging.getLogger(__name__)


class Caller(NamedTuple):
    """
    What a request says of the one who sent it.

    Args:
        address: The peer's, or None on a Unix socket.
        authorization: The header of that name; empty if there is none.
        extensions: The server's own facts, such as a client certificate.
    """

    address: str | None
    authorization: str = ""
    extensions: Mapping[str, object] = MappingProxyType({})

    @property
    def bearer(self) -> str:
        """Return the bearer token that was presented; empty if none was."""
        scheme, _, token = self.authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Sender:
    """
    Somebody whom we know.

    Args:
        name: For limits and the log; never a secret.
        node: The one node that it may speak for; None may speak for any.
    """

    name: str
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody whom we know: the HTTP status to answer with, and why."""

    status: int
    detail: str


class Who(Protocol):
    """Answers who sends; may ask another service, and is expected to remember."""

    async def __call__(self, caller: Caller) -> Sender | Refusal:
        """Return who it is, or why nobody whom we know."""

    def recall(self, caller: Caller) -> Sender | None:
        """Return who it is, where nobody has to be asked; None says nothing."""


class ThisMachine:
    """
    Takes whoever is on this machine, and nobody else; they may speak for any node.

    A proxy on this machine hides who is behind it, unless it says so in
    ``X-Forwarded-For``, which uvicorn then believes.
    """

    async def __call__(self, caller: Caller) -> Sender | Refusal:
        """Return where on this machine a request is from."""
        sender = self.recall(caller)
        if sender is not None:
            return sender
        detail = (
            "pushes are taken from this machine only; configure tokens to take others"
        )
        return Refusal(403, detail)

    def recall(self, caller: Caller) -> Sender | None:
        """Return where on this machine a request is from; None is from elsewhere."""
        if caller.address is None:
            return Sender("unix")
        return Sender(caller.address) if _is_loopback(caller.address) else None


from_this_machine: Final = ThisMachine()


@lru_cache(maxsize=ADDRESSES_KEPT)
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class TokenFile:
    """
    Bearer tokens in a file, read again when it changes.

    A line holds a token, or a token and the one node that it speaks for. Blank
    lines and those that begin with ``#`` do not count. While the file cannot be
    read, what it said before holds.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._is_lost = False
        self._senders: Mapping[bytes, Sender] = MappingProxyType({})

    async def __call__(self, caller: Caller) -> Sender | Refusal:
        """Return who presents a token."""
        sender = self.recall(caller)
        if sender is not None:
            return sender
        if not caller.bearer:
            return Refusal(401, "this needs 'Authorization: Bearer TOKEN'")
        return Refusal(401, "this bearer token is not known here")

    def recall(self, caller: Caller) -> Sender | None:
        """Return who presents a token; None is nobody whom the file names."""
        self._look()
        # By digest: how long a look-up takes tells nothing of the tokens.
        return self._senders.get(_digest(caller.bearer))

    def _look(self) -> None:
        try:
            status = self._path.stat()
            seen = status.st_mtime_ns, status.st_size, status.st_ino
            if seen != self._seen:
                self._senders = senders_of(self._path.read_text(encoding="utf-8"))
                self._seen = seen
        except (OSError, UnicodeDecodeError) as exc:
            if not self._is_lost:
                _log.warning(
                    "%s cannot be read (%s); %d tokens hold as before",
                    self._path,
                    exc,
                    len(self._senders),
                )
            self._is_lost = True
            return
        self._is_lost = False


NAME_DIGITS: Final = 8


def senders_of(text: str) -> Mapping[bytes, Sender]:
    """Return the senders that a token file names, by the digest of their token."""
    senders: dict[bytes, Sender] = {}
    for line in text.splitlines():
        token, *rest = line.split() or [""]
        if not token or token.startswith("#"):
            continue
        digest = _digest(token)
        name = f"token:{digest.hex()[:NAME_DIGITS]}"
        senders[digest] = Sender(name, rest[0] if rest else None)
    return MappingProxyType(senders)


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
