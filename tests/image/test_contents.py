"""What is in the image, and what is not."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from tests.image.containers import Image

pytestmark = [pytest.mark.real, pytest.mark.timeout(960)]

ROOT = Path(__file__).parents[2]
SHELLS = {"sh", "bash", "dash", "ash", "zsh", "busybox", "perl", "env"}
INSTALLERS = {"apt", "apt-get", "dpkg", "pip", "pip3", "uv"}
LARGEST_MIB = 420
"""What the README says, and a tenth."""


def files(image: Image) -> list[Path]:
    """Return every file and folder of the image, itself included."""
    return [image.root, *image.root.rglob("*")]


def test_there_is_neither_a_shell_nor_a_way_to_install_one(image: Image) -> None:
    """Whoever gets in finds Python and our programs."""
    programs = {
        path.name
        for path in files(image)
        if path.is_file() and not path.is_symlink() and os.access(path, os.X_OK)
    }

    assert not programs & (SHELLS | INSTALLERS)


def test_nothing_lends_its_owner_s_rights(image: Image) -> None:
    """No set-uid and no set-gid program."""
    special = stat.S_ISUID | stat.S_ISGID
    found = [path for path in files(image) if path.lstat().st_mode & special]

    assert [path for path in found if path.is_file()] == []


def test_its_user_owns_only_the_folders_that_volumes_cover(image: Image) -> None:
    """The programs cannot change themselves, root read-only or not."""
    theirs = {
        f"/{path.relative_to(image.root)}"
        for path in files(image)
        if path.lstat().st_uid == 65532
    }

    assert theirs == {"/home/nonroot", "/run/goodput", "/var/lib/goodput-exporter"}


def test_it_runs_as_nobody_in_particular_by_default(image: Image) -> None:
    """Whoever starts it without a thought does not start root."""
    config = image.inspected["OCIv1"]["config"]

    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/opt/goodput-exporter/bin/goodput-exporter"]
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert re.fullmatch(
        r"[0-9a-f]{40}|unknown", config["Labels"]["org.opencontainers.image.revision"]
    )


def test_the_bill_of_materials_lists_what_is_there(image: Image) -> None:
    """Each package at its version, Python's and Debian's; none that is not there."""
    path = image.root / "usr/share/doc/goodput-exporter/sbom.cdx.json"
    bill = json.loads(path.read_text(encoding="utf-8"))
    listed = {
        (_plain(one["name"]), one["version"])
        for one in bill["components"]
        if one["purl"].startswith("pkg:pypi")
    }
    [packages] = image.root.glob("opt/goodput-exporter/lib/python3*/site-packages")
    installed = {
        _name_and_version(one.name) for one in packages.glob("*.dist-info")
    } - {("goodput-exporter", _version())}

    assert bill["bomFormat"] == "CycloneDX"
    assert listed == installed
    assert listed == locked()
    debian = {one["purl"] for one in bill["components"]} - {
        one["purl"] for one in bill["components"] if "pkg:pypi" in one["purl"]
    }
    assert any(url.startswith("pkg:deb/debian/libc6@") for url in debian)


def locked() -> set[tuple[str, str]]:
    """Return what the lock names for this machine: all but other Pythons' parts."""
    text = (ROOT / "requirements/image.txt").read_text(encoding="utf-8")
    return {
        (_plain(name), version)
        for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _name_and_version(folder: str) -> tuple[str, str]:
    name, _, version = folder.removesuffix(".dist-info").partition("-")
    return _plain(name), version


def _version() -> str:
    text = (ROOT / "src/goodput_exporter/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'__version__ = "(.*)"', text)
    assert found is not None
    return found[1]


def test_each_part_comes_with_its_licence(image: Image) -> None:
    """Debian's by its copyright file; wheels carry theirs or name it."""
    documents = image.root / "usr/share/doc"
    status = image.root / "var/lib/dpkg/status.d"
    [packages] = image.root.glob("opt/goodput-exporter/lib/python3*/site-packages")

    debian = {path.name for path in status.iterdir()}
    assert debian
    assert {path.name for path in documents.iterdir()} >= debian
    for one in packages.glob("*.dist-info"):
        said = (one / "METADATA").read_text(encoding="utf-8")
        assert re.search(r"^(License|Classifier: License)", said, re.MULTILINE), one


def test_it_is_no_larger_than_the_readme_says(image: Image) -> None:
    """It is pulled on every GPU node."""
    size = sum(path.lstat().st_size for path in files(image) if path.is_file())

    assert size / 2**20 < LARGEST_MIB
