"""Every setting of the exporter: its type, unit, default, bounds and meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from goodput_exporter.config.cluster_settings import (
    Aggregator,
    Exposition,
    Kubernetes,
)
from goodput_exporter.config.setting import Setting

LONGEST_DAYS: Final = 36_500
"""A century; a calendar ends where a number of days does not."""


def _seconds(meaning: str, *, at_least: float = 0) -> Setting:
    return Setting(meaning, unit="seconds", at_least=at_least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """Where the page, ``/metrics`` and the API are served, and to whom."""

    host: Annotated[
        str,
        Setting(
            "Address to listen on. Anything but a loopback address lets others read."
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Setting(
            "TCP port; 0 takes a free one.", unit="port", at_least=0, at_most=65535
        ),
    ] = 9909
    certificate_file: Annotated[
        Path | None,
        Setting(
            "Certificate in PEM, for HTTPS in place of HTTP. A renewed one is taken up "
            "within a minute."
        ),
    ] = None
    key_file: Annotated[
        Path | None, Setting("Its private key in PEM, without a password.")
    ] = None
    tokens_file: Annotated[
        Path | None,
        Setting(
            "File with one token per line; whoever sends POST needs one of them as a "
            "bearer token. Without it every POST is refused."
        ),
    ] = None
    readers_file: Annotated[
        Path | None,
        Setting(
            "File with one token per line; whoever reads anything but health needs one "
            "of them as a bearer token. A changed file is taken up at once. Without it "
            "anyone may read, except as `exposition.readers` says."
        ),
    ] = None
    allowed_hosts: Annotated[
        tuple[str, ...],
        Setting(
            "Names that requests may use for this server in their Host header; others "
            "are refused, so that a web page elsewhere cannot read this one."
        ),
    ] = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeats:
    """Where training processes report."""

    unix_path: Annotated[
        Path,
        Setting(
            "Unix datagram socket; the kernel names its senders, so prefer it.",
            default_text="`$XDG_RUNTIME_DIR/goodput/agent.sock`, "
            "else `/tmp/goodput-<uid>/agent.sock`",
        ),
    ]
    udp_host: Annotated[
        str, Setting("Address for UDP heartbeats; their senders are unverified.")
    ] = "127.0.0.1"
    udp_port: Annotated[
        int,
        Setting("UDP port; 0 opens none.", unit="port", at_least=0, at_most=65535),
    ] = 9099


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFile:
    """Where what is booked is kept."""

    path: Annotated[
        Path,
        Setting(
            "SQLite file of the ledger; its folder is created.",
            default_text="`$XDG_STATE_HOME/goodput-exporter/ledger.sqlite`, "
            "else under `~/.local/state`",
        ),
    ]
    url: Annotated[
        str | None,
        Setting(
            "A ledger elsewhere, instead of `ledger.path`: "
            "`postgresql://USER@HOST:PORT/DATABASE`, where each `identity.cluster` has "
            "a book of its own, or `sqlite://PATH`. A password goes into `PGPASSWORD` "
            "or the file that `PGPASSFILE` names."
        ),
    ] = None
    keep_days: Annotated[
        int | None,
        Setting(
            "`ledger compact` folds segments of days that ended longer ago into daily "
            "accounts, which stay exact for ever. Without it every segment is kept.",
            unit="days",
            at_least=2,
            at_most=LONGEST_DAYS,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Raw observations, kept so that the books can be folded again."""

    folder: Annotated[
        Path | None,
        Setting(
            "Where every tick's observations are recorded, compressed, for `ledger "
            "replay`; without it nothing is recorded."
        ),
    ] = None
    most_mebibytes: Annotated[
        int,
        Setting(
            "Of all recorded files; the oldest go first.", unit="mebibytes", at_least=1
        ),
    ] = 256
    keep_days: Annotated[
        int,
        Setting(
            "Recorded files that are older go.",
            unit="days",
            at_least=1,
            at_most=LONGEST_DAYS,
        ),
    ] = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What else may explain why a run ended, beside its processes and GPUs."""

    nvrx_folder: Annotated[
        Path | None,
        Setting(
            "Where NVRx's in-job launcher writes its `cycle_info` files; without it "
            "none are read."
        ),
    ] = None
    kernel_log: Annotated[
        Path,
        Setting(
            "The kernel's log, which the agent reads for XIDs, OOM kills, PCIe errors "
            "and links, where it has the rights; `/dev/null` is a silent kernel."
        ),
    ] = Path("/dev/kmsg")
    links_folder: Annotated[
        Path,
        Setting(
            "Where sysfs has its classes: the agent looks there at InfiniBand ports "
            "and network cards."
        ),
    ] = Path("/sys/class")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What this machine is called in run keys and labels."""

    node: Annotated[
        str, Setting("Name of this machine.", default_text="the host's name")
    ]
    cluster: Annotated[str, Setting("First part of every run's key.")] = "local"
    namespace: Annotated[str, Setting("Second part of every run's key.")] = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nvml:
    """How GPUs are read."""

    enabled: Annotated[
        str,
        Setting(
            "`auto` reads GPUs where there is a driver, `yes` says so loudly where "
            "there is none, `no` does not look.",
            choices=("auto", "yes", "no"),
        ),
    ] = "auto"
    deadline_seconds: Annotated[
        float,
        _seconds(
            "A GPU whose driver has not answered by then is lost until it does.",
            at_least=0.01,
        ),
    ] = 5.0
    gpm: Annotated[
        str,
        Setting(
            "`yes` samples SM, tensor and memory activity where the GPU has it: Hopper "
            "and newer.",
            choices=("yes", "no"),
        ),
    ] = "no"
    pcie: Annotated[
        str,
        Setting(
            "`yes` reads PCIe throughput, which keeps the driver busy for 40 ms per "
            "GPU and sample.",
            choices=("yes", "no"),
        ),
    ] = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """When time is looked at, and when it is booked for good."""

    tick_seconds: Annotated[
        float, _seconds("How often everything is folded and published.", at_least=0.05)
    ] = 1.0
    silence_seconds: Annotated[
        float,
        _seconds(
            "A rank not heard for this long is silent: it lowers coverage, never the "
            "book; silence alone is never `down`.",
            at_least=1,
        ),
    ] = 15.0
    settle_seconds: Annotated[
        float,
        _seconds("How long an instant stays open to late evidence before it seals."),
    ] = 60.0
    settle_after_start_seconds: Annotated[
        float,
        _seconds("The same, just after the exporter itself started: senders catch up."),
    ] = 300.0
    grace_seconds: Annotated[
        float,
        _seconds(
            "How long a report may be under way before its instant is decided: a "
            "process that has gone may have said goodbye in a datagram not read yet."
        ),
    ] = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """When an open span counts as stalled: max(limit, factor x its usual longest)."""

    factor: Annotated[
        int,
        Setting(
            "The limit is never below this many times the rolling 99th percentile of "
            "the phase.",
            unit="times",
            at_least=1,
        ),
    ] = 10
    step_seconds: Annotated[
        float, _seconds("Limit for one optimizer step.", at_least=1)
    ] = 60.0
    data_wait_seconds: Annotated[
        float, _seconds("Limit for one wait for data.", at_least=1)
    ] = 600.0
    evaluating_seconds: Annotated[
        float, _seconds("Limit for one evaluation.", at_least=1)
    ] = 600.0
    initializing_seconds: Annotated[
        float, _seconds("Limit for start-up and compilation.", at_least=1)
    ] = 1800.0
    checkpointing_seconds: Annotated[
        float, _seconds("Limit for one blocking save.", at_least=1)
    ] = 1800.0
    restoring_seconds: Annotated[
        float, _seconds("Limit for loading a checkpoint.", at_least=1)
    ] = 1800.0
    finalize_seconds: Annotated[
        float, _seconds("Limit for shutting down.", at_least=1)
    ] = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run is measured against, and when it is over."""

    end_after_seconds: Annotated[
        float,
        _seconds(
            "A run whose last process ended this long ago has ended; `down` booked "
            "since then is restated out of its book."
        ),
    ] = 900.0
    merge_seconds: Annotated[
        float,
        _seconds("Ranks that come back within this of each other are one restart."),
    ] = 120.0
    reference_step_seconds: Annotated[
        float | None,
        _seconds(
            "Pins the reference step time, above which a step is slow. Without it the "
            "reference is learned from the run's own steps.",
            at_least=1e-6,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what is over stays in sight."""

    finished_seconds: Annotated[
        float,
        _seconds(
            "A finished run stays on `/metrics` and the page for this long; keep it "
            "above three scrape intervals. The ledger keeps it for ever."
        ),
    ] = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What the exporter says on stderr."""

    level: Annotated[
        str,
        Setting(
            "The least severe line that is written.",
            choices=("debug", "info", "warning", "error"),
        ),
    ] = "info"
    format: Annotated[
        str,
        Setting(
            "`logfmt` for people and grep, `json` for a log store.",
            choices=("logfmt", "json"),
        ),
    ] = "logfmt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What only the agent of a node needs."""

    folder: Annotated[
        Path,
        Setting(
            "Where it keeps what must outlive it: batches that wait, the GPUs and "
            "processes it knew. On the node, not in the container.",
            default_text="`$XDG_STATE_HOME/goodput-exporter/agent`, "
            "else under `~/.local/state`",
        ),
    ]
    linked_dev: Annotated[
        Path | None,
        Setting(
            "A folder such as `/dev` in which a privileged pod links the host's GPU "
            "nodes where it has none; without it nothing is linked."
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Where an agent brings what it saw."""

    url: Annotated[
        str | None,
        Setting(
            "The aggregator, such as `http://goodput-aggregator:9909`. Without it "
            "nothing is pushed, and nothing spooled. `{shard}` in it stands for the "
            "number of a shard, from 0."
        ),
    ] = None
    shards: Annotated[
        int,
        Setting(
            "How many shards the aggregator has (`aggregator.shard`): each of them is "
            "pushed to, from a spool of its own.",
            unit="shards",
            at_least=1,
            at_most=64,
        ),
    ] = 1
    token_file: Annotated[
        Path | None,
        Setting("Bearer token for the aggregator; read again for each push."),
    ] = None
    ca_file: Annotated[
        Path | None,
        Setting("Who may have signed its certificate, in place of the system's."),
    ] = None
    every_seconds: Annotated[
        float,
        _seconds("How often a batch is made and sent.", at_least=0.05),
    ] = 5.0
    spool_mebibytes: Annotated[
        int,
        Setting(
            "Of batches that wait for the aggregator, for each shard; the oldest go "
            "first.",
            unit="mebibytes",
            at_least=1,
        ),
    ] = 256
    memory_kibibytes: Annotated[
        int,
        Setting(
            "Of batches that wait in memory while the disk takes none; the oldest go "
            "first.",
            unit="kibibytes",
            at_least=1,
        ),
    ] = 8192
    spool_hours: Annotated[
        float,
        Setting("Batches that are older go.", unit="hours", at_least=0.1),
    ] = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubelet:
    """Who holds which GPU, and whose a sender's address is: asked of the kubelet."""

    enabled: Annotated[
        str,
        Setting(
            "`auto` asks the kubelet where its socket is found, `no` does not.",
            choices=("auto", "no"),
        ),
    ] = "auto"
    root: Annotated[
        Path | None,
        Setting(
            "Its root directory, if it is none of the usual ones; "
            "`pod-resources/kubelet.sock` is below it."
        ),
    ] = None
    interval_seconds: Annotated[
        float, _seconds("How often its pod-resources are read.", at_least=0.1)
    ] = 5.0
    pods_url: Annotated[
        str | None,
        Setting(
            "Where it tells the node's pods, such as `https://10.0.0.1:10250/pods`. "
            "Without it no sender is tied to a pod."
        ),
    ] = None
    pods_token_file: Annotated[
        Path | None,
        Setting("Bearer token that may get `nodes/pods` or `nodes/proxy`."),
    ] = None
    pods_ca_file: Annotated[
        Path | None,
        Setting("Who may have signed its certificate, in place of the system's."),
    ] = None
    pods_certificate: Annotated[
        str,
        Setting(
            "`ignored` does not look at it: most kubelets sign their own. Whoever has "
            "the address then gets the token.",
            choices=("verified", "ignored"),
        ),
    ] = "verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What the agent makes of pods that hold GPUs and report nothing."""

    enabled: Annotated[
        str,
        Setting(
            "`yes` guesses the phases of training pods from their GPUs and cgroups; it "
            "needs `kubelet.pods_url`. `no` leaves their time `unobserved`.",
            choices=("yes", "no"),
        ),
    ] = "yes"
    cgroup_folder: Annotated[
        Path,
        Setting("Where the host's cgroup hierarchies are mounted."),
    ] = Path("/sys/fs/cgroup")
    proc_folder: Annotated[
        Path,
        Setting("Where the host's processes are seen, for containers' networks."),
    ] = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """Whether agents may push to this program, and who."""

    enabled: Annotated[
        str,
        Setting("`yes` takes `POST /v1/observations`.", choices=("yes", "no")),
    ] = "no"
    tokens_file: Annotated[
        Path | None,
        Setting(
            "File with one `TOKEN NODE` or `TOKEN` per line. Without it pushes are "
            "taken from this machine only."
        ),
    ] = None
    audience: Annotated[
        str | None,
        Setting(
            "The aggregator's, in place of a file: it takes tokens that Kubernetes "
            "projects into agents' pods for this audience, each for its own node."
        ),
    ] = None
    service_accounts: Annotated[
        tuple[str, ...],
        Setting(
            "Whose projected tokens are taken, as NAMESPACE/NAME or NAMESPACE/*; "
            "without any, all of `aggregator.namespace`."
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    All settings, checked. Edges never see this; they take single values.

    A setting is called ``section.field`` in files and messages,
    ``--section-field`` as a flag, ``GOODPUT_EXPORTER_SECTION_FIELD`` as a variable.
    """

    heartbeats: Heartbeats
    ledger: LedgerFile
    identity: Identity
    agent: Agent
    http: Http = field(default_factory=Http)
    nvml: Nvml = field(default_factory=Nvml)
    books: Books = field(default_factory=Books)
    stall: Stall = field(default_factory=Stall)
    run: Run = field(default_factory=Run)
    retention: Retention = field(default_factory=Retention)
    recording: Recording = field(default_factory=Recording)
    evidence: Evidence = field(default_factory=Evidence)
    push: Push = field(default_factory=Push)
    kubelet: Kubelet = field(default_factory=Kubelet)
    inference: Inference = field(default_factory=Inference)
    ingest: Ingest = field(default_factory=Ingest)
    exposition: Exposition = field(default_factory=Exposition)
    kubernetes: Kubernetes = field(default_factory=Kubernetes)
    aggregator: Aggregator = field(default_factory=Aggregator)
    log: Log = field(default_factory=Log)
