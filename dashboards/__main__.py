"""Write dashboards and rules, or with ``--check`` fail when a file is stale."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dashboards.artefacts import GENERATED, UnsoundError, stale, write
from dashboards.rules.written import RUNBOOK


def main(argv: list[str]) -> int:
    """Return 1 if a file is stale or a query is wrong, else 0."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--out", type=Path, default=GENERATED, help="the folder")
    parser.add_argument(
        "--runbook",
        default=RUNBOOK,
        help="where your alerts' runbook is, as an address",
    )
    asked = parser.parse_args(argv)
    try:
        if asked.check:
            return _check(asked.out)
        for name in write(asked.out, asked.runbook):
            print(f"wrote {name}")
    except UnsoundError as exc:
        print(f"a query cannot mean anything:\n{exc}", file=sys.stderr)
        return 1
    return 0


def _check(folder: Path) -> int:
    found = stale(folder)
    for name in found:
        print(f"dashboards/generated/{name} is stale; run `make dashboards`")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
