"""The house is in order: generated pages, sizes, words, commands."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import generators
from tests.parts import require

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("sdk/goodput_sdk/**/*.py")])
LONG = 300
LONG_SHARE = 0.1

# Written in pieces, or this file would be the first to break its own rule.
MACHINE_PATHS = tuple("/" + name + "/" for name in ("work", "root", "." + "library"))
# A path begins after a blank or a quote; "https://host/dir/x" is an address.
MACHINE_PATH = re.compile(
    r"(?<![\w.:/~-])(" + "|".join(map(re.escape, MACHINE_PATHS)) + ")"
)
BARE_IGNORE = re.compile(r"#\s*(?:noqa|type:\s*ignore)\b[\w:,\[\]\s]*$")
REGISTRY = re.compile("index" + r"[-_]url|find" + r"[-_]links", re.IGNORECASE)


def name_of(path: Path) -> str:
    """Return a file's name for the list of tests; many are called ``__init__``."""
    return f"{path.parent.name}/{path.name}"


def test_the_generated_pages_are_fresh() -> None:
    """The reference says what the code says; `make docs` writes it again."""
    assert [path.name for path in generators.stale()] == []


def test_every_generated_page_has_a_title_and_a_warning() -> None:
    """Nobody edits a generated page by mistake."""
    for path, text in generators.pages().items():
        assert text.startswith("# "), path.name
        assert "generated from" in text.partition("##")[0].lower(), path.name
        assert text.endswith("\n"), path.name


def test_a_module_can_be_read_in_one_sitting() -> None:
    """Past 300 lines a module wants to be two: few are longer, none is twice that."""
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in SOURCES}

    long = [path.name for path, count in lines.items() if count > LONG]

    assert len(long) <= LONG_SHARE * len(lines), long
    assert max(lines.values()) <= 2 * LONG


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_opens_with_a_sentence(path: Path) -> None:
    """Whoever opens a file learns from its first line what it is."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""

    assert docstring.partition("\n\n")[0].endswith((".", ":", "?"))


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Yield the name and content of every text file in the repository."""
    git = require("git")
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue  # deleted, and the deletion is not committed yet
        content = path.read_bytes()
        if b"\0" not in content:
            yield name, content.decode("utf-8", errors="replace")


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """A path or a registry of one machine works on that machine only."""
    found = [
        f"{name}: {match.group()}"
        for name, text in tracked_texts()
        for pattern in (MACHINE_PATH, REGISTRY)
        if (match := pattern.search(text))
    ]

    assert found == []


def test_the_readme_names_commands_that_exist() -> None:
    """What a newcomer types is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]

    for page in pages:
        asked = re.findall(
            r"^ *(?:\$ )?make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE
        )
        assert set(asked) <= targets, page.name


def test_the_tools_are_pinned_to_the_digit() -> None:
    """The same commit installs the same tools next year."""
    pin = re.compile(r"[\w.-]+==[\w.!+-]+( (; [^\\]+ )?\\)?")
    rest = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    for lock in (ROOT / "requirements").glob("*.txt"):
        for line in lock.read_text().splitlines():
            if line and not line.startswith(("#", "-r ")):
                is_pinned = pin.fullmatch(line) or rest.fullmatch(line)
                assert is_pinned, f"{lock.name}: {line}"


def test_every_ignore_of_the_linter_has_its_reason() -> None:
    """An exception without a reason is a habit."""
    checked = [*SOURCES, *ROOT.glob("tests/**/*.py"), *ROOT.glob("examples/**/*.py")]

    bare = [
        f"{name_of(path)}: {line.strip()}"
        for path in checked
        for line in path.read_text(encoding="utf-8").splitlines()
        if BARE_IGNORE.search(line)
    ]

    assert bare == []


def test_runtime_dependencies_stay_few() -> None:
    """Whoever runs the agent on ten thousand nodes installs five packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert len(project["dependencies"]) <= 5
