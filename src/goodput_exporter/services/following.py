"""Every kind of the table followed at once, told to one tracker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from goodput_exporter.sources.kubernetes.changes import ChangeQueue
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.kinds import Kind, followed
from goodput_exporter.sources.kubernetes.reflector import Reflector
from goodput_exporter.sources.kubernetes.standing import Standing, State, joined
from goodput_exporter.sources.kubernetes.waits import Waits
from goodput_exporter.sources.workloads.tracker import Tracker

CLOSE_S: Final = 2.0
CLUSTER_WIDE: Final = frozenset({"nodes"})
"""What is in no namespace."""


class Following:
    """
    A reflector per kind, and what they have seen on its way to the tracker.

    Args:
        server: Whom to ask.
        tracker: Is told of every change, on the caller's thread.
        now_ns: The ledger's clock.
        waits: Time limits and pauses.
        namespaces: Where, one by one; none is everywhere. What is in no namespace is
            followed all the same, if that is allowed.
        kinds: What to follow.
        chance: Where jitter comes from.
    """

    def __init__(  # noqa: PLR0913 - services take values, each named at the call
        self,
        server: ApiServer,
        tracker: Tracker,
        *,
        now_ns: Callable[[], int],
        waits: Waits,
        namespaces: Sequence[str] = (),
        kinds: Sequence[Kind[Any]] | None = None,
        chance: Random | None = None,
    ) -> None:
        self._tracker = tracker
        self._queue = ChangeQueue()
        self._kinds = followed() if kinds is None else tuple(kinds)
        # A kind that is followed in several namespaces has several reflectors.
        self._of_kind = [
            [
                Reflector(
                    server,
                    kind,
                    self._queue,
                    now_ns=now_ns,
                    # Chance spreads requests and keeps no secret.
                    chance=chance or Random(),  # noqa: S311 - see above
                    waits=waits,
                    namespace=namespace,
                )
                for namespace in _places(kind, namespaces)
            ]
            for kind in self._kinds
        ]
        self._reflectors = [one for several in self._of_kind for one in several]

    def start(self) -> None:
        """Begin to follow."""
        for reflector in self._reflectors:
            reflector.start()

    def close(self) -> None:
        """Stop following; what nobody took is listed again by whoever follows next."""
        self._queue.close()
        for reflector in self._reflectors:
            reflector.stop()
        # Threads that wait for a silent server would else be waited for in turn.
        ends_at = time.monotonic() + CLOSE_S
        for reflector in self._reflectors:
            reflector.close(max(0.0, ends_at - time.monotonic()))

    def take(self) -> None:
        """Tell the tracker what has come."""
        self._tracker.follow(
            [
                (kind.group, kind.name)
                for kind, several in zip(self._kinds, self._of_kind, strict=True)
                if any(_is_followed(one) for one in several)
            ]
        )
        for change in self._queue.drain():
            self._tracker.change(
                change.verb.value,
                change.plain(),
                change.seen_ns,
                estimated=change.estimated,
            )

    def standings(self) -> list[Standing]:
        """Return how each kind stands, in the order of the table."""
        return [
            joined([reflector.standing() for reflector in several])
            for several in self._of_kind
        ]

    def is_listed(self) -> bool:
        """Tell whether each kind was listed since the start, or is not served."""
        return not len(self._queue) and all(
            one.synced_ns is not None or one.state is State.ABSENT
            for one in self.standings()
        )

    def is_answered(self) -> bool:
        """Tell the same, or that reading a kind is forbidden: then it will not be."""
        return not len(self._queue) and all(
            one.synced_ns is not None or one.state in {State.ABSENT, State.FORBIDDEN}
            for one in self.standings()
        )

    def label_of(self, at: int) -> str:
        """Return what metrics call a kind; one of a name used twice says its group."""
        kind = self._kinds[at]
        twins = [one for one in self._kinds if one.name == kind.name]
        is_first = twins[0] is kind
        return kind.name if is_first else f"{kind.name}.{kind.group}"

    @property
    def blocked(self) -> int:
        """Return how often reading had to wait because the tick was behind."""
        return self._queue.blocked


def _places(kind: Kind[Any], namespaces: Sequence[str]) -> Sequence[str | None]:
    """Return where to follow a kind; None is everywhere."""
    everywhere = not namespaces or kind.plural in CLUSTER_WIDE
    return (None,) if everywhere else tuple(dict.fromkeys(namespaces))


def _is_followed(reflector: Reflector[Any]) -> bool:
    return reflector.standing().state in {State.SYNCED, State.RELISTING}
