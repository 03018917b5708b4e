"""Real parts that some tests start: a program that is missing skips, or fails in CI."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def require(program: str, *, package: str = "") -> Path:
    """
    Return the path of a program that the test starts.

    Without it a laptop skips the test and says why; CI fails, so that a
    suite which never ran cannot look green.

    Args:
        program: The name to look for on the PATH.
        package: What to install, where its name differs from the program's.
    """
    found = shutil.which(program)
    if found is None:
        miss(f"{program} is not on the PATH; install {package or program}")
    return Path(found)


def require_file(path: Path, *, reason: str) -> Path:
    """Return *path* if it exists; else skip, or fail in CI, for *reason*."""
    if not path.exists():
        miss(f"{path} does not exist: {reason}")
    return path


def require_postgresql() -> Path:
    """Return the folder of PostgreSQL's server programs, the newest there is."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    # Debian keeps them off the PATH, a folder per major version.
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(found, key=lambda path: int(path.parts[-3]), default=None)
    if newest is None:
        miss("initdb is not here; install postgresql")
    return newest.parent


def miss(reason: str, *, in_ci: bool = IN_CI) -> NoReturn:
    """Skip the test for *reason*, or fail it in CI."""
    if in_ci:
        pytest.fail(f"{reason} (CI=true, so this is a failure, not a skip)")
    pytest.skip(reason)
