"""Requests to the API server over the Kubernetes client's own connection pool."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Final
from urllib.parse import urlencode

import urllib3
from kubernetes.client.rest import RESTClientObject
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.response import BaseHTTPResponse

from goodput_exporter.errors import ConfigError
from goodput_exporter.sources.kubernetes.access import Access, headers_of
from goodput_exporter.sources.kubernetes.troubles import (
    ApiError,
    Trouble,
    error_of,
    status_of,
    trouble_of_code,
)
from goodput_exporter.sources.kubernetes.waits import Waits

OK: Final = 200
CREATED: Final = 201
JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
AGENT: Final = "goodput-exporter"
MAX_REFUSAL_BYTES: Final = 65_536
"""More of an error page nobody needs."""
ADVICE: Final = {
    Trouble.UNREACHABLE: "is the address right, and the network policy?",
    Trouble.SILENT: "nothing came for so long; the connection is taken for dead",
    Trouble.BROKEN: "the connection ended before the answer did",
}
UNTRUSTED: Final = "did the authorities that we were given sign its certificate?"


class ApiServer:
    """
    The API server, as whom the configuration says; safe for many threads.

    Args:
        access: Opens the configuration.
        waits: Time limits.

    Raises:
        ConfigError: The configuration cannot be opened.
    """

    def __init__(self, access: Access, waits: Waits) -> None:
        self._access = access
        self._waits = waits
        self._lock = Lock()
        self._open()

    def _open(self) -> None:
        configuration = self._access()
        pool: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
        with self._lock:
            self._configuration, self._pool = configuration, pool

    def reload(self) -> None:
        """
        Read the configuration anew: tokens, certificates, the address.

        Requests under way keep their connections.

        Raises:
            ApiError: It cannot be read now.
        """
        try:
            self._open()
        except (ConfigError, OSError, ValueError) as error:
            msg = f"the access to the API server cannot be read anew: {error}"
            raise ApiError(Trouble.CREDENTIALS, msg) from error

    def get(
        self, path: str, query: Mapping[str, str | int], silence_s: float
    ) -> BaseHTTPResponse:
        """
        Ask for something; return the open response of a success.

        Args:
            path: Below the server's address.
            query: Its parameters.
            silence_s: The longest pause between two reads.

        Raises:
            ApiError: No answer, or a refusal.
        """
        return self._request("GET", path, query, silence_s)

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int],
        silence_s: float,
        sent: tuple[bytes, str] | None = None,
    ) -> BaseHTTPResponse:
        with self._lock:
            configuration, pool = self._configuration, self._pool
        request = f"{method} {path}"
        try:
            headers = headers_of(configuration)
        except (ConfigException, OSError, ValueError) as error:
            msg = f"{request}: the credentials cannot be read: {error}"
            raise ApiError(Trouble.CREDENTIALS, msg) from error
        body, content_type = sent or (None, JSON)
        if body is not None:
            headers["Content-Type"] = content_type
        with readable(request):
            response = pool.request(
                method,
                f"{configuration.host}{path}"
                + (f"?{urlencode(query)}" if query else ""),
                body=body,
                headers={"Accept": JSON, "User-Agent": AGENT, **headers},
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=self._waits.connect_s, read=silence_s),
            )
        if response.status not in {OK, CREATED}:
            raise _refusal(response, request)
        return response

    def fetch(
        self, path: str, query: Mapping[str, str | int], silence_s: float | None = None
    ) -> bytes:
        """
        Return the whole body of an answer.

        Args:
            path: Below the server's address.
            query: Its parameters.
            silence_s: The longest pause between two reads; None is the usual one.

        Raises:
            ApiError: No answer, a refusal, or half a body.
        """
        longest_s = self._waits.answer_s if silence_s is None else silence_s
        return _whole(self.get(path, query, longest_s), f"GET {path}")

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object],
        *,
        silence_s: float,
        content_type: str = JSON,
    ) -> bytes:
        """
        Send an object; return the whole body of the answer.

        Args:
            method: Such as ``POST``.
            path: Below the server's address.
            body: The object, or what is to be changed of it.
            silence_s: The longest pause between two reads.
            content_type: Of the body.

        Raises:
            ApiError: No answer, a refusal, or half a body.
        """
        sent = json.dumps(body).encode(), content_type
        response = self._request(method, path, {}, silence_s, sent)
        return _whole(response, f"{method} {path}")


def _whole(response: BaseHTTPResponse, request: str) -> bytes:
    """Return a response's body, and let go of its connection."""
    try:
        with readable(request):
            body = response.read(decode_content=True)
    except ApiError:
        response.close()
        raise
    response.release_conn()
    return body


@contextmanager
def readable(request: str) -> Iterator[None]:
    """
    Turn what goes wrong on a connection into one of our own troubles.

    Raises:
        ApiError: In place of what urllib3 raised.
    """
    try:
        yield
    except (ConnectTimeoutError, NewConnectionError) as error:
        raise _cut(Trouble.UNREACHABLE, request, error) from error
    except (ReadTimeoutError, TimeoutError) as error:
        raise _cut(Trouble.SILENT, request, error) from error
    except SSLError as error:
        raise _cut(Trouble.UNREACHABLE, request, error, UNTRUSTED) from error
    except (HTTPError, OSError) as error:
        raise _cut(Trouble.BROKEN, request, error) from error


def _cut(
    trouble: Trouble, request: str, error: Exception, advice: str = ""
) -> ApiError:
    return ApiError(trouble, f"{request}: {error}; {advice or ADVICE[trouble]}")


def _refusal(response: BaseHTTPResponse, request: str) -> ApiError:
    trouble = trouble_of_code(response.status) or Trouble.GARBLED
    asked_s = _retry_after_s(response.headers.get("Retry-After"))
    try:
        with readable(request):
            body = response.read(MAX_REFUSAL_BYTES, decode_content=True)
    except ApiError:
        body = b""  # the status line has said enough
    finally:
        response.close()
    said = error_of(status_of(body), request)
    return ApiError(
        trouble,
        f"{request}: HTTP {response.status}; {said}",
        said.retry_after_s if asked_s is None else asked_s,
        response.status,
    )


def _retry_after_s(header: str | None) -> float | None:
    """Return a Retry-After in seconds, written as a number or as a date."""
    if header is None:
        return None
    try:
        return urllib3.Retry().parse_retry_after(header)
    except (InvalidHeader, OverflowError):
        return None
