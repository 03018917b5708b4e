"""Why a run is missing, unverified, inferred or unobserved, and what to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

LITTLE: Final = 0.01
"""A hundredth of the time unseen is what our own restart costs a short run."""
LATE_SECONDS: Final = 30.0
UNNAMED: Final = "unnamed-"
"""How a run is called whose ranks gave no run id; see ``domain.runs.key_of``."""


@dataclass(frozen=True, slots=True)
class Socket:
    """
    Where heartbeats should arrive.

    Args:
        path: Of the Unix socket.
        problem: Why nothing can be sent there; None where it can.
    """

    path: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class RunSeen:
    """
    What is known of the run; None is not known.

    Args:
        name: In full.
        source, verified, upper_bound: What its figures rest on.
        has_gpus: Its ranks named GPUs.
        gpu_model: NVML's name of them; None where none of them is visible here.
        peak_source: Why there is no peak, where there is none.
        has_flops, has_peak: What MFU needs.
        outcome: ``"running"`` while it is open.
        state: What it does now.
        unobserved: The share of its time that nobody saw.
        ranks_reporting, ranks_expected: Heard of lately, and asked.
        devices_asked: What the book counts.
        step, saved_step, durable_step: As reported.
        unknown_causes: Incidents without a cause.
        has_state: What the run goes on from could be read; without it only the
            name, *unobserved* and *unknown_causes* are known.
    """

    name: str
    source: str = "sdk"
    verified: bool = True
    upper_bound: bool = False
    has_gpus: bool = True
    gpu_model: str | None = None
    peak_source: str = ""
    has_flops: bool = True
    has_peak: bool = True
    outcome: str = "running"
    state: str | None = None
    unobserved: float = 0.0
    ranks_reporting: int | None = None
    ranks_expected: int | None = None
    devices_asked: int | None = None
    step: int | None = None
    saved_step: int | None = None
    durable_step: int | None = None
    unknown_causes: int = 0
    has_state: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """
    Everything that the doctor looks at.

    Args:
        asked: The name that was given.
        run: What it means; None where nothing goes by it.
        nearest: Known runs with a name like it.
        unnamed: Known runs that gave no run id.
        exporter: Where the running exporter answers; None where it does not.
        exporter_problem: Why not; empty where it does.
        not_ready: What ``/readyz`` says; None is ready.
        ledger_up: The last commit succeeded.
        tick_lag_seconds: How late the exporter is.
        gpu_source_up: NVML answers; None where it is not looked for.
        accepted: Heartbeats taken in. *lost*: that never arrived.
        rejected: Refused ones by reason, with what to check.
        socket: Where heartbeats should arrive on this machine.
    """

    asked: str
    run: RunSeen | None = None
    nearest: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    exporter: str | None = None
    exporter_problem: str = ""
    not_ready: str | None = None
    ledger_up: bool | None = None
    tick_lag_seconds: float | None = None
    gpu_source_up: bool | None = None
    accepted: int | None = None
    lost: int | None = None
    rejected: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    socket: Socket | None = None


@dataclass(frozen=True, slots=True)
class Complaint:
    """
    One thing that is not as it could be.

    Args:
        what: What is so, with the values. *change*: what to do about it.
    """

    what: str
    change: str


def examine(seen: Seen) -> list[Complaint]:
    """Return everything that is wrong, what explains most first."""
    about_all = [found for check in OF_EXPORTER for found in check(seen)]
    if seen.run is None:
        return [*_missing(seen), *about_all]
    run = seen.run
    checks = OF_RUN if run.has_state else OF_ENTRIES
    return [*about_all, *(found for check in checks for found in check(run, seen))]


def _missing(seen: Seen) -> Iterator[Complaint]:
    near = " or ".join(seen.nearest)
    yield Complaint(
        f"no run called {seen.asked!r} was ever seen",
        f"did you mean {near}?"
        if near
        else "check that the job calls goodput_sdk.init(), that GOODPUT_RUN_ID names "
        "the run, and that GOODPUT_ADDR is an address of this exporter",
    )
    if seen.unnamed and not near:
        yield Complaint(
            f"{len(seen.unnamed)} runs came without a run id, such as "
            f"{seen.unnamed[0]}: each process is a run of its own",
            "set GOODPUT_RUN_ID to the same name for every rank and every restart",
        )
    if seen.accepted == 0 and not seen.rejected:
        yield Complaint(
            "the exporter has not received a single heartbeat",
            "send one from the job's own container with the job's GOODPUT_ADDR; a "
            "container sees the Unix socket only if its folder is mounted",
        )


def _not_reachable(seen: Seen) -> Iterator[Complaint]:
    if seen.exporter is None:
        yield Complaint(
            f"no exporter answers ({seen.exporter_problem}); this is what the ledger "
            "knows",
            "start it, or name its address with --server http://HOST:PORT",
        )


def _not_ready(seen: Seen) -> Iterator[Complaint]:
    if seen.not_ready is not None:
        yield Complaint(
            f"the exporter is not ready: {seen.not_ready}", "look at its log"
        )


def _ledger_down(seen: Seen) -> Iterator[Complaint]:
    if seen.ledger_up is False:
        yield Complaint(
            "the ledger refuses entries, so that all figures stand still",
            "look at the disk under ledger.path and at the exporter's log; nothing is "
            "lost while the exporter runs",
        )


def _behind(seen: Seen) -> Iterator[Complaint]:
    lag = seen.tick_lag_seconds
    if lag is not None and lag > LATE_SECONDS:
        yield Complaint(
            f"the exporter's last tick began {lag:.0f} s late: the ledger is behind",
            "give it more CPU, or faster storage for the ledger",
        )


def _socket(seen: Seen) -> Iterator[Complaint]:
    if seen.socket is not None and seen.socket.problem is not None:
        yield Complaint(
            f"heartbeats cannot be sent to {seen.socket.path}: {seen.socket.problem}",
            "start the exporter as a user whose socket the job may write, or set "
            "heartbeats.unix_path and GOODPUT_ADDR to the same path",
        )


def _rejected(seen: Seen) -> Iterator[Complaint]:
    for reason, (count, advice) in sorted(seen.rejected.items()):
        if count:
            yield Complaint(
                f"{count} heartbeats, of any run, were refused as {reason!r}", advice
            )


def _lost(seen: Seen) -> Iterator[Complaint]:
    if seen.lost and seen.accepted and seen.lost > LITTLE * seen.accepted:
        yield Complaint(
            f"{seen.lost} heartbeats never arrived, beside {seen.accepted} that did",
            "prefer the Unix socket to UDP, and send state every few seconds, not an "
            "event per step",
        )


def _no_state(_: RunSeen, __: Seen) -> Iterator[Complaint]:
    yield Complaint(
        "the ledger has entries of it and no state that can be read, so nothing is "
        "known of its steps, GPUs, FLOPs and senders",
        "run goodput-exporter ledger verify, which says whether the state is damaged; "
        "if it is, restore a backup. An import without states has none to show",
    )


def _no_run_id(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    if run.name.rpartition("/")[2].startswith(UNNAMED):
        yield Complaint(
            "no run id was given, so every process is a run of its own and no "
            "restart is ever seen",
            "set GOODPUT_RUN_ID to the same name for every rank and every restart",
        )


def _local_steps(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    if run.upper_bound and run.source != "inferred":
        yield Complaint(
            "step numbers begin anew with every process, so goodput is an upper bound",
            "report the trainer's global step, hb.step(step), and hb.restored(step) "
            "after loading a checkpoint",
        )


def _inferred(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    if run.source == "inferred":
        yield Complaint(
            "its phases are inferred from outside: steps are not known and goodput is "
            "an upper bound",
            "call goodput_sdk.init() in the job, and hb.step(step) in its loop",
        )


def _unverified(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    if not run.verified:
        yield Complaint(
            "some of its heartbeats came from senders that nobody vouches for",
            "send over the Unix socket and share the host's pid namespace; UDP tells "
            "nobody who sent it",
        )


def _unobserved(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    if run.unobserved > LITTLE or run.state == "unobserved":
        yield Complaint(
            f"{run.unobserved:.1%} of its time was seen by nobody",
            "look whether the processes lived and could reach the exporter; a gap at "
            "the exporter's own restart is filled only by processes that live through "
            "it",
        )


def _silent(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    reporting, expected = run.ranks_reporting, run.ranks_expected
    if run.outcome != "running" or reporting is None or expected is None:
        return
    if reporting < expected:
        yield Complaint(
            f"{reporting} of {expected} ranks report: time that others lose is not "
            "seen",
            "call goodput_sdk.init() in every rank with its RANK, and look at the "
            "silent ones' logs",
        )


def _two_in_one(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    ranks, devices = run.ranks_expected, run.devices_asked
    if run.has_gpus or ranks is None or devices is None or ranks <= devices:
        return
    yield Complaint(
        f"{ranks} processes report as ranks, and {devices} is the largest world size "
        "that they tell: the time of the others is in no book",
        "give each job a GOODPUT_RUN_ID of its own, if two share this one; else tell "
        "every rank its RANK and WORLD_SIZE",
    )


def _never_stepped(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    if run.step is None and run.source != "inferred":
        yield Complaint(
            "no step was ever reported, so nothing can be productive",
            "wrap every optimizer step in hb.step(step), or use your framework's "
            "integration",
        )


def _not_durable(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    if run.durable_step is None and run.step is not None:
        saved = "" if run.saved_step is None else f" (saved: step {run.saved_step})"
        yield Complaint(
            f"no checkpoint was reported durable{saved}, so what a crash would cost, "
            "and what a failure lost, is not known",
            "wrap saves in hb.checkpoint(step), or say hb.durable(step) once an "
            "asynchronous one can be restored from",
        )


def _no_gpus(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    if not run.has_gpus:
        yield Complaint(
            "no rank named a GPU, so that each counts as one device",
            "name them where the job starts: hb.model(gpu_uuids=[...])",
        )


def _hidden_gpus(run: RunSeen, seen: Seen) -> Iterator[Complaint]:
    if run.has_gpus and run.gpu_model is None and seen.exporter is not None:
        why = "they are not among this node's GPUs"
        if seen.gpu_source_up is False:
            why = "NVML does not answer"
        yield Complaint(
            f"its GPUs are not visible to the exporter ({why}): there is no MFU, no "
            "power and no price by model",
            "mount the NVIDIA driver into the exporter and let it see every GPU "
            "(NVIDIA_VISIBLE_DEVICES=all)",
        )


def _no_flops(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    if not run.has_flops:
        yield Complaint(
            "nothing is known of its model FLOPs, so there is no MFU",
            "say hb.model(params=..., tokens_per_step=...), or its shape",
        )
    elif not run.has_peak:
        yield Complaint(
            f"the peak of its GPUs is not known ({run.peak_source or 'no model'}), so "
            "there is no MFU",
            "set GOODPUT_PEAK_TFLOPS, or ask for the model to be listed",
        )


def _unknown_causes(run: RunSeen, _: Seen) -> Iterator[Complaint]:
    if run.unknown_causes:
        have = "incident has" if run.unknown_causes == 1 else "incidents have"
        yield Complaint(
            f"{run.unknown_causes} {have} no cause: nothing was seen",
            "let the exporter see kernel messages and the cluster, or name the cause: "
            f"goodput-exporter ledger attribute '{run.name}#NUMBER' --cause ... "
            "--note ...; incidents export tells the numbers",
        )


OF_EXPORTER: Final[tuple[Callable[[Seen], Iterator[Complaint]], ...]] = (
    _not_reachable,
    _not_ready,
    _ledger_down,
    _behind,
    _socket,
    _rejected,
    _lost,
)
OF_RUN: Final[tuple[Callable[[RunSeen, Seen], Iterator[Complaint]], ...]] = (
    _no_run_id,
    _inferred,
    _local_steps,
    _unverified,
    _unobserved,
    _silent,
    _two_in_one,
    _never_stepped,
    _not_durable,
    _no_gpus,
    _hidden_gpus,
    _no_flops,
    _unknown_causes,
)
"""What is looked at, in this order; each yields what it finds."""
OF_ENTRIES: Final[tuple[Callable[[RunSeen, Seen], Iterator[Complaint]], ...]] = (
    _no_state,
    _no_run_id,
    _unobserved,
    _unknown_causes,
)
"""The same where a ledger holds a run's entries and not its state."""
