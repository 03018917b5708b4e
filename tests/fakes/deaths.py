"""A child that is killed just before one of the things that it asks of the system."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

CHANGES: Final = frozenset({"os.link", "os.mkdir", "os.remove", "os.rename"})
"""What Python tells an audit hook of before it does it, and what changes names in a
folder. What SQLite writes it does not tell; that is SQLite's own to prove."""


def dies_before(number: int, folder: Path, act: Callable[[], object]) -> bool:
    """
    Let a copy of this process act, and kill it with -9 on the way.

    Args:
        number: Before which of the changes that it makes in *folder*, from 0.
        folder: Changes elsewhere do not count.
        act: What it does.

    Returns:
        Whether it was killed; False: it made fewer changes, and came to its end.

    Raises:
        AssertionError: It failed.
    """
    child = os.fork()
    if not child:
        _act(number, str(folder), act)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the child failed; see its output"
    return False


def _act(number: int, folder: str, act: Callable[[], object]) -> None:
    left = number

    def look(event: str, found: tuple[object, ...]) -> None:
        nonlocal left
        if event in CHANGES and found and str(found[0]).startswith(folder):
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    status = 1
    try:
        sys.addaudithook(look)
        act()
        status = 0
    finally:
        # Nothing of the parent's is tidied up twice.
        os._exit(status)
