"""What the API server may answer instead of objects, as a closed set."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from goodput_exporter.errors import SourceUnavailableError

CLIENT_ERRORS: Final = range(400, 500)
SERVER_ERRORS: Final = range(500, 600)
MOST_SECONDS: Final = 86_400
"""Nobody means to be left alone for more than a day."""
SHOWN: Final = 200
"""Characters of the server's own words that a message repeats."""


class Trouble(StrEnum):
    """Why a list or a watch ended; a label of a metric, so the set is closed."""

    GONE = "gone"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"
    OVERLOADED = "overloaded"
    SERVER = "server"
    REJECTED = "rejected"
    CREDENTIALS = "credentials"
    UNREACHABLE = "unreachable"
    SILENT = "silent"
    BROKEN = "broken"
    GARBLED = "garbled"
    BUG = "bug"


class ApiError(SourceUnavailableError):
    """
    A request that brought no objects, or a watch that cannot go on.

    Args:
        trouble: Which of the closed set.
        message: What happened, to which request.
        retry_after_s: How long the server asks to be left alone, if it says.
        status: HTTP's, where the server refused the request as a whole.
    """

    def __init__(
        self,
        trouble: Trouble,
        message: str,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.retry_after_s = retry_after_s
        self.status = status


class Status(msgspec.Struct, frozen=True, gc=False):
    """
    A failure in the API's own words; any field may be missing or of any type.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
    """

    code: object = None
    reason: object = None
    message: object = None
    details: object = None


_BY_CODE: Final = MappingProxyType(
    {
        401: Trouble.UNAUTHORIZED,
        403: Trouble.FORBIDDEN,
        404: Trouble.ABSENT,
        405: Trouble.ABSENT,  # served, and cannot be listed: not this version
        406: Trouble.ABSENT,
        408: Trouble.SERVER,
        410: Trouble.GONE,
        429: Trouble.OVERLOADED,
    }
)
_BY_REASON: Final = MappingProxyType(
    {
        "Expired": Trouble.GONE,
        "Gone": Trouble.GONE,
        "Unauthorized": Trouble.UNAUTHORIZED,
        "Forbidden": Trouble.FORBIDDEN,
        "NotFound": Trouble.ABSENT,
        "MethodNotAllowed": Trouble.ABSENT,
        "NotAcceptable": Trouble.ABSENT,
        "TooManyRequests": Trouble.OVERLOADED,
        "InternalError": Trouble.SERVER,
        "ServerTimeout": Trouble.SERVER,
        "ServiceUnavailable": Trouble.SERVER,
        "Timeout": Trouble.SERVER,
    }
)
_STATUS: Final = msgspec.json.Decoder(Status)


def trouble_of_code(code: int) -> Trouble | None:
    """Return what an HTTP status, or the code of a Status, means; None for success."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code in CLIENT_ERRORS:
        return Trouble.REJECTED
    return Trouble.SERVER if code in SERVER_ERRORS else None


def status_of(body: bytes) -> Status:
    """Return the Status in a body; an empty one if there is none to read."""
    try:
        return _STATUS.decode(body)
    except (ValueError, RecursionError):
        return Status()


def error_of(status: Status, request: str) -> ApiError:
    """
    Return the error that a Status stands for, in whatever form it came.

    The reason decides where there is no code. A Status that says neither is
    ``GARBLED``, which costs a new list: it cannot be told whether the watch
    would still be true.

    Args:
        status: From a body, or from the ERROR event of a watch.
        request: What was asked, for the message.
    """
    trouble = trouble_of_code(status.code) if isinstance(status.code, int) else None
    if trouble is None and isinstance(status.reason, str):
        trouble = _BY_REASON.get(status.reason)
    said = status.message if isinstance(status.message, str) else "no message"
    return ApiError(
        trouble or Trouble.GARBLED,
        f"{request}: the API server said {status.code} {status.reason}: {said[:SHOWN]}",
        _retry_after_s(status.details),
    )


def _retry_after_s(details: object) -> float | None:
    seconds = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        return None
    return float(seconds) if 0 < seconds < MOST_SECONDS else None
