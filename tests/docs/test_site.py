"""The site: built without a network, read without one, and no link leads nowhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dashboards.rules.written import ALERTS
from tests.parts import require

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]
BUILD = """
import runpy, sys

def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo"}:
        raise OSError(f"the build asks the network: {event} {arguments}")

sys.addaudithook(refuse)
runpy.run_module("mkdocs", run_name="__main__", alter_sys=True)
"""
LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "link": "href",
}
"""What a browser fetches by itself, by the element that names it."""


def build(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Build the site into a folder with a program that may not ask the network."""
    return subprocess.run(
        [sys.executable, "-c", BUILD, "build", "--strict", "-d", folder, *words],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the site, once."""
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


class Reader(HTMLParser):
    """A browser, as far as it fetches things and knows places in a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.classes: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element names."""
        said = dict(attrs)
        # A canonical address or the next page is a word about it; nobody fetches it.
        is_word = said.get("rel") in {"canonical", "next", "prev", "edit", "alternate"}
        loaded = None if is_word else said.get(LOADS.get(tag, ""))
        if loaded is not None:
            self.loaded.append(loaded)
        if said.get("id") is not None:
            self.ids.append(said["id"] or "")
        self.classes.update((said.get("class") or "").split())


def readers(site: Path) -> Iterator[tuple[Path, Reader]]:
    """Yield every page with what it names."""
    for page in sorted(site.rglob("*.html")):
        yield page, Reader(page)


def test_the_site_has_every_page(site: Path) -> None:
    """All of docs/, and what is at the top of the repository; each is in the menu."""
    wanted = {
        page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        for page in (ROOT / "docs").rglob("*.md")
    }
    built = {page.relative_to(site).as_posix() for page in site.rglob("*.html")}
    menu = set(re.findall(r'href="([^":#]+\.html)"', (site / "index.html").read_text()))

    assert built >= wanted | {"index.html", "security.html", "reference/chart.html"}
    assert menu >= wanted


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    """It is read in clusters without internet, and nobody is told who reads it."""
    for page, reader in readers(site):
        for loaded in reader.loaded:
            assert not re.match(r"(\w+:)?//", loaded), f"{page.name}: {loaded}"
            there = (page.parent / loaded.partition("?")[0].partition("#")[0]).resolve()
            # The page of a missing page has addresses of a server's own.
            assert there.exists() or page.name == "404.html", f"{page.name}: {loaded}"
        # Diagrams would bring their own program from a server of others.
        assert "mermaid" not in reader.classes, page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(\w+:)?//", style.read_text()), style.name


def test_an_alert_s_anchor_is_on_the_site_as_it_is_on_the_host(site: Path) -> None:
    """`monitoring.runbookUrl` may be the site's page."""
    ids = Reader(site / "runbook.html").ids

    assert [one for one in ids if one.startswith("goodput")] == [
        alert.name.lower() for alert in ALERTS
    ]


def test_links_that_lead_nowhere_end_the_build(tmp_path: Path) -> None:
    """A page, a heading and a file of the repository: each is named, nothing else."""
    copy = tmp_path / "repository"
    for name in repository_files():
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    page = copy / "docs/runbook.md"
    wrong = ("none.md", "limits.md#none", "../none/file")
    lines = "\n".join(f"[x]({link})" for link in wrong)
    page.write_text(f"{page.read_text(encoding='utf-8')}\n{lines}\n", encoding="utf-8")

    done = build(tmp_path / "site", "-f", str(copy / "mkdocs.yml"))

    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if "WARNING" in line]
    assert len(said) == len(wrong), done.stderr
    assert all("runbook.md" in line for line in said)
    assert [link for link in wrong if link not in done.stderr] == []


def repository_files() -> list[str]:
    """Return every file of the repository, but those that it does not keep."""
    git = require("git")
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
        timeout=20,
    )
    names = filter(None, listed.stdout.split("\0"))
    return [name for name in names if (ROOT / name).is_file()]
