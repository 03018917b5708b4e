"""
What knowing who holds which GPU costs an agent: memory, a look, an attribution.

Prints medians and ranges of interleaved rounds. Each round asks a fake kubelet of 110
pods from an interpreter of its own, so that gRPC's memory is seen as an agent pays it,
and beside it reads the same interpreter's memory before it knew gRPC.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from goodput_exporter.domain.holdings import attribute
from tests.fakes.kubelet import kubelet
from tests.fakes.nodes import given, gpu_uuid, mig_gpu, mig_uuid, node

PODS = 110
GPUS = 16

LOOKS = """
import asyncio, logging, sys, time
from pathlib import Path
import msgspec
from goodput_exporter.sources.podresources.source import Looker

def resident():
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024

looker, looks = Looker(time.time_ns, [Path(sys.argv[1])]), int(sys.argv[2])
before = resident()
began = time.perf_counter()
assert looker.look().trouble is None, looker.newest.detail
first = time.perf_counter() - began
began = time.process_time()
for _ in range(looks):
    looker.look()
cpu = (time.process_time() - began) / looks
print(before, resident() - before, first * 1e3, cpu * 1e3)
"""

NAMES = (
    "resident before gRPC, MiB",
    "resident more after all looks, MiB",
    "first look with its imports, ms",
    f"a look at {PODS} pods, ms of CPU",
)


def main() -> None:
    """Measure in interleaved rounds; print medians and ranges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--looks", type=int, default=300)
    options = parser.parse_args()
    spent: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, kubelet(Path(folder)) as fake:
        for number in range(PODS):
            fake.gives(f"pod-{number}", gpu_uuid(number))
        for _ in range(options.rounds):
            command = [sys.executable, "-c", LOOKS, folder, str(options.looks)]
            told = subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=120
            )
            for name, figure in zip(NAMES, told.stdout.split(), strict=True):
                spent.setdefault(name, []).append(float(figure))
            note_attributions(spent)
    for name, values in spent.items():
        print(  # noqa: T201  # a benchmark prints
            f"{name:42} {median(values):8.3f} ({min(values):.3f} to {max(values):.3f})"
        )


def note_attributions(spent: dict[str, list[float]]) -> None:
    """Add one round's figures of a plain node and of one that is all MIG."""
    whole = [given(f"pod-{at}", gpu_uuid(at)) for at in range(GPUS)]
    parts = [
        given(f"pod-{gpu}-{gi}", mig_uuid(gpu, gi))
        for gpu in range(GPUS)
        for gi in range(7, 14)
    ]
    cut_up = tuple(mig_gpu(gpu, *[1] * 7) for gpu in range(GPUS))
    for name, listed, gpus in (
        (f"attributing {GPUS} GPUs, ms of CPU", whole, node(GPUS)),
        (f"attributing {7 * GPUS} MIG devices, ms of CPU", parts, cut_up),
    ):
        began = time.process_time()
        for _ in range(50):
            attribute(listed, gpus, {})
        cpu_ms = (time.process_time() - began) / 50 * 1e3
        spent.setdefault(name, []).append(cpu_ms)


if __name__ == "__main__":
    main()
