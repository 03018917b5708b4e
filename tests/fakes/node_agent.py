"""A real agent process beside the standalone that it pushes to."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.station import LINES, Station

AGGREGATOR = {
    "INGEST_ENABLED": "yes",
    "BOOKS_TICK_SECONDS": "0.1",
    # An agent that found nobody asks again after up to 20 s.
    "BOOKS_SETTLE_AFTER_START_SECONDS": "60",
}


class AgentStation(Station):
    """
    One agent on a folder; may be killed and started again.

    Args:
        folder: Where its spool, its notes and its log are.
        sockets: Where its socket is.
        to: The address of the aggregator; None pushes nothing.
        settings: Changes, by the name behind ``GOODPUT_EXPORTER_``.
    """

    def __init__(
        self, folder: Path, sockets: Path, to: str | None, settings: dict[str, str]
    ) -> None:
        folder.mkdir(exist_ok=True)
        pushing = {} if to is None else {"PUSH_URL": to, "PUSH_EVERY_SECONDS": "0.2"}
        quiet = {"KUBELET_ENABLED": "no", "AGENT_FOLDER": str(folder / "agent")}
        super().__init__(folder, sockets, quiet | pushing | settings)
        self.command = "agent"


@contextmanager
def node_agent(folder: Path, to: str | None, **settings: str) -> Iterator[AgentStation]:
    """Give an agent that is not started yet; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="gp") as sockets:
        one = AgentStation(folder, Path(sockets), to, settings)
        try:
            yield one
        finally:
            one.close()
            sys.stdout.write("\n".join(["the agent said:", *one.lines()[-LINES:]]))
