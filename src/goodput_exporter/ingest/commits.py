"""Waiting on an event loop for commits that another thread makes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from goodput_exporter.ingest.inbox import Fate


@dataclass(slots=True)
class Round:
    """
    Those who wait for one commit.

    Args:
        loop: Where they wait.
        waiting: By when each gives up, on the loop's clock, and what wakes it with
            whether the commit came; in the order in which they came.
        timer: Wakes the first of them in vain; None while nobody waits.
    """

    loop: asyncio.AbstractEventLoop
    waiting: deque[tuple[float, asyncio.Future[bool]]] = field(default_factory=deque)
    timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Tell all of them that it came."""
        if self.timer is not None:
            self.timer.cancel()
        for _, waiter in self.waiting:
            if not waiter.done():
                waiter.set_result(True)
        self.waiting.clear()

    def arm(self) -> None:
        """See to it that the first one does not wait too long."""
        if self.timer is None and self.waiting:
            self.timer = self.loop.call_at(self.waiting[0][0], self._give_up)

    def _give_up(self) -> None:
        self.timer = None
        now_s = self.loop.time()
        while self.waiting and self.waiting[0][0] <= now_s:
            _, waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(False)
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
            known = self._round(future, loop)
            waiter: asyncio.Future[bool] = loop.create_future()
            known.waiting.append((until_s, waiter))
            known.arm()
            if not await waiter:
                return

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
