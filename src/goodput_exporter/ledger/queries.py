"""The SQL of the ledger lies in files, a folder per database; this reads them once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

Database = Literal["sqlite", "postgresql"]
"""Whose SQL: the folders of ``sql``."""


@cache
def query(name: str, database: Database = "sqlite") -> str:
    """Return the text of ``sql/DATABASE/queries/NAME.sql``."""
    return _sql(database).joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")


def migrations(database: Database = "sqlite") -> list[str]:
    """Return the migrations' texts in order; the first makes an empty ledger."""
    scripts = [
        script
        for script in _sql(database).joinpath("migrations").iterdir()
        if script.name.endswith(".sql")
    ]
    scripts.sort(key=lambda script: script.name)
    return [script.read_text(encoding="utf-8") for script in scripts]


def _sql(database: Database) -> Traversable:
    return files("goodput_exporter.ledger").joinpath("sql", database)
