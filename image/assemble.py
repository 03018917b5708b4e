"""
Gathers what the programs need at run time into an empty folder: the image's root.

It runs in the build stage, with the build tools. The base's interpreter, the parts of
the standard library that are used, the installed packages and every shared library
that they load are copied; a shell, a package manager and the rest of the base are
not. What is copied from Debian packages is listed as Debian lists it, so that
scanners find it, and in the bill of materials.
"""

from __future__ import annotations

import compileall
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

USER: Final = 65532
"""The user `nonroot` of images without a distribution; no host uses the number."""

UNIMPORTED: Final = ("kubernetes/aio",)
"""A second, asynchronous client in the same package: 70 MB that nothing imports."""

UNUSED: Final = frozenset(
    {"ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtledemo"}
)
"""Parts of the standard library that no program of ours imports."""

LOADED_BY_NAME: Final = ("libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1")
"""What NVML's library needs, which the container runtime puts in at the start."""

ACCOUNTS: Final = {
    "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
    f"nonroot:x:{USER}:{USER}:nonroot:/home/nonroot:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nnonroot:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
# The NVIDIA runtime tells Debian's folders for libraries by /etc/debian_version.
KEPT: Final = ("etc/debian_version", "usr/lib/os-release")
AUTHORITIES: Final = "etc/ssl/certs/ca-certificates.crt"
WRITABLE: Final = ("home/nonroot", "run/goodput", "var/lib/goodput-exporter")
DOCUMENTS: Final = "usr/share/doc"


def main(root: Path, installed: Path, bill: Path) -> None:
    """
    Fill *root*.

    Args:
        root: An empty folder.
        installed: The virtual environment of the programs.
        bill: The bill of materials of its packages, in CycloneDX' JSON.
    """
    frame(root)
    interpreter = copy_python(root)
    copy_programs(root, installed, interpreter)
    libraries = sorted(set(shared_libraries(root)))
    for library in libraries:
        copy_file(root, library)
    owners = packages_of([*libraries, interpreter])
    describe_packages(root, owners)
    write_bill(root, bill, owners)
    compile_sources(root)


def frame(root: Path) -> None:
    """Make the folders that every root has, and the accounts."""
    for folder in ("usr/bin", "usr/lib", "usr/lib64", "etc", "proc", "sys", "dev"):
        (root / folder).mkdir(parents=True)
    for name in ("lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for folder in WRITABLE:
        (root / folder).mkdir(parents=True)
        os.chown(root / folder, USER, USER)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    for name, text in ACCOUNTS.items():
        (root / name).write_text(text, encoding="ascii")
    for name in KEPT:
        if (Path("/") / name).exists():
            copy_file(root, Path("/") / name)
    (root / AUTHORITIES).parent.mkdir(parents=True)
    shutil.copyfile(Path("/") / AUTHORITIES, root / AUTHORITIES)


def copy_python(root: Path) -> Path:
    """Copy the interpreter and its library; return the interpreter's own path."""
    interpreter = Path(sys.executable).resolve()
    copy_file(root, interpreter)
    library = Path(sysconfig.get_path("stdlib"))

    def unused(folder: str, names: list[str]) -> set[str]:
        is_top = Path(folder) == library
        left = {"__pycache__", "site-packages", "dist-packages", "EXTERNALLY-MANAGED"}
        left |= UNUSED if is_top else set()
        return {
            name
            for name in names
            if name in left or (is_top and name.startswith("config-"))
        }

    shutil.copytree(library, root / library.relative_to("/"), ignore=unused)
    return interpreter


def copy_programs(root: Path, installed: Path, interpreter: Path) -> None:
    """Copy the virtual environment, without what is there for tests and builders."""
    target = root / installed.relative_to("/")
    ignored = shutil.ignore_patterns(
        "__pycache__", "tests", "*.pyi", "*.pxd", "*.h", "*.c", "include", "lib64"
    )
    shutil.copytree(installed, target, ignore=ignored, symlinks=True)
    [packages] = target.glob("lib/python*/site-packages")
    for folder in UNIMPORTED:
        shutil.rmtree(packages / folder)
    for path in (target / "bin").iterdir():
        if path.name not in {"python", "goodput-exporter"}:
            path.unlink()
    (target / "bin/python").unlink()
    (target / "bin/python").symlink_to(interpreter)


def shared_libraries(root: Path) -> Iterator[Path]:
    """
    Yield every library of the base that something in *root* loads.

    A wheel's own libraries find each other by the one that loads them, so what is
    missing when they are asked alone is looked for among the files of *root*.
    """
    yield from (Path(found) for found in _named(LOADED_BY_NAME))
    files = [path for path in root.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    for path in files:
        if path.is_symlink() or not _is_program(path):
            continue
        told = _run("ldd", str(path))
        missing = set(re.findall(r"^\s(\S+) => not found", told, re.MULTILINE))
        if missing - names:
            sys.exit(f"{path} needs {sorted(missing - names)}, which the base lacks")
        for found in re.findall(r"(?:=> |^\s)(/\S+) \(0x", told, re.MULTILINE):
            if not found.startswith(str(root)):
                yield Path(found)


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _run(*words: str) -> str:
    """Return what a program of the base prints; nothing where it fails."""
    done = subprocess.run(  # noqa: S603 - our own words, no shell
        words, capture_output=True, text=True, check=False
    )
    return done.stdout


def _named(names: Iterable[str]) -> Iterator[str]:
    known = _run("/sbin/ldconfig", "-p")
    for name in names:
        found = re.search(rf"^\s{re.escape(name)} .* => (\S+)$", known, re.MULTILINE)
        if found is not None:
            yield found[1]


def copy_file(root: Path, path: Path) -> None:
    """Copy one file of the base to its place, with links on the way resolved."""
    place = Path(os.path.realpath(path.parent)) / path.name
    target = root / place.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy(path.resolve(), target)


def packages_of(paths: Iterable[Path]) -> dict[str, str]:
    """
    Return the versions of the Debian packages that own *paths*, by name.

    A base whose Python is not Debian's own has no owner for it: it is then listed
    under its own name by :func:`write_bill`.
    """
    if shutil.which("dpkg-query") is None:
        return {}
    owners = {}
    for path in paths:
        # Packages list a library where it was before /lib became a link.
        for spelling in (str(path), os.path.realpath(path), f"/usr{path}"):
            told = _dpkg("--search", spelling)
            if told:
                package = told.splitlines()[0].rpartition(": ")[0]
                owners[package] = _dpkg("--show", "--showformat=${Version}", package)
                break
    return dict(sorted(owners.items()))


def _dpkg(*words: str) -> str:
    return _run("dpkg-query", *words)


def describe_packages(root: Path, owners: dict[str, str]) -> None:
    """Write each package's status where scanners of small images look, and licence."""
    status = root / "var/lib/dpkg/status.d"
    status.mkdir(parents=True)
    for package in owners:
        name = package.partition(":")[0]
        (status / name).write_text(_dpkg("--status", package), encoding="utf-8")
        licence = Path("/") / DOCUMENTS / name / "copyright"
        if licence.exists():
            target = root / DOCUMENTS / name / "copyright"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(licence.resolve(), target)
    python = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
    if python.exists():
        copy_file(root, python)


def write_bill(root: Path, bill: Path, owners: dict[str, str]) -> None:
    """Add the base's parts to the packages' bill of materials."""
    whole = json.loads(bill.read_text(encoding="utf-8"))
    parts = [
        _component(name, version, f"pkg:deb/debian/{name.partition(':')[0]}@{version}")
        for name, version in owners.items()
    ]
    if not any("python3" in name for name in owners):
        version = sysconfig.get_config_var("py_version")
        parts.append(_component("cpython", version, f"pkg:generic/python@{version}"))
    whole.setdefault("components", []).extend(parts)
    text = json.dumps(whole, indent=1) + "\n"
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        sys.exit(f"the bill of materials is none: {wrong}")
    target = root / DOCUMENTS / "goodput-exporter/sbom.cdx.json"
    target.parent.mkdir(parents=True)
    target.write_text(text, encoding="utf-8")


def _component(name: str, version: str, url: str) -> dict[str, str]:
    return {
        "type": "library",
        "bom-ref": url,
        "name": name.partition(":")[0],
        "version": version,
        "purl": url,
    }


def compile_sources(root: Path) -> None:
    """
    Compile every module: a read-only root keeps no bytecode.

    Unchecked: the sources cannot change, so nobody looks at their times.
    """
    for folder in (Path(sysconfig.get_path("stdlib")), Path("/opt/goodput-exporter")):
        compileall.compile_dir(
            root / folder.relative_to("/"),
            quiet=2,
            workers=0,
            stripdir=str(root),
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
