"""
The one broad ``except`` of the exposition: a bad family costs only itself.

What fails is counted per family and page, and logged with its traceback at
most once a minute, because a page is rendered every second and the same bug
would fill the disk.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from goodput_exporter.exposition.metric import Metric

LOG_EVERY_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class Isolation:
    """
    What went wrong on the pages so far.

    Args:
        seconds: A clock that never goes back, for the pace of the log.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._logged_at: dict[str, float] = {}
        self._failed_now: set[str] = set()
        self.errors: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    @property
    def failed_now(self) -> frozenset[str]:
        """Return the families that are left out of the page being rendered."""
        return frozenset(self._failed_now)

    def begin_page(self) -> None:
        """Give every family another chance."""
        self._failed_now.clear()

    def each(
        self,
        items: Iterable[T],
        metric_of: Callable[[T], Metric],
        work: Callable[[T], R],
        *,
        leave_out: bool = True,
    ) -> list[R | None]:
        """
        Do *work* on every item; None stands where it raised.

        Args:
            items: What to work on.
            metric_of: Names the family that a failure is counted under.
            work: Anything; it may raise whatever it likes.
            leave_out: The family leaves the page; False where the item does.
        """
        done: list[R | None] = []
        for item in items:
            try:
                done.append(work(item))
            except Exception as error:  # noqa: BLE001 - the point of this module
                self._failed(metric_of(item).name, error, leave_out=leave_out)
                done.append(None)
        return done

    def refuse(self, family: str, count: int) -> None:
        """Count values that are not finite, or not possible for their metric."""
        self.errors[family] += count
        if self._may_log(f"{family} values"):
            logger.error(
                "%d value(s) of %s are negative, NaN or infinite and were left out; "
                "a source or the accounting is wrong",
                count,
                family,
            )

    def drop(self, family: str, count: int) -> None:
        """Count series whose labels another series of the page has already."""
        self.dropped[family] += count

    def _failed(self, family: str, error: Exception, *, leave_out: bool) -> None:
        if family in self._failed_now:
            return
        if leave_out:
            self._failed_now.add(family)
        self.errors[family] += 1
        if self._may_log(family):
            logger.error(
                "%s cannot be rendered (%r); %s is left out of the page",
                family,
                error,
                "all of it" if leave_out else "one subject",
                exc_info=error,
            )

    def _may_log(self, what: str) -> bool:
        now = self._seconds()
        if now - self._logged_at.get(what, -LOG_EVERY_SECONDS) < LOG_EVERY_SECONDS:
            return False
        self._logged_at[what] = now
        return True
