"""Any text as text that PostgreSQL can hold, and back."""

from __future__ import annotations

import re
from typing import Final

ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


def as_text(name: str) -> str:
    r"""Write a NUL, which PostgreSQL's text cannot hold, as ``\0``, and ``\`` twice."""
    return name.replace("\\", "\\\\").replace("\0", "\\0")


def from_text(text: str) -> str:
    """Return the name that ``as_text`` wrote."""
    if "\\" not in text:
        return text
    return ESCAPE.sub(lambda found: "\0" if found[1] == "0" else found[1], text)
