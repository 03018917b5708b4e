"""The dashboards; each module is one, and says what it answers."""

from __future__ import annotations

from typing import Final

from dashboards.board import Board
from dashboards.boards.exporter import EXPORTER
from dashboards.boards.fleet import FLEET
from dashboards.boards.nodes import NODES_BOARD
from dashboards.boards.reliability import RELIABILITY
from dashboards.boards.run import RUN_BOARD

BOARDS: Final[tuple[Board, ...]] = (
    FLEET,
    RUN_BOARD,
    NODES_BOARD,
    RELIABILITY,
    EXPORTER,
)
