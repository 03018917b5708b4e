"""Which held GPUs nobody uses (ask 44)."""

from __future__ import annotations

from goodput_exporter.domain.idle_gpus import IdleGpus
from goodput_exporter.domain.spans import NS_PER_SECOND
from tests.fakes.gpus import IDLE, LLAMA, SERVES, TRAINS, gpu
from tests.fakes.snapshots import gpu_lost, gpu_sample

HELD = [gpu(0, SERVES), gpu(1, TRAINS), gpu(2, IDLE)]
MINUTE_NS = 60 * NS_PER_SECOND


def look(
    idle: IdleGpus, minute: int, *busy: float | None, stepped: int | None = None
) -> set[str]:
    """Return the idle GPUs at a minute, given how busy each is."""
    now_ns = minute * MINUTE_NS
    seen = [
        gpu_sample(at, uuid=f"GPU-{at}", busy_ratio=ratio, at_ns=now_ns)
        for at, ratio in enumerate(busy)
    ]
    steps = {} if stepped is None else {LLAMA: stepped * MINUTE_NS}
    return set(idle.look(seen, HELD, steps, now_ns))


def test_a_held_gpu_without_a_kernel_for_ten_minutes_is_idle() -> None:
    """The free one is not held; before ten minutes nobody can tell."""
    idle = IdleGpus(10 * MINUTE_NS)

    assert look(idle, 0, 0.0, 0.0, 0.0) == set()
    assert look(idle, 9, 0.0, 0.0, 0.0) == set()
    assert look(idle, 10, 0.0, 0.0, 0.0) == {"GPU-0", "GPU-1"}
    assert look(idle, 11, 0.8, 0.0, 0.0) == {"GPU-1"}


def test_a_run_that_steps_uses_its_gpus() -> None:
    """A step within the patience speaks for GPUs that were sampled between kernels."""
    idle = IdleGpus(10 * MINUTE_NS)
    look(idle, 0, 1.0, 0.0)

    assert look(idle, 10, 1.0, 0.0, stepped=5) == set()
    assert look(idle, 20, 1.0, 0.0, stepped=5) == {"GPU-1"}


def test_a_gpu_that_does_not_say_is_not_idle() -> None:
    """None is not zero: without utilization, or lost, it begins anew."""
    idle = IdleGpus(10 * MINUTE_NS)
    look(idle, 0, 0.0, 0.0)
    look(idle, 5, None, 0.0)

    assert look(idle, 10, 0.0, 0.0) == {"GPU-1"}
    lost = [gpu_lost(1, uuid="GPU-1")]
    assert idle.look(lost, HELD, {}, 30 * MINUTE_NS) == frozenset()
