"""Each alert, and how it comes about."""

from __future__ import annotations

from typing import Final

from tests.dashboards.healthy import GPUS
from tests.dashboards.promtool import Case, Change

RUN: Final = {"run": "llama", "run_namespace": "ml"}
OWNED: Final = RUN | {"team": "blue"}
NODE: Final = {"gpu_node": "node-a"}
GPU: Final = NODE | {"gpu_uuid": "GPU-0"}
PROGRAM: Final = {"instance": "one:9909"}

SECONDS: Final = "goodput_run_gpu_seconds_total"
GROUP_SECONDS: Final = "goodput_group_gpu_seconds_total"
BADPUT: Final = "goodput_run_badput_gpu_seconds_total"
GROUP_BADPUT: Final = "goodput_group_badput_gpu_seconds_total"
WHOLE: Final = {"group_kind": "cluster", "group": "east"}
PRODUCTIVE: Final = {"state": "productive", "layer": "good"}
DOWN: Final = {"state": "down", "layer": "infrastructure"}
LOST: Final = {"cause": "node_lost"}


def grows(gpus: float, minutes: int, start: float = 0) -> str:
    """Return GPU-seconds of some GPUs, a value a minute."""
    return f"{start:g}+{gpus * 60:g}x{minutes}"


def _burn(alert: str, window: str, minutes: int, lost: float, says: str) -> Case:
    """Let the cluster lose a share of its time to lost nodes, from the start."""
    good, bad = GPUS * (1 - lost), GPUS * lost
    return Case(
        alert,
        (
            Change(GROUP_SECONDS, "", WHOLE),
            Change(GROUP_SECONDS, grows(good, minutes), WHOLE | PRODUCTIVE),
            Change(GROUP_SECONDS, grows(bad, minutes), WHOLE | DOWN),
            Change(GROUP_BADPUT, grows(bad, minutes), WHOLE | LOST),
            Change(BADPUT, grows(bad, minutes), RUN | LOST),
        ),
        minutes,
        {"cause": "node_lost", "window": window},
        says,
    )


def _dropped(cause: str, why: str) -> Case:
    """Let seven good hours be followed by one in which most is lost."""
    return Case(
        "GoodputDropped",
        (
            Change(SECONDS, f"{grows(GPUS, 420)} 201600+48x60", RUN | PRODUCTIVE),
            Change(SECONDS, f"0x420 {grows(7.2, 60)}", RUN | DOWN),
            Change(BADPUT, f"0x420 {grows(7.2, 60)}", RUN | {"cause": cause}),
        ),
        470,
        OWNED | {"cause": cause},
        f"Run ml/llama had 27.85% of its usual goodput in the last hour; {why}. The "
        "state with most of it: down, 5.9 GPU-hours.",
    )


def _state(state: str, minutes: int) -> tuple[Change, ...]:
    return (
        Change("goodput_run_state", "", {"state": "productive"}),
        Change("goodput_run_state", f"1x{minutes}", {"state": state}),
    )


def _xid(alert: str, kind: str, says: str) -> Case:
    labels = {"xid": "79", "class": kind}
    return Case(
        alert,
        (
            Change("goodput_gpu_xid_total", "1x20", labels),
            # It came in the third minute, and stays where it is.
            Change("goodput_gpu_xid_last_timestamp_seconds", "_x2 180x17", labels),
        ),
        10,
        GPU | {"xid": "79"},
        says,
    )


CASES: Final = (
    _burn(
        "GoodputBudgetBurnsFast",
        "1h",
        70,
        0.9,
        (
            "90% of the GPU time of runs in the last 1h was not productive; 15% are "
            "allowed. Most of it: node_lost. Run ml/llama lost most: 7.7 GPU-hours."
        ),
    ),
    _burn(
        "GoodputBudgetBurnsSteadily",
        "6h",
        130,
        0.5,
        (
            "50% of the GPU time of runs in the last 6h was not productive; 15% are "
            "allowed. Most of it: node_lost. Run ml/llama lost most: 9.8 GPU-hours."
        ),
    ),
    _burn(
        "GoodputBudgetBurnsSlowly",
        "1d",
        370,
        0.3,
        (
            "30% of the GPU time of runs in the last 1d was not productive; 15% are "
            "allowed. Most of it: node_lost. Run ml/llama lost most: 17.9 GPU-hours."
        ),
    ),
    _dropped("node_lost", "most of what it lost went to node_lost"),
    _dropped("none", "no interruption took most of what it lost"),
    Case(
        "GoodputMfuDropped",
        (
            Change(
                "goodput_run_ratio", "0.5x60", RUN | {"layer": "model", "window": "1h"}
            ),
        ),
        30,
        OWNED,
        "Run ml/llama turns 53.76% of the model FLOPs per step time that it usually "
        "does.",
    ),
    Case(
        "GoodputRunStalled",
        _state("stalled", 20),
        5,
        OWNED,
        (
            "Run ml/llama has not completed a step for longer than its limit; 8 GPUs "
            "that it holds may well look busy."
        ),
    ),
    Case(
        "GoodputRunDown",
        (
            *_state("provisioning", 30),
            Change(
                "goodput_run_outage_info",
                "1x30",
                {"gpu_node": "", "cause": "image_pull"},
            ),
        ),
        20,
        OWNED,
        (
            "Run ml/llama has been without its full set of GPUs for 15 minutes; it "
            "asks for 8 GPUs and makes no progress. It went down for: image_pull."
        ),
    ),
    Case(
        "GoodputRunLostNode",
        (Change("goodput_run_outage_info", "1x20", NODE | LOST),),
        3,
        OWNED | NODE | LOST,
        "Run ml/llama has been down since node node-a failed (node_lost).",
    ),
    Case(
        "GoodputRunIdle",
        _state("idle", 60),
        35,
        OWNED,
        "Run ml/llama holds 8 GPUs and has had nothing to do for 30 minutes.",
    ),
    Case(
        "GoodputCrashLoop",
        (
            Change("goodput_run_interruptions_total", "1x5 2x5 3x5 4x5 5x20"),
            Change("goodput_run_steps_total", "1000x50", {"execution": "first"}),
            Change("goodput_run_restarts_total", "4x50", {"cause": "oom_killed"}),
        ),
        30,
        OWNED,
        "Run ml/llama ended 4 times in 30 minutes and made no new step in between. "
        "Most of its restarts so far: oom_killed.",
    ),
    Case(
        "GoodputRestartStorm",
        tuple(
            Change(
                "goodput_run_interruptions_total",
                "0x5 1x5 2x30",
                {"run": f"run-{number}"},
            )
            for number in range(4)
        ),
        15,
        {},
        (
            "8 interruptions of several runs in 15 minutes: something that they share"
            " is failing."
        ),
    ),
    Case(
        "GoodputCheckpointTooOld",
        (Change("goodput_run_exposure_gpu_seconds", f"{2 * 3600 * GPUS}x20"),),
        10,
        OWNED,
        "A crash of run ml/llama would now cost 2h 0m 0s of work on every GPU. Its "
        "last durable step is 1040.",
    ),
    Case(
        "GoodputNoCheckpoint",
        (
            Change(
                "goodput_run_durable_step",
                "",
            ),
            Change("goodput_run_started_timestamp_seconds", "-9000x20"),
        ),
        10,
        OWNED,
        "Run ml/llama has trained for 2h 40m 0s and reported no durable checkpoint.",
    ),
    Case(
        "GoodputQueueWait",
        (Change("goodput_queue_longest_wait_seconds", "20000x20"),),
        10,
        {"queue": "research"},
        "A run has waited 5h 33m 20s in queue research.",
    ),
    Case(
        "GoodputGpuLost",
        (Change("goodput_gpu_up", "0x10"),),
        5,
        GPU | {"gpu_index": "0"},
        "GPU 0 (GPU-0) of node node-a does not answer. Pod ml/llama-0 holds it.",
    ),
    _xid(
        "GoodputGpuXidFatal",
        "hw_fatal",
        (
            "GPU GPU-0 of node node-a reported XID 79 7m 0s ago: it needs a reset or "
            "a repair. Pod ml/llama-0 holds it."
        ),
    ),
    _xid(
        "GoodputGpuXidRecoverable",
        "hw_recoverable",
        (
            "GPU GPU-0 of node node-a reported XID 79 7m 0s ago; the hardware "
            "contained it. Pod ml/llama-0 holds it."
        ),
    ),
    Case(
        "GoodputGpusMissing",
        (Change("goodput_node_gpus_by_state", "1x10", {"state": "missing"}),),
        3,
        NODE,
        "Node node-a has lost 1 GPU: on no bus any more.",
    ),
    Case(
        "GoodputGpusWithheld",
        (Change("goodput_node_withheld_gpus", "1x10"),),
        6,
        NODE,
        "Node node-a has 1 GPU that it does not offer to pods.",
    ),
    Case(
        "GoodputNvmlOutage",
        (Change("goodput_nvml_outage", "1x10", {"kind": "driver_mismatch"}),),
        6,
        NODE | {"kind": "driver_mismatch"},
        "NVML does not answer on node node-a: driver_mismatch.",
    ),
    Case(
        "GoodputBusyWithoutProgress",
        (
            Change("goodput_gpu_power_watts", "640x300 90x60"),
            Change("goodput_gpu_busy_ratio", "1x360"),
        ),
        330,
        GPU,
        (
            "GPU GPU-0 of node node-a looks fully busy at 15.25% of its usual power: "
            "a hung collective looks so. This is a suspicion. Pod ml/llama-0 holds "
            "it."
        ),
    ),
    Case(
        "GoodputHangSuspected",
        (Change("goodput_inferred_hang_suspicion_ratio", "1x20"),),
        15,
        NODE | {"holder_namespace": "ml", "holder_pod": "llama-0"},
        "Pod ml/llama-0 on node node-a reports nothing; in 100% of the looks its GPUs "
        "were busy and did nothing that looks like work. This is a suspicion.",
    ),
    Case(
        "GoodputIdleAllocatedGpus",
        (Change("goodput_gpu_busy_ratio", "0x60"),),
        35,
        NODE | {"holder_namespace": "ml", "holder_pod": "llama-0"},
        (
            "Pod ml/llama-0 holds 1 GPU of node node-a and has run nothing there for "
            "30 minutes."
        ),
    ),
    Case(
        "GoodputExporterAbsent",
        (Change("goodput_build_info", ""),),
        10,
        {},
        "No goodput-exporter has been scraped for 5 minutes.",
    ),
    Case(
        "GoodputExporterBlind",
        (
            Change(
                GROUP_SECONDS,
                "",
                WHOLE,
            ),
            Change(GROUP_SECONDS, grows(4, 80), WHOLE | PRODUCTIVE),
            Change(
                GROUP_SECONDS,
                grows(4, 80),
                WHOLE | {"state": "unobserved", "layer": "none"},
            ),
            Change(
                SECONDS, grows(1, 80), RUN | {"state": "unobserved", "layer": "none"}
            ),
        ),
        70,
        {},
        (
            "Only 50% of the runs' GPU time of the last hour was observed; the ratios"
            " rest on that part. Run ml/llama has most of the rest: 1.0 GPU-hours."
        ),
    ),
    Case(
        "GoodputAgentMissing",
        (Change("goodput_nodes", "2x20", {"gpu": "true", "agent": "missing"}),),
        15,
        {},
        "No agent for 10 minutes on 2 nodes with GPUs.",
    ),
    Case(
        "GoodputAgentsNotScraped",
        (Change("goodput_node_gpus", ""),),
        20,
        {},
        (
            "The agents of 1 node deliver to the aggregator and are not scraped; no "
            "alert about the GPUs there can fire."
        ),
    ),
    Case(
        "GoodputAgentsNotScraped",
        (Change("goodput_nodes", "3x20", {"gpu": "true", "agent": "present"}),),
        20,
        {},
        (
            "The agents of 2 nodes deliver to the aggregator and are not scraped; no "
            "alert about the GPUs there can fire."
        ),
    ),
    Case(
        "GoodputWatchStale",
        (Change("goodput_watch_last_event_timestamp_seconds", "60x30"),),
        20,
        {"kind": "pods"},
        "Nothing was heard of pods for 19m 0s; the books follow an old cluster.",
    ),
    Case(
        "GoodputSourceForbidden",
        (Change("goodput_source_forbidden", "1x30"),),
        20,
        {"kind": "pods"},
        "RBAC does not let the aggregator read pods.",
    ),
    Case(
        "GoodputLedgerFailing",
        (Change("goodput_ledger_up", "0x10"),),
        5,
        PROGRAM,
        (
            "one:9909 cannot write its ledger; what it books is held in memory and "
            "lost with the process."
        ),
    ),
    Case(
        "GoodputSpoolDiskFull",
        (Change("goodput_spool_durable", "0x10"),),
        8,
        PROGRAM,
        (
            "The disk of agent one:9909 takes nothing; what waits for the aggregator "
            "would be lost with the agent."
        ),
    ),
    Case(
        "GoodputPushStuck",
        (Change("goodput_spool_oldest_timestamp_seconds", "60x30"),),
        20,
        PROGRAM,
        (
            "Agent one:9909 has not delivered for 19m 0s; it keeps its observations "
            "meanwhile."
        ),
    ),
    Case(
        "GoodputObservationsLost",
        (
            Change("goodput_spool_dropped_batches_total", ""),
            Change(
                "goodput_spool_dropped_batches_total", "_x5 3x10", {"reason": "full"}
            ),
        ),
        10,
        PROGRAM | {"reason": "full"},
        "Agent one:9909 gave up 3 batches in 15 minutes before they were delivered "
        "(full); that time stays unobserved.",
    ),
    Case(
        "GoodputTickLate",
        (Change("goodput_tick_lag_seconds", "30x10"),),
        8,
        PROGRAM,
        "one:9909 is 30s behind.",
    ),
    Case(
        "GoodputHeartbeatsRefused",
        (
            Change(
                "goodput_datagrams_rejected_total", "0+60x60", {"reason": "not_json"}
            ),
        ),
        40,
        PROGRAM,
        (
            "one:9909 refuses 19.8% of the heartbeats; those jobs lose progress in "
            "the books."
        ),
    ),
    Case(
        "GoodputRunSetBack",
        (Change("goodput_runs_set_back_total", "0x5 1x10"),),
        10,
        PROGRAM,
        (
            "one:9909 set runs back to their last commit 1 times in 15 minutes: a bug"
            " of ours."
        ),
    ),
    Case(
        "GoodputSeriesDropped",
        (Change("goodput_series_dropped_total", "_x5 7x10"),),
        10,
        PROGRAM | {"family": "goodput_run_step"},
        (
            "one:9909 left 7 series of goodput_run_step off its page in 15 minutes; "
            "sums over groups are not affected."
        ),
    ),
    Case(
        "GoodputFamilyNotRendered",
        (Change("goodput_collector_errors_total", "_x5 3x10"),),
        10,
        PROGRAM | {"family": "goodput_run_step"},
        "one:9909 could not render goodput_run_step 3 times in 15 minutes.",
    ),
    Case(
        "GoodputWatchdog",
        (),
        1,
        {},
        "Always fires: whoever does not get it gets no alert at all.",
    ),
)
