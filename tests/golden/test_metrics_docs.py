"""The reference of metrics is the catalogue, and nobody edits it by hand."""

from __future__ import annotations

from pathlib import Path

from docs.generators.metrics import render

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def test_the_reference_is_fresh() -> None:
    """Docs that lag behind the code are worse than none."""
    assert PAGE.read_text(encoding="utf-8") == render(), "generate the docs again"
