"""The command line: read the settings, set up the log, start one program."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from goodput_exporter import __version__
from goodput_exporter.config.fields import FIELDS, Field
from goodput_exporter.config.places import gather, nearest, settings_from
from goodput_exporter.config.settings import Settings
from goodput_exporter.errors import ConfigError, GoodputError
from goodput_exporter.services.logs import configure

EXIT_FAILED = 1
EXIT_USAGE = 2


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command: a name, or a flag with its dashes."""

    name: str
    help: str
    default: str | None = None
    choices: tuple[str, ...] | None = None
    repeats: bool = False
    is_switch: bool = False
    is_optional: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """
    Something that is done once.

    Args:
        module: Has ``main(settings, chosen, out) -> int``; imported when chosen.
        summary: What it does, in half a sentence.
        arguments: What it takes beside the settings.
    """

    module: str
    summary: str
    arguments: tuple[Argument, ...] = ()


# Imported when they are chosen: `config` must not wait for FastAPI to load.
PROGRAMS = {
    "agent": "goodput_exporter.services.agent",
    "standalone": "goodput_exporter.services.standalone",
    "aggregator": "goodput_exporter.services.aggregator",
}
LEDGER_COMMANDS = "goodput_exporter.services.ledger_commands"

WINDOW = (
    Argument("--from", help="first instant: 2026-03-01 (UTC) or RFC 3339 [the first]"),
    Argument("--to", help="first instant after it, likewise [the last]"),
    Argument("--last", help="in place of both: 90m, 24h, 7d or 4w, up to now"),
)
WHICH = (
    Argument("run", help="runs by name; none is all of the ledger", repeats=True),
    *WINDOW,
    Argument(
        "--view",
        help="settled: as it is known today; live: as counters showed it [settled]",
        choices=("settled", "live"),
    ),
    Argument("--out", help="a new file [standard output]"),
    Argument("--prices", help="a price book in TOML, for costs"),
    Argument("--gpu-model", help="whose prices hold, where the book has several"),
    Argument("--node-pool", help="the pool whose prices go before the model's"),
)

SERVER = (
    Argument("--server", help="the exporter's address [as http.host says]"),
    Argument("--ca", help="who signed its certificate, in PEM [the system's]"),
    Argument("--token-file", help="a token that it accepts [as the settings name]"),
)

COMMANDS = {
    "report": Command(
        "goodput_exporter.services.report_commands",
        "say what fraction of GPU time became progress, and where the rest went",
        (
            *WHICH,
            Argument(
                "--format",
                help="html, md, csv or parquet [html]",
                choices=("html", "md", "csv", "parquet"),
            ),
            Argument("--compare", help="another run, to stand beside the one named"),
            Argument("--attempts", help="two attempts of the run, likewise", count=2),
            Argument(
                "--group-by",
                help="add a table of groups of runs, whose ratios are of sums",
                choices=(
                    "cluster",
                    "namespace",
                    "team",
                    "queue",
                    "gpu_model",
                    "node_pool",
                ),
            ),
            Argument(
                "--energy",
                help="of several runs, too, say what their GPUs drew",
                is_switch=True,
            ),
        ),
    ),
    "incidents export": Command(
        "goodput_exporter.services.incident_commands",
        "write one record per interruption: what it took, why, and what it cost",
        (
            *WHICH,
            Argument("--format", help="csv or json [csv]", choices=("csv", "json")),
        ),
    ),
    "costs export": Command(
        "goodput_exporter.services.costs_commands",
        "write what GPU time cost by state, cause, run, pool and team; idle GPUs too",
        (
            Argument("--prices", help="a price book in TOML; it must be given"),
            *WINDOW,
            Argument(
                "--format",
                help="csv, or focus for FinOps tools [csv]",
                choices=("csv", "focus"),
            ),
            Argument("--out", help="a new file [standard output]"),
            Argument(
                "--rule",
                help="who pays for GPUs that nobody held: teams as they asked, or none "
                "[asked]",
                choices=("asked", "none"),
            ),
            Argument(
                "--gpu-model", help="of the runs, where the ledger has no cluster book"
            ),
            Argument("--node-pool", help="likewise"),
        ),
    ),
    "doctor": Command(
        "goodput_exporter.services.doctor_commands",
        "say why a run is missing, unverified or unobserved, and what to change",
        (
            Argument("run", help="the run's name"),
            *SERVER,
        ),
    ),
    "rbac": Command(
        "goodput_exporter.services.rbac",
        "print the roles that the aggregator needs with these settings, as one List",
    ),
    "simulate": Command(
        "goodput_exporter.simulate.command",
        "live through a cluster whose true account is known, and write down the raw "
        "inputs of the sources and the truth",
        (
            Argument(
                "--preset",
                help="what to simulate; docs/explanation/simulation.md has them",
                choices=("tiny", "month", "research", "llama3"),
            ),
            Argument("--seed", help="the same seed gives the same bytes [1]"),
            Argument("--days", help="how long [the preset's own time]"),
            Argument("--out", help="a new or empty folder"),
            Argument("--without-evidence", help="share that nobody sees, as 0.2 [0]"),
            Argument(
                "--overlapping",
                help="share of interruptions with a second cause, likewise [0]",
            ),
        ),
    ),
    "maintenance": Command(
        "goodput_exporter.services.maintenance_commands",
        "declare planned work, list it, or take it back",
        (
            Argument("action", help="what to do", choices=("add", "list", "remove")),
            Argument("id", help="of the window to remove", is_optional=True),
            Argument("--nodes", help="which, separated by commas [all]"),
            Argument("--from", help="first instant: 2026-03-01 (UTC) or RFC 3339"),
            Argument("--to", help="first instant after it, likewise"),
            Argument("--note", help="what is done, for those who read it later"),
            Argument("--by", help="who declares it [the user that runs this]"),
        ),
    ),
    "ledger attribute": Command(
        "goodput_exporter.services.attribute_command",
        "correct the cause of an incident; the correction is an entry of its own",
        (
            Argument(
                "incident", help="CLUSTER/NAMESPACE/RUN#NUMBER, as the API shows it"
            ),
            Argument("--cause", help="what it is due to; see docs/reference/causes.md"),
            Argument("--note", help="why, for those who read it later"),
            Argument("--by", help="who says so [the user that runs this]"),
            *SERVER,
        ),
    ),
    "ledger compact": Command(
        "goodput_exporter.services.ledger_compact",
        "join equal entries and fold old days into daily accounts; no sum changes",
        (
            Argument(
                "--before",
                help="first day whose entries stay, as 2026-03-01 [ledger.keep_days]",
            ),
        ),
    ),
    "ledger export": Command(
        "goodput_exporter.services.ledger_export",
        "write a table of the ledger to a new FILE or to standard output",
        (
            Argument("file", help="a new file", is_optional=True),
            Argument(
                "--table",
                help="segments, entries, restatements, events or days [segments]",
            ),
            Argument("--format", help="csv, json (a line per row) or parquet [csv]"),
        ),
    ),
    "ledger replay": Command(
        "goodput_exporter.services.ledger_replay",
        "fold a recording again under today's rules and compare with the ledger",
        (
            Argument("recording", help="the folder of a recording, or one file of it"),
            Argument(
                "--set",
                help="a rule, as stall.step_seconds=120; as often as needed",
                repeats=True,
            ),
            Argument("--rules-file", help="a TOML file with rules, as --config"),
            Argument(
                "--as-recorded",
                help="fold under the rules that were in force",
                is_switch=True,
            ),
        ),
    ),
}
"""What is done once, beside the programs; each has its own words after its name."""

LEDGER = {
    "verify": "re-add every book and name the first entry that breaks a law",
    "migrate": "bring a ledger of an earlier version to this one, without starting",
    "backup": "copy the ledger to a new FILE, also while the exporter runs",
    "restore": "put the copy in FILE in the ledger's place; the old file stays",
}
"""What `goodput-exporter ledger` can do."""


class Parser(argparse.ArgumentParser):
    """An argument parser that answers an unknown flag with the nearest known one."""

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse *argv*, or print what is wrong and exit with status 2."""
        chosen, unknown = self.parse_known_intermixed_args(argv)
        if unknown:
            flag = unknown[0].partition("=")[0]
            if not flag.startswith("-"):
                self.error(f"{flag}: nothing more is expected here; see --help")
            known = nearest(flag, (field.flag for field in FIELDS.values()))
            self.error(f"{flag}: no such flag; did you mean {known}?")
        return chosen

    def error(self, message: str) -> NoReturn:
        """Print *message* without the forty flags of the usage, and exit."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def parser() -> Parser:
    """Return the command line's grammar; one flag per setting."""
    words = ",".join(_words())
    top = Parser(
        prog="goodput-exporter",
        usage=f"%(prog)s {{{words}}} [--config FILE] [--SETTING VALUE ...]",
        description="Account for GPU time: how much became progress that was kept.",
        epilog="Settings come from flags, GOODPUT_EXPORTER_* variables, a TOML file "
        "and defaults, in this order; docs/reference/config.md lists them.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=__version__)
    top.add_argument(
        "command",
        type=_program,
        metavar="COMMAND",
        help="standalone: everything for one machine, in one process. "
        "agent: what one node's GPUs and ranks do, pushed to an aggregator. "
        "aggregator: the runs of a whole cluster, by its API and its agents. "
        "config: print every setting and where it comes from. "
        "ledger: verify, back up or restore it; see ledger --help. "
        f"Also: {'; '.join(_summaries())}.",
    )
    _add_settings(top)
    return top


def _words() -> list[str]:
    """Return what a command line may begin with, each once."""
    firsts = (name.split()[0] for name in COMMANDS)
    return list(dict.fromkeys((*PROGRAMS, "config", "ledger", *firsts)))


def _program(name: str) -> str:
    if name in {*PROGRAMS, "config", "ledger"}:
        return name
    longer = [each for each in COMMANDS if each.startswith(f"{name} ")]
    known = " or ".join(longer) or ", ".join(_words())
    msg = f"{name}: no such command; use {known}"
    raise argparse.ArgumentTypeError(msg)


def _summaries() -> list[str]:
    return [f"{name}: {what.summary}" for name, what in COMMANDS.items()]


def ledger_parser() -> Parser:
    """Return the grammar of what follows ``goodput-exporter ledger``."""
    top = Parser(
        prog="goodput-exporter ledger",
        usage="%(prog)s ACTION [FILE] [--config FILE] [--SETTING VALUE ...]",
        description="Look after the ledger that the settings name.",
        epilog="Exit status: 0 when all is well, 1 when a law of the books is broken "
        "or a file cannot be used, 2 when the command is wrong.",
        allow_abbrev=False,
    )
    top.add_argument(
        "action",
        type=_action,
        metavar="ACTION",
        help="; ".join(f"{name}: {does}" for name, does in _of_ledger().items()),
    )
    top.add_argument("file", nargs="?", type=Path, metavar="FILE")
    _add_settings(top)
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
        usage=f"%(prog)s {_usage(command)} [--config FILE] [--SETTING VALUE ...]",
        description=f"{command.summary[:1].upper()}{command.summary[1:]}.",
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
    _add_settings(top)
    return top


def _usage(command: Command) -> str:
    words = []
    for each in command.arguments:
        name = each.name.lstrip("-").upper()
        if each.is_switch:
            words.append(f"[{each.name}]")
        elif each.name.startswith("-"):
            words.append(f"[{each.name} {name}]")
        elif each.is_optional:
            words.append(f"[{name}]")
        else:
            words.append(f"{name} ..." if each.repeats else name)
    return " ".join(words)


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


def _add_settings(to: Parser) -> None:
    to.add_argument("--config", type=Path, metavar="FILE", help="TOML file")
    for field in FIELDS.values():
        to.add_argument(
            field.flag, dest=field.key, metavar=_placeholder(field), help=_help(field)
        )


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the chosen program.

    Returns:
        0 when all went well, 1 when the program failed, 2 when a setting is wrong.
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
