"""A Lease on paper, a clock that a test moves, and a slow way to the paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.sources.kubernetes.leases import Lease


@dataclass
class Hands:
    """A clock that a test moves."""

    at: float = 1000.0

    def __call__(self) -> float:
        """Return where they stand."""
        return self.at


@dataclass
class Paper:
    """A Lease that several replicas write, as the API server keeps it."""

    clock: Hands
    lease: Lease = field(default_factory=Lease)
    is_away: bool = False

    def now(self) -> str:
        """Return the present."""
        return str(self.clock.at)

    def read(self) -> Lease:
        """Return the Lease."""
        if self.is_away:
            msg = "the API server is away"
            raise SourceUnavailableError(msg)
        return self.lease

    def write(self, lease: Lease) -> Lease | None:
        """Take the Lease, unless it was read in another version."""
        self.read()
        if lease.version != self.lease.version:
            return None
        self.lease = replace(lease, version=str(int(lease.version or 0) + 1))
        return self.lease


@dataclass
class Slow:
    """
    One replica's way to the paper: others act while its requests are under way.

    Args:
        paper: Where the Lease is.
        waits: What happens before each request is served and before its answer is
            there, in turn; without any more of them the way is quick.
    """

    paper: Paper
    waits: list[Callable[[], None]] = field(default_factory=list)

    def now(self) -> str:
        """Return the present."""
        return self.paper.now()

    def read(self) -> Lease:
        """Return the Lease as it stood when the request was served."""
        self._wait()
        found = self.paper.read()
        self._wait()
        return found

    def write(self, lease: Lease) -> Lease | None:
        """Write it when the request is served."""
        self._wait()
        written = self.paper.write(lease)
        self._wait()
        return written

    def _wait(self) -> None:
        if self.waits:
            self.waits.pop(0)()
