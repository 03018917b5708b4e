"""One run in memory, and what may be shown of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from goodput_exporter.domain.describe import Around, Published, view_of
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.tail import tail_of
from goodput_exporter.ledger.state import decode_state


@dataclass(slots=True)
class Tended:
    """
    One run in memory: its fold, its last committed state, what may be shown.

    Args:
        changed: The fold holds something that is not in *state*.
        closed_ns: When the end of the run was written down.
        view: The last one; exposition keeps what it made of the same object.
        shown: What that view rests on.
    """

    fold: Fold
    state: bytes
    published: Published = field(default_factory=Published)
    changed: bool = True
    closed_ns: int | None = None
    view: RunView | None = None
    shown: tuple[bytes, Mapping[str, str], int] | None = None

    def show(self, around: Around, rules: Rules) -> RunView:
        """Return what is committed, as it looks now; the same object if it is."""
        if self.view is not None and self.shown == self._basis(self.view, around):
            return self.view
        # A copy of what is committed, driven on to now; the fold itself may be
        # further than the ledger.
        ahead = decode_state(self.state)
        tail = tail_of(ahead, around.now_ns, rules, around.silence_ns)
        self.view = view_of(ahead, tail, self.published, rules, around)
        self.shown = self._basis(self.view, around)
        return self.view

    def set_back(self) -> None:
        """Go back to the last commit, without what has been seen since."""
        self.fold = decode_state(self.state)
        self.fold.inbox, self.fold.exits, self.fold.placements = [], [], []

    def _basis(
        self, view: RunView, around: Around
    ) -> tuple[bytes, Mapping[str, str], int]:
        """Return what a view rests on; for a run that is over, time does not count."""
        at_ns = around.now_ns if view.ended_ns is None else view.ended_ns
        return self.state, around.gpu_names, at_ns
