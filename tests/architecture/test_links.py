"""Every link between our own pages leads to a file and a heading that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from docs.mkdocs_hooks import BROUGHT, repository

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "dashboards/generated/rules.yaml"
NOTES = ROOT / "helm/goodput-exporter/templates/NOTES.txt"
LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")
ADDRESS = re.compile(r"(?:\{\{ \.Chart\.Home \}\}|%s)/blob/main/([^\s)\"]+)")
FENCE = re.compile(r"^( *)(```+).*?^\1\2", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Return every page that people read, wherever it is in the repository."""
    folders = ("docs", "examples", "changelog.d", "helm", "sdk")
    below = (page for folder in folders for page in (ROOT / folder).rglob("*.md"))
    return sorted([*ROOT.glob("*.md"), *below])


@cache
def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.+?) *#*$", prose(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        before = sum(one.partition("\0")[0] == slug for one in found)
        found.append(f"{slug}\0{before}")
    return frozenset(one.replace("\0", "-").removesuffix("-0") for one in found)


def dead(at: Path, links: Iterator[str] | list[str]) -> list[str]:
    """Return the links that lead nowhere from a file."""
    wrong = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (at.parent / path).resolve() if path else at
        is_page = target.suffix == ".md" and target.is_file()
        if not target.exists() or (
            anchor and is_page and anchor not in anchors(target)
        ):
            wrong.append(f"{at.relative_to(ROOT)}: {link}")
    return wrong


def test_a_reader_who_clicks_finds_the_heading() -> None:
    """In every page, to every page; addresses elsewhere are not asked."""
    assert [
        one for page in pages() for one in dead(page, LINK.findall(prose(page)))
    ] == []


def test_a_dead_link_would_be_noticed(tmp_path: Path) -> None:
    """The check can fail: on a file, on a heading, and on a second one of a name."""
    page = ROOT / "README.md"
    assert dead(page, ["docs/limits.md#by-nature", "LICENSE", "#more"]) == []

    wrong = ["docs/none.md", "docs/limits.md#by-chance", "#more-1"]
    assert dead(page, wrong) == [f"README.md: {link}" for link in wrong]
    twice = tmp_path / "twice.md"
    twice.write_text("# A `b_c`: d\n\n```\n# no heading\n```\n\n## A b_c d\n")
    assert anchors(twice) == {"a-b_c-d", "a-b_c-d-1"}


def test_an_alert_leads_to_its_part_of_the_runbook() -> None:
    """The address is a file of the repository, and the anchor a heading of it."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    led = [
        rule["annotations"]["runbook_url"].removeprefix(f"{repository()}/")
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    ]

    assert led
    assert dead(ROOT / "README.md", led) == []
    assert {one.partition("#")[0] for one in led} == {"docs/runbook.md"}


def test_the_notes_of_the_chart_lead_to_pages() -> None:
    """They are the first thing that a person reads after installing."""
    notes = NOTES.read_text(encoding="utf-8")
    found = [one.rstrip(")") for one in ADDRESS.findall(notes)]

    assert len(found) >= 2
    assert dead(ROOT / "README.md", found) == []


def test_every_page_from_elsewhere_on_the_site_exists() -> None:
    """What the site brings from outside docs/ is there, and is a page."""
    assert all((ROOT / path).is_file() for path in BROUGHT)
