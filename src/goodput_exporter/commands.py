"""What `goodput-exporter` can do: its programs, its commands, what each takes."""

from __future__ import annotations

from dataclasses import dataclass


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
        heeds: How the keys of the settings begin that it goes by; its help has those
            only.
    """

    module: str
    summary: str
    arguments: tuple[Argument, ...] = ()
    heeds: tuple[str, ...] = ("ledger.",)


# Imported when they are chosen: `config` must not wait for FastAPI to load.
PROGRAMS = {
    "standalone": "goodput_exporter.services.standalone",
    "agent": "goodput_exporter.services.agent",
    "aggregator": "goodput_exporter.services.aggregator",
}
ABOUT = {
    "standalone": "everything for one machine, in one process",
    "agent": "what one node's GPUs and ranks do, pushed to an aggregator",
    "aggregator": "the runs of a whole cluster, by its API and its agents",
    "config": "print every setting and where it comes from",
}
"""What each program is; `config` reads the settings only."""
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
        ("ledger.", "heartbeats.", "http."),
    ),
    "rbac": Command(
        "goodput_exporter.services.rbac",
        "print the roles that the aggregator needs with these settings, as one List",
        heeds=("aggregator.", "ingest.", "exposition.readers"),
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
        (),
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
        ("ledger.", "http."),
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
        ("ledger.", "books.", "run.", "stall."),
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
