"""What people ask of the books: done within a tick, answered once committed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.causes import Correction
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import BadInputError, GoodputError, LedgerError
from goodput_exporter.services.bookkeeper import Bookkeeper

WAITING: Final = 100
"""Requests that may wait for a tick; a person who asks more often is a program."""


@dataclass(slots=True)
class Request:
    """One correction, and where its answer goes."""

    key: RunKey
    said: Correction
    answer: Future[None] = field(default_factory=Future)


class Desk:
    """Takes corrections from any thread and hands them to the one that books."""

    def __init__(self) -> None:
        self._asked: deque[Request] = deque()

    def correct(self, key: RunKey, said: Correction, *, patience: float) -> None:
        """
        Correct the cause of an incident, and wait until it is in the ledger.

        Args:
            key: The run.
            said: What a person says of it.
            patience: Seconds to wait for the tick that commits it.

        Raises:
            BadInputError: There is no such run or incident, or too many ask.
            LedgerError: The ledger takes no entries; nothing is corrected yet.
        """
        if len(self._asked) >= WAITING:
            msg = f"{WAITING} corrections wait already; try again in a while"
            raise BadInputError(msg)
        request = Request(key, said)
        self._asked.append(request)
        try:
            request.answer.result(patience)
        except TimeoutError as exc:
            request.answer.cancel()
            msg = (
                f"run {key}: the correction of incident {said.incident} was not "
                f"committed within {patience:.0f} s; look at the exporter's log"
            )
            raise LedgerError(msg) from exc

    def serve(self, books: Bookkeeper, now_ns: int) -> list[Request]:
        """Carry out what was asked since; answer when it has been committed."""
        done: list[Request] = []
        for request in self._taken():
            try:
                books.correct(request.key, request.said, now_ns)
            except GoodputError as exc:
                request.answer.set_exception(exc)
            else:
                done.append(request)
        return done

    def _taken(self) -> Iterator[Request]:
        while self._asked:
            request = self._asked.popleft()
            # One whose asker has gone is not carried out behind his back.
            if request.answer.set_running_or_notify_cancel():
                yield request


def answer(requests: list[Request], *, is_committed: bool) -> None:
    """Tell the askers what came of it."""
    for request in requests:
        if is_committed:
            request.answer.set_result(None)
            continue
        msg = "the ledger takes no entries now; the correction waits with all others"
        request.answer.set_exception(LedgerError(msg))
