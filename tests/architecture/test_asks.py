"""Every public ask and fault is shown by tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/explanation/asks.md"
ASKS = range(1, 53)
FAULTS = range(1, 50)
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| (.+) \|$", re.MULTILINE)
SHOWN = re.compile(r"`(tests/[^`:]+)::([^`]+)`")


def rows(table: str) -> dict[int, list[tuple[str, str]]]:
    """Return the tests that one table of the page names, by number."""
    part = PAGE.read_text(encoding="utf-8").split(f"\n## {table}\n")[1]
    part = part.split("\n## ")[0]
    found = {int(number): SHOWN.findall(by) for number, _, by in ROW.findall(part)}
    assert len(ROW.findall(part)) == len(found), f"{table}: a number stands twice"
    return found


@cache
def named_in(path: str) -> frozenset[str]:
    """Return the names of the tests that a file has; none if there is no file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, functions) and node.name.startswith("test_")
    )


def unknown(shown: list[tuple[str, str]]) -> list[str]:
    """Return which of some tests there are not."""
    return [f"{path}::{name}" for path, name in shown if name not in named_in(path)]


def test_every_ask_and_every_fault_has_its_row() -> None:
    """None is left out, and none is there twice."""
    assert sorted(rows("Asks")) == list(ASKS)
    assert sorted(rows("Faults")) == list(FAULTS)


def test_every_row_names_a_test_and_every_test_exists() -> None:
    """A test that is renamed or removed takes its row with it."""
    for table in ("Asks", "Faults"):
        for number, shown in rows(table).items():
            assert shown, f"{table} {number} is shown by no test"
            assert unknown(shown) == [], f"{table} {number}"


def test_every_test_on_the_page_exists() -> None:
    """Also those of the tables without numbers."""
    shown = SHOWN.findall(PAGE.read_text(encoding="utf-8"))

    assert len(shown) > len(ASKS) + len(FAULTS)
    assert unknown(shown) == []


def test_a_test_that_does_not_exist_would_be_noticed() -> None:
    """The check can fail: on a file, and on a name in a file."""
    here = "tests/architecture/test_asks.py"
    name = "test_a_test_that_does_not_exist_would_be_noticed"

    assert unknown([(here, name)]) == []
    assert unknown([(here, "test_else"), ("tests/none.py", name)]) == [
        f"{here}::test_else",
        f"tests/none.py::{name}",
    ]
