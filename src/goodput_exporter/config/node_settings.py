"""The settings of a node: what is seen there, and how an agent brings it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from goodput_exporter.config.setting import Setting, in_seconds


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
        in_seconds(
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
        in_seconds("How often a batch is made and sent.", at_least=0.05),
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
        float, in_seconds("How often its pod-resources are read.", at_least=0.1)
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
