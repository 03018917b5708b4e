"""The SQL of the ledger lies in files; this reads them once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable


@cache
def query(name: str) -> str:
    """Return the text of ``sql/sqlite/queries/NAME.sql``."""
    return _sqlite().joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")


def migrations() -> list[str]:
    """Return the migrations' texts in order; the first makes an empty file a ledger."""
    scripts = [
        script
        for script in _sqlite().joinpath("migrations").iterdir()
        if script.name.endswith(".sql")
    ]
    scripts.sort(key=lambda script: script.name)
    return [script.read_text(encoding="utf-8") for script in scripts]


def _sqlite() -> Traversable:
    return files("goodput_exporter.ledger").joinpath("sql", "sqlite")
