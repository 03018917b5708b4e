"""In which line of a TOML file a setting stands; tomllib does not tell."""

from __future__ import annotations

import re
from typing import Final

_TABLE: Final = re.compile(r"""\s*\[\s*["']?(?P<table>[\w-]+)["']?\s*\]""")
_NAME: Final = re.compile(r"""\s*["']?(?P<name>[\w.-]+)["']?\s*=""")


def lines_of(text: str) -> dict[str, int]:
    """
    Return the line of each name that a file gives a value, counted from 1.

    A name is ``table.name``, or ``name`` before the first table. Of a file in
    unusual notation (a quoted dot, tables within tables) some names are missing:
    a message then has the file alone.
    """
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if head := _TABLE.match(line):
            table = head["table"] + "."
            found.setdefault(head["table"], number)
        elif entry := _NAME.match(line):
            found.setdefault(table + entry["name"], number)
    return found
