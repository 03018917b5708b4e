"""The kubelet's newest listing, asked for in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from goodput_exporter.sources.podresources.listing import (
    KubeletError,
    Listing,
    Look,
    Trouble,
)
from goodput_exporter.sources.podresources.socket_paths import USUAL_ROOTS, find_socket

LOG: Final = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 1.0
"""A kubelet that restarts is back within seconds."""
LONGEST_PAUSE_SECONDS: Final = 60.0


class Kubelet(Protocol):
    """One kubelet that can be asked."""

    def listing(self) -> Listing:
        """
        Return what it lists now.

        Raises:
            KubeletError: It cannot be asked now.
        """


Connect = Callable[[Path, float], Kubelet]


def connect(path: Path, deadline_seconds: float) -> Kubelet:
    """
    Return a client of the kubelet behind a socket.

    Raises:
        KubeletError: gRPC is not installed.
    """
    try:
        # 16 MiB of memory: only where there is a kubelet to talk to.
        from goodput_exporter.sources.podresources.client import (  # noqa: PLC0415  # see above
            KubeletClient,
        )
    except ImportError as exc:
        msg = (
            f"{path} is there and cannot be asked: {exc}; "
            f"install goodput-exporter[agent]"
        )
        raise KubeletError(Trouble.NO_SOCKET, msg) from exc
    return KubeletClient(path, deadline_seconds)


class Looker:
    """
    Asks the kubelet, and remembers its last answer; nothing it meets is raised.

    Args:
        now_ns: The ledger's clock, in nanoseconds.
        roots: The kubelet's possible root directories, the likeliest first.
        deadline_seconds: How long one call may take.
        connect: Makes a client for a socket.
    """

    def __init__(
        self,
        now_ns: Callable[[], int],
        roots: Sequence[Path] = USUAL_ROOTS,
        *,
        deadline_seconds: float = 2.0,
        connect: Connect = connect,
    ) -> None:
        self.newest = Look(0, now_ns(), Trouble.NO_SOCKET, "not asked yet")
        self._now_ns = now_ns
        self._roots = roots
        self._deadline_seconds = deadline_seconds
        self._connect = connect
        self._kubelet: Kubelet | None = None
        self._path: Path | None = None

    def look(self) -> Look:
        """Ask once, waiting for at most two calls' deadlines; also keep it."""
        try:
            look = self._listed(self._ask())
        except KubeletError as exc:
            look = self._failed(exc)
        self.newest = look
        return look

    def _ask(self) -> Listing:
        path = find_socket(self._roots)
        if self._kubelet is None or path != self._path:
            self._kubelet = self._connect(path, self._deadline_seconds)
            self._path = path
        return self._kubelet.listing()

    def _listed(self, listing: Listing) -> Look:
        if self.newest.trouble is not None:
            LOG.info(
                "the kubelet answers at %s: %d devices given to containers",
                self._path,
                len(listing.allocations),
            )
        at_ns = self._now_ns()
        detail = f"{len(listing.allocations)} devices given to containers"
        return Look(self.newest.number + 1, at_ns, None, detail, listing, at_ns)

    def _failed(self, exc: KubeletError) -> Look:
        before = self.newest
        self._kubelet = None  # the next one may be newer, and serve more
        if before.number == 0 or before.trouble is not exc.trouble:
            LOG.warning("who holds which GPU is not known now: %s", exc.detail)
        return Look(
            before.number + 1,
            self._now_ns(),
            exc.trouble,
            exc.detail,
            before.listing,
            before.listed_ns,
        )


class PodResourcesSource:
    """
    Looks again and again in a thread; reading it never waits for a kubelet.

    Args:
        looker: Asks the kubelet.
        interval_seconds: Between two looks that succeed. After one that fails it is
            1 s, twice that after the next, up to 60 s.
    """

    def __init__(self, looker: Looker, *, interval_seconds: float = 5.0) -> None:
        self._looker = looker
        self._interval_seconds = interval_seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="kubelet", daemon=True)
        self._thread.start()

    def read(self) -> Look:
        """Return the newest look; its number tells whether it is news."""
        return self._looker.newest

    def close(self) -> None:
        """Stop looking, waiting for a call under way for 5 s at most."""
        self._closing.set()
        self._thread.join(timeout=5.0)

    def _keep(self) -> None:
        failures = 0
        while not self._closing.is_set():
            look = self._looker.look()
            failures = 0 if look.trouble is None else failures + 1
            self._closing.wait(pause_seconds(self._interval_seconds, failures))


def pause_seconds(interval_seconds: float, failures: int) -> float:
    """Return how long to wait after so many looks in a row that failed."""
    if failures == 0:
        return interval_seconds
    # Bounded before it is a float: a year without a kubelet is many doublings.
    longer = 1 << min(failures - 1, 16)
    return min(FIRST_PAUSE_SECONDS * longer, LONGEST_PAUSE_SECONDS)
