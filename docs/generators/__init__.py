"""
The reference pages, each rendered from what the code itself says.

A module of this package with ``render() -> str`` becomes the page of the same
name in ``docs/reference``. Whoever adds a generator adds a file, nothing else.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

REFERENCE = Path(__file__).resolve().parent.parent / "reference"


def pages() -> dict[Path, str]:
    """Return what every generated page should hold, by its path."""
    rendered = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name == "__main__":
            continue
        generator = importlib.import_module(f"{__name__}.{module.name}")
        rendered[REFERENCE / f"{module.name}.md"] = generator.render()
    return rendered


def stale() -> list[Path]:
    """Return the pages whose file is missing or says something else."""
    return [
        path
        for path, wanted in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != wanted
    ]


def write() -> list[Path]:
    """Write the stale pages, and return them."""
    rendered = pages()
    written = stale()
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rendered[path], encoding="utf-8")
    return written
