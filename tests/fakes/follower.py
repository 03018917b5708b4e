"""A reflector in a story, and a book that notices when something is told twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

from goodput_exporter.sources.kubernetes.access import Access, explicit
from goodput_exporter.sources.kubernetes.changes import Change, ChangeQueue, Verb
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.kinds import PODS, Kind
from goodput_exporter.sources.kubernetes.lean import identity, version_of
from goodput_exporter.sources.kubernetes.reflector import Reflector
from goodput_exporter.sources.kubernetes.standing import Standing, State
from goodput_exporter.sources.kubernetes.waits import Waits
from tests.fakes.kube_server import KubeServer

PATIENCE_S: Final = 15.0
TURN_S: Final = 0.02

SHORT: Final = Waits(
    connect_s=2.0,
    answer_s=1.0,
    silence_s=0.4,
    short_watch_s=0.005,
    pause_first_s=0.005,
    pause_most_s=0.04,
    retry_after_most_s=0.05,
    forbidden_s=0.05,
    absent_s=0.05,
)
"""The product's waits, about two hundred times as fast."""


class Follower:
    """
    What a service knows that does nothing but believe the changes.

    Args:
        server: The API server.
        kind: What to follow.
        token_file: Who it is; None for nobody.
        access: Another way in, in place of both.
        waits: Time limits.
        bound: Of the queue.
    """

    def __init__(  # noqa: PLR0913 - what a story may choose, each by its name
        self,
        server: KubeServer,
        kind: Kind[Any] = PODS,
        *,
        token_file: Path | None = None,
        access: Access | None = None,
        waits: Waits = SHORT,
        bound: int = 1000,
    ) -> None:
        self._server, self._path = server, kind.path(kind.versions[0])
        self.queue = ChangeQueue(bound)
        api = ApiServer(access or explicit(server.url, token_file), waits)
        self.reflector = Reflector(
            api,
            kind,
            self.queue,
            now_ns=time.monotonic_ns,
            chance=Random(7),  # noqa: S311 - a story repeats its chances
            waits=waits,
        )
        self.known: dict[str, str | None] = {}
        self.changes: list[Change] = []

    @contextmanager
    def following(self) -> Iterator[Follower]:
        """Follow for the length of the block."""
        self.reflector.start()
        try:
            yield self
        finally:
            self.queue.close()
            assert self.reflector.close(), "the thread did not end"

    @property
    def standing(self) -> Standing:
        """Return how the kind stands."""
        return self.reflector.standing()

    def take(self) -> None:
        """Believe what has come; complain of what was told before."""
        for change in self.queue.drain():
            key = identity(change.found)
            assert key is not None
            is_new = change.verb is Verb.ADDED
            assert (key in self.known) is not is_new, f"told twice: {change}"
            if change.verb is Verb.DELETED:
                del self.known[key]
            else:
                version = version_of(change.found)
                assert self.known.get(key) != version, f"told twice: {change}"
                self.known[key] = version
            self.changes.append(change)

    def settle(self, path: str | None = None) -> None:
        """
        Wait until what is believed and what is held equals a fresh list.

        And until a watch has brought its first word, so that the story's next
        act meets the next watch.

        Raises:
            AssertionError: It did not in time, or something was told twice.
        """
        path = path or self._path
        self.until(
            lambda: (
                self.known == self._server.versions(path) == self._held()
                and (self.standing.last_event_ns or 0) > (self.standing.synced_ns or 0)
            )
        )

    def _held(self) -> dict[str, str | None]:
        held = self.reflector.objects()
        return {identity(found) or "": version_of(found) for found in held}

    def reach(self, state: State) -> None:
        """Wait until the kind stands so."""
        self.until(lambda: self.standing.state is state)

    def until(self, holds: Callable[[], bool]) -> None:
        """Take changes until a condition holds."""
        ends_at = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > ends_at:
                msg = f"not in time: {self.standing}; known {self.known}"
                raise AssertionError(msg)
            self.queue.wait(TURN_S)
            self.take()

    def told(self, uid: str) -> list[Change]:
        """Return what was told about one object."""
        return [change for change in self.changes if identity(change.found) == uid]
