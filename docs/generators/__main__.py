"""Write the reference pages, or with ``--check`` fail when one is stale."""

from __future__ import annotations

import sys

from docs.generators import stale, write


def main(argv: list[str]) -> int:
    """Return 1 if ``--check`` found a stale page, else 0."""
    if argv == ["--check"]:
        for path in stale():
            print(f"{path.name} is stale; run `make docs` and commit it")
        return 1 if stale() else 0
    for path in write():
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
