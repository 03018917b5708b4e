"""
The agent's way to the aggregator: one kept connection, one request at a time.

``http.client``, because one thread speaks to one address: a pool has nothing to
pool. Beside the HTTP server that the agent runs anyway it takes 0.5 MiB of the 80
that the agent may have; urllib3 takes 3, httpx 7.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from goodput_exporter.errors import ConfigError, SourceUnavailableError
from goodput_exporter.wire import answers, frames

MOST_ANSWER_BYTES: Final = 2**20
GONE: Final = (
    http.client.RemoteDisconnected,
    BrokenPipeError,
    ConnectionResetError,
    ConnectionAbortedError,
)
"""What a kept connection says when the other side has given it up meanwhile."""


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What came back.

    Args:
        status: HTTP's.
        headers: Names in lower case.
        body: Of a bounded length.
        sent_ns, heard_ns: When the request began and its answer was there.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_ns: int
    heard_ns: int


class Courier(Protocol):
    """Whoever brings bytes to the aggregator; tests bring their own."""

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """
        Send a push and return the answer.

        Raises:
            SourceUnavailableError: There is none.
        """

    def hurry(self, seconds: float) -> None:
        """Wait so long at most for each answer from now on."""

    def close(self) -> None:
        """Let go of the connection; the next push makes another one."""


class InOnePiece(http.client.HTTPConnection):
    """
    Writes a request's head and body at once.

    ``http.client`` writes the head, then the body: two packets, and a server that is
    woken twice. Of 10,000 agents each of these is a part of a core.
    """

    _held: list[bytes] | None = None

    def request(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Send a request whose body is bytes."""
        held: list[bytes] = []
        self._held = held
        try:
            super().request(*args, **named)
        finally:
            self._held = None
        self.send(b"".join(held))

    def send(self, data: Any) -> None:  # noqa: ANN401 - see above
        """Write some bytes, or keep them for the end of the request."""
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)


class InOnePieceOverTls(InOnePiece, http.client.HTTPSConnection):
    """Does so over TLS."""


class HttpCourier:
    """
    Pushes over HTTP/1.1 with keep-alive.

    Args:
        url: The aggregator's, such as ``http://goodput-aggregator:9909``.
        now_ns: The agent's clock.
        token_file: A bearer token, read again for each request, for projected
            tokens change within the hour; None sends none.
        tls: For ``https``; None takes the system's authorities.
        timeout_seconds: Longer than the aggregator waits for its commit.

    Raises:
        ConfigError: The address is none.
    """

    def __init__(
        self,
        url: str,
        now_ns: Callable[[], int],
        *,
        token_file: Path | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_seconds: float = 15.0,
    ) -> None:
        self._host, self._port, self._path, is_tls = address_of(url)
        self._tls = (tls or ssl.create_default_context()) if is_tls else None
        self._url = url
        self._now_ns = now_ns
        self._token_file = token_file
        self._timeout_seconds = timeout_seconds
        self._kept: http.client.HTTPConnection | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """
        Send a push and return the answer.

        Raises:
            SourceUnavailableError: There is none.
        """
        said = {"content-type": frames.CONTENT_TYPE, **headers, **self._credentials()}
        try:
            if self._kept is not None:
                try:
                    return self._exchange(self._kept, body, said)
                except GONE:
                    # Given up between two pushes, not by this one: once more.
                    self.close()
            self._kept = self._connection()
            return self._exchange(self._kept, body, said)
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            reason = str(exc) or type(exc).__name__
            msg = f"{self._url} does not answer ({reason})"
            raise SourceUnavailableError(msg) from exc

    def hurry(self, seconds: float) -> None:
        """Wait so long at most for each answer from now on."""
        self._timeout_seconds = min(self._timeout_seconds, seconds)
        if self._kept is not None and self._kept.sock is not None:
            self._kept.sock.settimeout(self._timeout_seconds)

    def close(self) -> None:
        """Let go of the connection; the next push looks the address up again."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        body: bytes,
        headers: Mapping[str, str],
    ) -> Reply:
        sent_ns = self._now_ns()
        # Whoever refuses may answer and close before all is sent; hear why.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", self._path, body, headers)
        response = connection.getresponse()
        answer = response.read(MOST_ANSWER_BYTES)
        heard_ns = self._now_ns()
        if response.length or not response.isclosed():
            # Cut off on its way, or longer than any answer of an aggregator.
            raise http.client.IncompleteRead(answer, response.length)
        named = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, named, answer, sent_ns, heard_ns)

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return InOnePiece(self._host, self._port, timeout=self._timeout_seconds)
        return InOnePieceOverTls(
            self._host, self._port, timeout=self._timeout_seconds, context=self._tls
        )

    def _credentials(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        try:
            token = self._token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as exc:
            msg = (
                f"the token in {self._token_file} cannot be read ({exc}); check that "
                "it is mounted"
            )
            raise SourceUnavailableError(msg) from exc
        return {"authorization": f"Bearer {token}"}


def address_of(url: str) -> tuple[str, int, str, bool]:
    """
    Return host, port, path of the route, and whether it is TLS.

    Raises:
        ConfigError: The address is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        msg = f"the aggregator's address {url!r} cannot be read: {exc}"
        raise ConfigError(msg) from exc
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"the aggregator's address {url!r} is none; use http:// or https://"
        raise ConfigError(msg)
    is_tls = parts.scheme == "https"
    path = parts.path.rstrip("/") + answers.PATH
    return parts.hostname, port or (443 if is_tls else 80), path, is_tls
