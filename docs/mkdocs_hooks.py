"""
What MkDocs asks of us: pages from outside ``docs/``, and their links.

The same Markdown is read on GitHub, where links are between files of the repository.
On the site a page of the repository's top has another place, and a file that is no
page is shown by the repository's host.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = "docs"
BROUGHT: Final[Mapping[str, str]] = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "helm/goodput-exporter/README.md": "reference/chart.md",
    "sdk/README.md": "reference/sdk.md",
}
"""Pages from elsewhere in the repository, and where they are on the site."""

SECTIONS: Final[Mapping[str, str]] = {
    "tutorial": "Tutorial",
    "how-to": "How to",
    "reference": "Reference",
    "explanation": "Explanation",
}
"""Where a page goes that ``nav`` does not name, by its folder."""

LINK: Final = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")
"""The file that a link leads to, without its anchor; no address elsewhere."""


def repository() -> str:
    """Return where the files of the repository are shown."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    address: str = tomllib.loads(text)["project"]["urls"]["Documentation"]
    return address.removesuffix(f"/{DOCS}")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put pages that nobody has placed at the end of their folder's section."""
    nav: list[dict[str, Any]] = config.nav or []
    named = set(_named(nav))
    for path in sorted((ROOT / DOCS).rglob("*.md")):
        page = path.relative_to(ROOT / DOCS).as_posix()
        section = SECTIONS.get(page.partition("/")[0])
        if page not in named and section is not None:
            next(one for one in nav if section in one)[section].append(page)
    return config


def _named(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        for said in entry.values() if isinstance(entry, dict) else [entry]:
            if isinstance(said, str):
                yield said
            else:
                yield from _named(said)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Bring the pages from elsewhere."""
    for path, place in BROUGHT.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Let a page's links lead where their files are on the site, or are shown."""
    del config
    at = page.file.src_uri
    sources = {place: path for path, place in BROUGHT.items()}
    folder = Path(sources.get(at, f"{DOCS}/{at}")).parent

    def led(found: re.Match[str]) -> str:
        target = os.path.normpath(folder / found[1])
        place = BROUGHT.get(target, target.removeprefix(f"{DOCS}/"))
        if files.get_file_from_path(place) is not None:
            return os.path.relpath(place, Path(at).parent)
        # What is not in the repository stays, and the build says that it is nowhere.
        is_shown = (ROOT / target).exists()
        return f"{repository()}/{target}" if is_shown else found[1]

    return LINK.sub(led, markdown)
