"""Whether this process stood still: stopped, or on a machine or disk that was."""

from __future__ import annotations

import logging
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND

LEAST_NS: Final = 5 * NS_PER_SECOND
"""Below that it is a slow tick, however short a settle delay is set."""

_log = logging.getLogger(__name__)


class Standstill:
    """
    Notices that ticks failed to come for longer than others' words are waited for.

    Who only looks at the clock would take its own absence for the silence of all
    ranks and agents, and book it before they could say what they did.

    Args:
        settle_ns: For how long they are waited for.

    Source:
        Rules 13 and 14: our own downtime is filled by what lived through it, and
        after our own start an instant may settle later.
    """

    def __init__(self, settle_ns: int) -> None:
        self._patience_ns = max(settle_ns, LEAST_NS)
        self._last_ns: int | None = None
        self._is_said = False

    def went_well(self, now_ns: int) -> None:
        """Note a tick that the ledger has committed, as a recording does."""
        self._last_ns, self._is_said = now_ns, False

    def is_over(self, now_ns: int) -> bool:
        """Tell, before a tick, whether none has gone well for too long."""
        if self._last_ns is None or now_ns - self._last_ns <= self._patience_ns:
            return False
        if not self._is_said:
            _log.warning(
                "no tick for %d s: this process was stopped, or its machine or its "
                "ledger stood still; what ranks and agents did meanwhile is waited for "
                "as after a start (books.settle_after_start_seconds)",
                (now_ns - self._last_ns) // NS_PER_SECOND,
            )
        self._is_said = True
        return True
