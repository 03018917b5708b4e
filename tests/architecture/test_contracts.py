"""The architecture holds: who may import whom, and what the SDK may need."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SDK = sorted((ROOT / "sdk" / "goodput_sdk").rglob("*.py"))


def test_the_import_contracts_are_kept() -> None:
    """Layers point down, the domain is pure, each library has one door."""
    linter = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run(
        [linter, "--no-logo", "--no-cache"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'sdk'}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def imported(tree: ast.Module) -> set[str]:
    """Return the top-level packages that a module imports, wherever it does."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("path", SDK, ids=lambda path: path.name)
def test_the_sdk_needs_python_and_nothing_else(path: Path) -> None:
    """A training image installs one wheel; it must not pull in another."""
    # feature_version: the oldest grammar that a training image may bring.
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))

    assert imported(tree) <= {*sys.stdlib_module_names, "goodput_sdk"}


def test_the_settings_answer_without_loading_the_web_framework() -> None:
    """`goodput-exporter config` is for scripts; it starts no server's worth of code."""
    code = (
        "import sys; from goodput_exporter import cli; cli.parser(); "
        "print({'fastapi', 'pydantic', 'pynvml', 'sqlite3'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "set()"
