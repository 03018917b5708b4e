"""Clusters to simulate, as data; each figure that is not ours has its source."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from goodput_exporter.simulate.mishaps import Mishap
from goodput_exporter.simulate.plans import (
    DAY_NS,
    HOUR_NS,
    MINUTE_NS,
    SECOND_NS,
    Crowd,
    Hazard,
    Preset,
    Restart,
    RunPlan,
    Training,
)

LLAMA: Final = (
    "The Llama 3 Herd of Models, arXiv:2407.21783, section 3.3.4 and table 5: 466 "
    "interruptions in 54 days on 16,384 H100, 47 of them planned, 419 unexpected; "
    "more than 90 % effective training time."
)
RSC: Final = (
    "Revisiting Reliability in Large-Scale Machine Learning Research Clusters, "
    "arXiv:2410.21680: 6.50 failures per 1,000 node-days on RSC-1; over 90 % of jobs "
    "are smaller than one server of eight GPUs; jobs may be preempted."
)

LLAMA_NODES: Final = 2048
LLAMA_DAYS: Final = 54
LLAMA_COUNTS: Final = MappingProxyType(
    {
        # Faulty GPU 148, GPU HBM3 memory 72, GPU SRAM memory 19, GPU system
        # processor 17, silent data corruption 6, thermal interface and sensor 6.
        Mishap.GPU_OFF_BUS: 90,
        Mishap.GPU_OFF_BUS_HANG: 18,
        Mishap.NVLINK: 40,
        Mishap.GPU_MEMORY: 72 + 19,
        Mishap.GPU_FIRMWARE: 17 + 6 + 6,
        # Software bug 54, dependency 2.
        Mishap.CRASH: 44,
        Mishap.SEGFAULT: 12,
        # Network switch or cable 35, NIC 7, NCCL watchdog timeouts 7.
        Mishap.COLLECTIVE_HANG: 35 + 7 + 7,
        # Unplanned host maintenance 32.
        Mishap.DRAIN: 32,
        # SSD 3, power supply 3, server chassis 2, IO expansion board 2, CPU 2,
        # system memory 2.
        Mishap.NODE_SILENT: 14,
    }
)
"""
Table 5 of the paper, by what such a fault shows; how its faulty GPUs divide among
the three that are ours is our own.
"""
PLANNED: Final = 47

TRAINING: Final = Training(
    step_ns=10 * SECOND_NS,
    init_ns=90 * SECOND_NS,
    restore_ns=60 * SECOND_NS,
    save_every=360,
    save_ns=20 * SECOND_NS,
    evaluate_every=1080,
    data_wait_every_ns=4 * HOUR_NS,
    slow_every_ns=DAY_NS,
)

EVERYTHING: Final = tuple(
    Hazard(mishap, rate)
    for mishap, rate in (
        (Mishap.CRASH, 6.0),
        (Mishap.SEGFAULT, 2.0),
        (Mishap.OOM, 3.0),
        (Mishap.APPLICATION_XID, 3.0),
        (Mishap.GPU_MEMORY, 3.0),
        (Mishap.GPU_FIRMWARE, 2.0),
        (Mishap.NVLINK, 2.0),
        (Mishap.GPU_OFF_BUS, 3.0),
        (Mishap.GPU_OFF_BUS_HANG, 1.0),
        (Mishap.NODE_SILENT, 2.0),
        (Mishap.DRAIN, 3.0),
        (Mishap.PRESSURE, 2.0),
        (Mishap.SPOT, 2.0),
        (Mishap.SCALE_IN, 2.0),
        (Mishap.COLLECTIVE_HANG, 2.0),
        (Mishap.SUSPENSION, 1.0),
        (Mishap.DELETION, 1.0),
        (Mishap.PLANNED_WORK, 2.0),
        (Mishap.DISRUPTION, 2.0),
        (Mishap.KILLED, 2.0),
    )
)
"""Every mishap that a node can bring, in proportions of our own."""


def _times(hazards: tuple[Hazard, ...], factor: float) -> tuple[Hazard, ...]:
    return tuple(Hazard(h.mishap, h.per_1000_node_days * factor) for h in hazards)


def _llama() -> Preset:
    # A run is at risk while it trains, which is 90 % of the time and more.
    exposure = LLAMA_NODES * LLAMA_DAYS * 0.95 / 1000
    hazards = [Hazard(m, count / exposure) for m, count in LLAMA_COUNTS.items()]
    hazards.append(Hazard(Mishap.PLANNED_WORK, PLANNED / exposure))
    training = Training(
        step_ns=12 * SECOND_NS,
        init_ns=3 * MINUTE_NS,
        restore_ns=MINUTE_NS,
        save_every=40,
        save_ns=8 * SECOND_NS,
        upload_ns=90 * SECOND_NS,
        evaluate_every=1200,
        data_wait_every_ns=6 * HOUR_NS,
        slow_every_ns=2 * DAY_NS,
    )
    run = RunPlan(
        "llama-405b", LLAMA_NODES, 8, training, restart=Restart.PROCESSES, team="llm"
    )
    return Preset(
        "llama3",
        "one run of 16,384 GPUs for 54 days, interrupted as often as Llama 3",
        LLAMA_DAYS,
        LLAMA_NODES + 64,
        runs=(run,),
        hazards=tuple(hazards),
        heartbeat_ns=30 * MINUTE_NS,
        sources=(LLAMA,),
    )


def _research() -> Preset:
    failures = (
        Hazard(Mishap.GPU_MEMORY, 1.2),
        Hazard(Mishap.GPU_OFF_BUS, 1.2),
        Hazard(Mishap.NVLINK, 0.8),
        Hazard(Mishap.GPU_FIRMWARE, 0.5),
        Hazard(Mishap.NODE_SILENT, 1.2),
        Hazard(Mishap.DRAIN, 0.8),
        Hazard(Mishap.PRESSURE, 0.8),
    )
    own = (
        Hazard(Mishap.CRASH, 8.0),
        Hazard(Mishap.OOM, 3.0),
        Hazard(Mishap.COLLECTIVE_HANG, 2.0),
        Hazard(Mishap.DELETION, 1.0),
        Hazard(Mishap.SUSPENSION, 1.0),
    )
    return Preset(
        "research",
        "a shared research cluster of 64 nodes: many small runs, some large ones",
        30,
        64,
        crowd=Crowd(
            per_day=80,
            sizes=((1, 52), (2, 12), (4, 16), (8, 12), (16, 3), (32, 2), (128, 3)),
            hours=14,
            urgent=0.1,
        ),
        hazards=failures + own,
        start_up=((Mishap.IMAGE_MISSING, 0.02), (Mishap.DEVICES_REFUSED, 0.01)),
        heartbeat_ns=20 * MINUTE_NS,
        sources=(RSC,),
    )


def _tiny() -> Preset:
    training = Training(
        step_ns=5 * SECOND_NS,
        init_ns=20 * SECOND_NS,
        restore_ns=10 * SECOND_NS,
        save_every=60,
        save_ns=6 * SECOND_NS,
        evaluate_every=240,
        evaluate_ns=MINUTE_NS,
        data_wait_every_ns=30 * MINUTE_NS,
        slow_every_ns=2 * HOUR_NS,
    )
    runs = (
        RunPlan("gang", 2, 2, training),
        RunPlan("in-place", 2, 2, training, restart=Restart.IN_PLACE, is_queued=True),
        RunPlan("launcher", 2, 2, training, restart=Restart.PROCESSES),
        RunPlan("elastic", 3, 1, training, restart=Restart.IN_PLACE, is_elastic=True),
        RunPlan(
            "short", 1, 2, training, submit_ns=HOUR_NS, steps=600, again_ns=HOUR_NS
        ),
        RunPlan(
            "urgent", 2, 2, training, priority=10, submit_ns=4 * HOUR_NS, steps=400
        ),
        RunPlan(
            "urgent-quota",
            2,
            2,
            training,
            restart=Restart.IN_PLACE,
            is_queued=True,
            priority=10,
            submit_ns=6 * HOUR_NS,
            steps=400,
        ),
    )
    return Preset(
        "tiny",
        "seven small runs on twelve nodes of two GPUs, where everything breaks often",
        0.5,
        12,
        2,
        runs=runs,
        hazards=_times(EVERYTHING, 60),
        start_up=((Mishap.IMAGE_MISSING, 0.1), (Mishap.DEVICES_REFUSED, 0.1)),
        repair_ns=HOUR_NS,
        reporters=0,
        heartbeat_ns=5 * MINUTE_NS,
    )


def _month() -> Preset:
    return Preset(
        "month",
        "one run of 32 GPUs for 30 days that meets about thirty interruptions",
        30,
        6,
        runs=(RunPlan("llm", 4, 8, TRAINING, is_queued=True),),
        hazards=_times(EVERYTHING, 5),
        start_up=((Mishap.IMAGE_MISSING, 0.1), (Mishap.DEVICES_REFUSED, 0.1)),
    )


PRESETS: Final = MappingProxyType(
    {preset.name: preset for preset in (_tiny(), _month(), _research(), _llama())}
)
"""By name."""
