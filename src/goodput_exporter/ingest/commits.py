"""Waiting on an event loop for commits that another thread makes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from goodput_exporter.ingest.inbox import Fate

Told = Callable[[bool], None]
"""Is told once whether the commit came."""


@dataclass(slots=True)
class Round:
    """
    Those who wait for one commit.

    Args:
        loop: Where they wait.
        waiting: By when each gives up, on the loop's clock, and whom to tell
            whether the commit came; in the order in which they came.
        timer: Wakes the first of them in vain; None while nobody waits.
    """

    loop: asyncio.AbstractEventLoop
    waiting: deque[tuple[float, Told]] = field(default_factory=deque)
    timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Tell all of them that it came."""
        if self.timer is not None:
            self.timer.cancel()
        waiting, self.waiting = self.waiting, deque()
        for _, told in waiting:
            # Each on its own: one that raises must not leave the others waiting.
            self.loop.call_soon(told, True)  # noqa: FBT003 - a callback's one word

    def arm(self) -> None:
        """See to it that the first one does not wait too long."""
        if self.timer is None and self.waiting:
            self.timer = self.loop.call_at(self.waiting[0][0], self._give_up)

    def _give_up(self) -> None:
        self.timer = None
        now_s = self.loop.time()
        while self.waiting and self.waiting[0][0] <= now_s:
            _, told = self.waiting.popleft()
            self.loop.call_soon(told, False)  # noqa: FBT003 - a callback's one word
        self.arm()


class Commits:
    """
    One callback and one timer for each commit, however many requests wait for it.

    Two thousand agents wait for the same commit: a timer and a watch of its own for
    each of them would cost more than to read what it sent.

    Args:
        seconds: How long a request waits at most.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._rounds: dict[Future[Fate], Round] = {}

    async def wait(self, futures: Iterable[Future[Fate]]) -> None:
        """Wait until all are done, but no longer than a request may."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._seconds
        for future in futures:
            if future.done():
                continue
            waiter: asyncio.Future[bool] = loop.create_future()
            self._add(future, loop, until_s, partial(_wake, waiter))
            if not await waiter:
                return

    def tell(
        self, future: Future[Fate], loop: asyncio.AbstractEventLoop, told: Told
    ) -> None:
        """Tell on *loop* when one is done, or that it was not within its time."""
        self._add(future, loop, loop.time() + self._seconds, told)

    def _add(
        self,
        future: Future[Fate],
        loop: asyncio.AbstractEventLoop,
        until_s: float,
        told: Told,
    ) -> None:
        known = self._round(future, loop)
        known.waiting.append((until_s, told))
        known.arm()

    def _round(self, future: Future[Fate], loop: asyncio.AbstractEventLoop) -> Round:
        known = self._rounds.get(future)
        if known is not None and known.loop is loop:
            return known
        found = self._rounds[future] = Round(loop)

        def settle() -> None:
            if self._rounds.get(future) is found:
                del self._rounds[future]
            found.wake()

        def done(_: Future[Fate]) -> None:
            # The thread that commits may outlive the server.
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle)

        future.add_done_callback(done)
        return found


def _wake(waiter: asyncio.Future[bool], is_committed: bool) -> None:  # noqa: FBT001 - as Told has it
    if not waiter.done():
        waiter.set_result(is_committed)
