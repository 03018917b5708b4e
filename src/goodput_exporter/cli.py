"""The command line: read the settings, set up the log, start one program."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from goodput_exporter import __version__
from goodput_exporter.config.fields import FIELDS, Field
from goodput_exporter.config.places import gather, nearest, settings_from
from goodput_exporter.errors import ConfigError, GoodputError
from goodput_exporter.services.logs import configure

EXIT_FAILED = 1
EXIT_USAGE = 2

# Imported when they are chosen: `config` must not wait for FastAPI to load.
PROGRAMS = {"standalone": "goodput_exporter.services.standalone"}


class Parser(argparse.ArgumentParser):
    """An argument parser that answers an unknown flag with the nearest known one."""

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse *argv*, or print what is wrong and exit with status 2."""
        chosen, unknown = self.parse_known_args(argv)
        if unknown:
            flag = unknown[0].partition("=")[0]
            known = nearest(flag, (field.flag for field in FIELDS.values()))
            self.error(f"{flag}: no such flag; did you mean {known}?")
        return chosen

    def error(self, message: str) -> NoReturn:
        """Print *message* without the forty flags of the usage, and exit."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def parser() -> Parser:
    """Return the command line's grammar; one flag per setting."""
    top = Parser(
        prog="goodput-exporter",
        usage="%(prog)s {standalone,config} [--config FILE] [--SETTING VALUE ...]",
        description="Account for GPU time: how much became progress that was kept.",
        epilog="Settings come from flags, GOODPUT_EXPORTER_* variables, a TOML file "
        "and defaults, in this order; docs/reference/config.md lists them.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=__version__)
    top.add_argument(
        "command",
        choices=[*PROGRAMS, "config"],
        help="standalone: everything for one machine, in one process. "
        "config: print every setting and where it comes from.",
    )
    top.add_argument("--config", type=Path, metavar="FILE", help="TOML file")
    for field in FIELDS.values():
        top.add_argument(
            field.flag, dest=field.key, metavar=_placeholder(field), help=_help(field)
        )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the chosen program.

    Returns:
        0 when all went well, 1 when the program failed, 2 when a setting is wrong.
    """
    chosen = parser().parse(sys.argv[1:] if argv is None else argv)
    given_flags = {
        key: value
        for key, value in vars(chosen).items()
        if key in FIELDS and value is not None
    }
    try:
        return start(chosen.command, given_flags, chosen.config, os.environ)
    except ConfigError as exc:
        print(f"goodput-exporter: {exc}", file=sys.stderr)  # noqa: T201  # no log yet
        return EXIT_USAGE
    except GoodputError as exc:
        print(f"goodput-exporter: {exc}", file=sys.stderr)  # noqa: T201  # the last word
        return EXIT_FAILED


def start(
    command: str,
    flags: Mapping[str, str],
    file: Path | None,
    environ: Mapping[str, str],
) -> int:
    """Check the settings, then hand over to *command*."""
    given = gather(environ=environ, flags=flags, file=file)
    settings = settings_from(given)
    if command == "config":
        for key in FIELDS:
            section, _, name = key.partition(".")
            value = getattr(getattr(settings, section), name)
            print(f"{key} = {value}  # {given[key].where}")  # noqa: T201  # its output
        return 0
    configure(settings.log.level, settings.log.format)
    program = importlib.import_module(PROGRAMS[command])
    status: int = program.main(settings)
    return status


def _placeholder(field: Field) -> str:
    return field.about.unit.upper() or ("FILE" if field.kind is Path else "TEXT")


def _help(field: Field) -> str:
    default = field.about.default_text or field.default
    return f"{field.about.meaning} [{default}]".replace("%", "%%")


if __name__ == "__main__":
    sys.exit(main())
