"""The image gets what the tests ran on, and nothing that was changed on the way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "requirements"
HASHED = ("image.txt", "image-build.txt")


def pins(name: str) -> dict[str, str]:
    """Return the versions that a file of requirements names."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
    return {
        re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found
    }


def test_the_image_installs_the_versions_that_were_tested() -> None:
    """Two locks that drift apart would test one program and ship another."""
    tested = pins("run.txt") | pins("dev.txt")

    assert pins("image.txt").items() <= tested.items()


@pytest.mark.parametrize("name", HASHED)
def test_every_file_that_the_image_s_build_fetches_is_known_by_its_hash(
    name: str,
) -> None:
    """Whoever changes a file at the index, or on the way, stops the build."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]

    assert entries
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:60]
