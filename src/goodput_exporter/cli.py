"""The command line: read the settings, set up the log, start one program."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from goodput_exporter import __version__
from goodput_exporter.commands import (
    ABOUT,
    COMMANDS,
    LEDGER,
    LEDGER_COMMANDS,
    PROGRAMS,
    Command,
)
from goodput_exporter.config.fields import FIELDS, Field
from goodput_exporter.config.places import gather, nearest, settings_from
from goodput_exporter.config.settings import Settings
from goodput_exporter.errors import ConfigError, GoodputError
from goodput_exporter.services.logs import configure

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
"""What shells expect of a program that Ctrl-C ended: 128 + SIGINT."""
SETTINGS_TOO = (
    "Every other setting is a flag here as well; goodput-exporter --help lists them."
)


class Parser(argparse.ArgumentParser):
    """An argument parser that answers an unknown flag with the nearest known one."""

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse *argv*, or print what is wrong and exit with status 2."""
        chosen, unknown = self.parse_known_intermixed_args(argv)
        if unknown:
            flag = unknown[0].partition("=")[0]
            if not flag.startswith("-"):
                self.error(f"{flag}: nothing more is expected here; see --help")
            known = nearest(flag, self._option_string_actions)
            self.error(f"{flag}: no such flag; did you mean {known}?")
        return chosen

    def error(self, message: str) -> NoReturn:
        """Print *message* without the flags of the usage, and exit."""
        if "arguments are required" in message:
            message += f"; see {self.prog} --help"
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def parser() -> Parser:
    """Return the command line's grammar; one flag per setting."""
    top = Parser(
        prog="goodput-exporter",
        usage="%(prog)s COMMAND [--config FILE] [--SETTING VALUE ...]",
        description="Account for GPU time: how much became progress that was kept.\n\n"
        f"commands:\n{_listed(_everything())}\n\n"
        "`goodput-exporter COMMAND --help` says what a command takes.",
        epilog="Settings come from flags, GOODPUT_EXPORTER_* variables, a TOML file\n"
        "and defaults, in this order; docs/reference/config.md lists them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=__version__)
    top.add_argument(
        "command", type=_program, metavar="COMMAND", help="one of the above"
    )
    _add_settings(top, heeded=("",))
    return top


def _everything() -> dict[str, str]:
    """Return all that a command line can ask for, and what each does."""
    once = {name: what.summary for name, what in COMMANDS.items()}
    ledger = {f"ledger {name}": does for name, does in _of_ledger().items()}
    return ABOUT | {k: v for k, v in once.items() if k not in ledger} | ledger


def _listed(said: Mapping[str, str]) -> str:
    """Lay out a line or two for each name, in eighty columns."""
    wide = max(map(len, said)) + 4
    return "\n".join(
        textwrap.fill(
            does,
            width=79,
            initial_indent=f"  {name}".ljust(wide),
            subsequent_indent=" " * wide,
        )
        for name, does in said.items()
    )


def _words() -> list[str]:
    """Return what a command line may begin with, each once."""
    firsts = (name.split()[0] for name in COMMANDS)
    return list(dict.fromkeys((*ABOUT, "ledger", *firsts)))


def _program(name: str) -> str:
    if name in {*PROGRAMS, "config", "ledger"}:
        return name
    longer = [each for each in COMMANDS if each.startswith(f"{name} ")]
    if longer:
        msg = f"{name}: no such command; use {' or '.join(longer)}"
    else:
        words = _words()
        msg = (
            f"{name}: no such command; did you mean {nearest(name, words)}? "
            f"There are: {', '.join(words)}"
        )
    raise argparse.ArgumentTypeError(msg)


def ledger_parser() -> Parser:
    """Return the grammar of what follows ``goodput-exporter ledger``."""
    top = Parser(
        prog="goodput-exporter ledger",
        usage="%(prog)s ACTION [FILE] [--config FILE] [--SETTING VALUE ...]",
        description="Look after the ledger that the settings name.\n\n"
        f"actions:\n{_listed(_of_ledger())}",
        epilog="Exit status: 0 when all is well, 1 when a law of the books is broken\n"
        f"or a file cannot be used, 2 when the command is wrong.\n{SETTINGS_TOO}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("action", type=_action, metavar="ACTION", help="one of the above")
    top.add_argument("file", nargs="?", type=Path, metavar="FILE")
    _add_settings(top, heeded=("ledger.",))
    return top


def _of_ledger() -> dict[str, str]:
    """Return all that can be done with a ledger; some of it is a command by itself."""
    longer = {
        name.removeprefix("ledger "): f"{what.summary} (see its --help)"
        for name, what in COMMANDS.items()
        if name.startswith("ledger ")
    }
    return LEDGER | longer


def command_parser(name: str) -> Parser:
    """Return the grammar of what follows a command's name."""
    command = COMMANDS[name]
    top = Parser(
        prog=f"goodput-exporter {name}",
        usage=" ".join(
            ("%(prog)s", _usage(command), "[--config FILE] [--SETTING VALUE ...]")
        ).replace("  ", " "),
        description=f"{command.summary[:1].upper()}{command.summary[1:]}.",
        epilog=SETTINGS_TOO,
        allow_abbrev=False,
    )
    for each in command.arguments:
        if each.is_switch:
            top.add_argument(each.name, action="store_true", help=each.help)
            continue
        if each.repeats and each.name.startswith("-"):
            top.add_argument(each.name, action="append", help=each.help)
            continue
        top.add_argument(
            each.name,
            help=each.help,
            default=each.default,
            choices=each.choices,
            nargs="*" if each.repeats else "?" if each.is_optional else each.count,
        )
    _add_settings(top, heeded=command.heeds)
    return top


def _usage(command: Command) -> str:
    """Return what stands in a place of its own, and that flags follow."""
    words = []
    flags = False
    for each in command.arguments:
        name = each.name.upper()
        if each.name.startswith("-"):
            flags = True
        elif each.is_optional:
            words.append(f"[{name}]")
        else:
            words.append(f"[{name} ...]" if each.repeats else name)
    return " ".join([*words, "[OPTION ...]"] if flags else words)


def command_of(words: Sequence[str]) -> str | None:
    """Return the command that a command line begins with; None: a program."""
    for name in COMMANDS:
        parts = name.split()
        if list(words[: len(parts)]) == parts:
            return name
    return None


def _action(name: str) -> str:
    if name not in LEDGER:
        known = nearest(name, _of_ledger())
        msg = f"{name}: no such action; did you mean {known}?"
        raise argparse.ArgumentTypeError(msg)
    return name


def _add_settings(to: Parser, *, heeded: tuple[str, ...]) -> None:
    """Take every setting as a flag; the help has those whose keys begin so."""
    group = to.add_argument_group("settings")
    group.add_argument("--config", type=Path, metavar="FILE", help="TOML file")
    for field in FIELDS.values():
        told = field.key.startswith(heeded)
        group.add_argument(
            field.flag,
            dest=field.key,
            metavar=_placeholder(field),
            help=_help(field) if told else argparse.SUPPRESS,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the chosen program.

    Returns:
        0 when all went well, 1 when the program failed, 2 when a setting is wrong,
        130 when Ctrl-C ended it before it could answer to that itself.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    command = command_of(words)
    about_ledger = command is None and words[:1] == ["ledger"]
    grammar = ledger_parser() if about_ledger else parser()
    skipped = 1 if about_ledger else 0
    if command is not None:
        grammar, skipped = command_parser(command), len(command.split())
    chosen = grammar.parse(words[skipped:])
    given_flags = {
        key: value
        for key, value in vars(chosen).items()
        if key in FIELDS and value is not None
    }
    try:
        if command is not None:
            given = gather(environ=os.environ, flags=given_flags, file=chosen.config)
            return carry_out(command, settings_from(given), chosen)
        if about_ledger:
            given = gather(environ=os.environ, flags=given_flags, file=chosen.config)
            return look_after(settings_from(given), chosen.action, chosen.file)
        return start(chosen.command, given_flags, chosen.config, os.environ)
    except ConfigError as exc:
        print(f"goodput-exporter: {exc}", file=sys.stderr)  # noqa: T201  # no log yet
        return EXIT_USAGE
    except GoodputError as exc:
        print(f"goodput-exporter: {exc}", file=sys.stderr)  # noqa: T201  # the last word
        return EXIT_FAILED
    except KeyboardInterrupt:
        # Before a program takes signals itself, and in commands that never do.
        return EXIT_INTERRUPTED


def start(
    command: str,
    flags: Mapping[str, str],
    file: Path | None,
    environ: Mapping[str, str],
) -> int:
    """Check the settings, then hand over to *command*."""
    given = gather(environ=environ, flags=flags, file=file)
    settings = settings_from(given)
    if command == "ledger":
        msg = "write ledger first: goodput-exporter ledger ACTION [--SETTING VALUE ...]"
        raise ConfigError(msg)
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


def carry_out(name: str, settings: Settings, chosen: argparse.Namespace) -> int:
    """Hand over to a command; its words go to standard output."""
    module = importlib.import_module(COMMANDS[name].module)
    return _to_the_end(lambda: module.main(settings, chosen, sys.stdout))


def look_after(settings: Settings, action: str, file: Path | None) -> int:
    """Hand over to the commands of the ledger; their words go to standard output."""
    commands = importlib.import_module(LEDGER_COMMANDS)
    asked = commands.Asked(action, file)
    return _to_the_end(lambda: commands.main(settings, asked, sys.stdout))


def _to_the_end(act: Callable[[], int]) -> int:
    try:
        status = act()
        sys.stdout.flush()
    except BrokenPipeError:
        # `| head` has seen enough; Python's own flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return status


def _placeholder(field: Field) -> str:
    return field.about.unit.upper() or ("FILE" if field.kind is Path else "TEXT")


def _help(field: Field) -> str:
    default = field.about.default_text or field.default
    return f"{field.about.meaning} [{default}]".replace("%", "%%")


if __name__ == "__main__":
    sys.exit(main())
