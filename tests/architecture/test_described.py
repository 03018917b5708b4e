"""The page about the architecture speaks of this house, and of all of it."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "src" / "goodput_exporter"
NAMED = re.compile(r"`([a-z_*/.]+)`")


def inside(folder: str) -> set[str]:
    """Return what a folder of the package holds: modules and, with a /, folders."""
    held = {path.stem for path in (PACKAGE / folder).glob("*.py")}
    return held | {f"{path.parent.name}/" for path in PACKAGE.glob(f"{folder}/*/*.py")}


def section(title: str) -> str:
    """Return the text under one heading of the page."""
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_every_folder_has_its_rule() -> None:
    """Whoever looks for the rule of a folder finds it in one table."""
    told = set(re.findall(r"^\| `(\w+)/` \|", section("The folders"), re.MULTILINE))

    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= told
    assert {name for name in told if not (PACKAGE / name).is_dir()} == {
        *("sdk", "helm", "image", "dashboards", "examples"),
    }


def test_the_modules_that_it_names_are_there() -> None:
    """A module that was renamed is renamed on the page, too."""
    text = section("Inside the larger folders")
    parts = re.split(r"^`(domain|sources|services)/`$", text, flags=re.MULTILINE)

    lost = [
        f"{folder}/{name}"
        for folder, table in zip(parts[1::2], parts[2::2], strict=True)
        for row in re.findall(r"^\| [^|]+ \| (.*`.*) \|$", table, re.MULTILINE)
        for name in NAMED.findall(row)
        if not any(fnmatch(held, name) for held in inside(folder))
    ]

    assert len(parts) == 7
    assert lost == []


def test_the_files_on_the_way_of_a_word_are_there() -> None:
    """The reading order leads to files, not to where files once were."""
    way = section("The way of the data")
    steps = re.findall(r"^\| \d+ \| (.*?) \|", way, re.MULTILINE)

    lost = [
        name
        for step in steps
        for name in NAMED.findall(step)
        if "/" in name and not ((PACKAGE / name).exists() or (ROOT / name).exists())
    ]

    assert len(steps) == 12
    assert lost == []


def test_the_fakes_that_the_page_of_the_tests_names_are_there() -> None:
    """Whoever needs a fake is led to one that exists."""
    page = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    folder = ROOT / "tests" / "fakes"
    fakes = {path.stem for path in folder.glob("*.py")}
    fakes |= {f"{path.parent.name}/" for path in folder.glob("*/*.py")}

    rows = re.findall(r"^\|.*`.*\|$", page, re.MULTILINE)
    told = {name for row in rows for name in NAMED.findall(row)}

    assert len(told) > 40
    assert {name for name in told if "/" not in name or name == "nvml/"} <= fakes
