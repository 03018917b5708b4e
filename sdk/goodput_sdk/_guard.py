"""Where the SDK's own errors end: counted, the first one logged, none raised."""

from __future__ import annotations

import os


class Swallowed:
    """How many of our own errors the training program was spared."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


SWALLOWED = Swallowed()


def swallow(error: Exception) -> None:
    """
    Count an error of ours; log the first one with its traceback.

    This is the SDK's one place for broad handling, so it may not fail either:
    a logging setup that raises costs the line and nothing else.
    """
    try:
        SWALLOWED.count += 1
        if SWALLOWED.count == 1:
            _log().warning(
                "goodput-sdk failed and goes on without this report "
                "(logged once; training is not affected): %s",
                error,
                exc_info=error,
            )
    except Exception:
        return


def warn(text: str, *values: object) -> None:
    """Tell the user of a setting or a call that has no effect, and what to check."""
    try:
        _log().warning(text, *values)
    except Exception as error:
        swallow(error)


def debug(text: str, *values: object) -> None:
    """Say what is normal life, where ``GOODPUT_LOG=debug`` asks for it."""
    try:
        if os.environ.get("GOODPUT_LOG", "").lower() == "debug":
            _log().debug(text, *values)
    except Exception as error:
        swallow(error)


def _log() -> logging.Logger:
    # Imported on the first line ever logged: it costs more than the whole SDK.
    import logging  # noqa: PLC0415  # only the first error pays for it

    log = logging.getLogger("goodput_sdk")
    wanted = os.environ.get("GOODPUT_LOG", "").lower() == "debug"
    if wanted and log.level == logging.NOTSET:
        log.setLevel(logging.DEBUG)
        log.addHandler(logging.StreamHandler())
    return log


TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    import logging
