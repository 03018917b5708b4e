"""Where the programs of a control plane are: the developer's own, or what we built."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from tests.parts import miss, require

ASSETS: Final = "KUBEBUILDER_ASSETS"
"""Where many projects of the ecosystem look for kube-apiserver and etcd."""
BUILD: Final = Path(__file__).parents[2] / "tools/kube/build"


def program(name: str) -> Path:
    """Return the path of a program that ``make kube`` builds; skip without it."""
    for folder in _folders():
        if (folder / name).is_file():
            return folder / name
    return miss(
        f"{name} is neither in {ASSETS} ({os.environ.get(ASSETS, 'not set')}) nor "
        f"built; run `make kube`, which takes Go and a quarter of an hour, once"
    )


@cache
def _folders() -> tuple[Path, ...]:
    assets = os.environ.get(ASSETS)
    where = (require("bash"), BUILD, "--where")
    built = subprocess.run(
        where, capture_output=True, text=True, check=True, timeout=10
    )
    return (*([Path(assets)] if assets else []), Path(built.stdout.strip()))
