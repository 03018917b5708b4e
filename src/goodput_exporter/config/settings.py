"""All settings together: each has its type, unit, default, bounds and meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from goodput_exporter.config.book_settings import (
    Books,
    LedgerFile,
    Recording,
    Retention,
    Run,
    Stall,
)
from goodput_exporter.config.cluster_settings import (
    Aggregator,
    Exposition,
    Kubernetes,
)
from goodput_exporter.config.node_settings import (
    Agent,
    Evidence,
    Heartbeats,
    Inference,
    Kubelet,
    Nvml,
    Push,
)
from goodput_exporter.config.setting import Setting


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
class Identity:
    """What this machine is called in run keys and labels."""

    node: Annotated[
        str, Setting("Name of this machine.", default_text="the host's name")
    ]
    cluster: Annotated[str, Setting("First part of every run's key.")] = "local"
    namespace: Annotated[str, Setting("Second part of every run's key.")] = "default"


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
