"""
Train a small language model, and let goodput_sdk say what the loop is doing.

Real work throughout: text read from disk, numpy on one core, checkpoints that
are compressed, synced and read back, evaluation on held-out text. Nothing waits
for the sake of waiting. Run it alone, or under ``supervise.py`` to survive crashes:

    python examples/train.py --workdir build/train --steps 100
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np

import goodput_sdk as gp
from charlm import checkpoints, corpus
from charlm.corpus import Batch
from charlm.model import MICRO_BATCH, Arrays, Model, fresh, gradients, loss, update

STEP_SECONDS = 0.3
EVALUATION_SECONDS = 1.0
# A forward pass is about a third of forward and backward together.
FORWARD_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class Plan:
    """How much one step is, and when the loop does something else."""

    shards: list[Path]
    micro_batches: int
    steps: int
    save_every: int
    evaluate_every: int
    crash_at_step: int | None
    checkpoints: Path


class Stop:
    """Becomes true when somebody asks the program to end: SIGTERM or Ctrl-C."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def main() -> None:
    """Set up, restore what there is, train to the end or until asked to stop."""
    options = parse()
    heartbeat = gp.init(framework="custom")  # does nothing unless GOODPUT_ADDR is set
    stop = Stop()
    shards = corpus.prepare(options.data)
    plan = make_plan(options, shards)
    model = fresh()
    heartbeat.model(
        params=model.parameters,
        seq_len=1,
        flops_per_token=6 * model.parameters,
        tokens_per_step=plan.micro_batches * MICRO_BATCH,
        dtype="fp32",
    )
    step = 0
    if found := checkpoints.saved(plan.checkpoints):
        with heartbeat.phase("checkpoint_restore"):
            model = checkpoints.restore(found[-1])
            step = checkpoints.step_of(found[-1])
        print(f"restored step {step} from {found[-1].name}", flush=True)
    heartbeat.restored(step or None)
    train(heartbeat, plan, model, done=step, stop=stop)
    heartbeat.close()


def parse() -> argparse.Namespace:
    """Read the command line."""
    options = argparse.ArgumentParser(description="Train a character-level model.")
    options.add_argument("--workdir", type=Path, default=Path("build/train"))
    options.add_argument("--data", type=Path, default=Path("build/corpus"))
    options.add_argument("--steps", type=int, default=100_000)
    options.add_argument("--save-every", type=int, default=20)
    options.add_argument("--evaluate-every", type=int, default=30)
    options.add_argument(
        "--crash-at-step",
        type=int,
        help="on the first attempt, die by SIGKILL in the middle of this step",
    )
    return options.parse_args()


def make_plan(options: argparse.Namespace, shards: list[Path]) -> Plan:
    """
    Decide how much work a step is, so that it takes about ``STEP_SECONDS`` here.

    Decided once per work folder: a restarted attempt must redo the same steps.
    """
    remembered = options.workdir / "micro-batches"
    if not remembered.exists():
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.write_text(str(calibrate(shards)))
    first_attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
    return Plan(
        shards=shards,
        micro_batches=int(remembered.read_text()),
        steps=options.steps,
        save_every=options.save_every,
        evaluate_every=options.evaluate_every,
        crash_at_step=options.crash_at_step if first_attempt else None,
        checkpoints=options.workdir / "checkpoints",
    )


def calibrate(shards: list[Path]) -> int:
    """Return how many micro-batches this machine does in ``STEP_SECONDS``."""
    part = corpus.batch(corpus.load(shards[-1]), MICRO_BATCH, seed=0)
    weights = fresh().weights
    took = []
    for _ in range(7):
        began = time.perf_counter()
        gradients(weights, part)
        took.append(time.perf_counter() - began)
    return max(1, round(STEP_SECONDS / sorted(took)[len(took) // 2]))


def train(
    heartbeat: gp.Heartbeat,
    plan: Plan,
    model: Model,
    *,
    done: int,
    stop: Stop,
) -> None:
    """Run the loop from step *done* + 1; saves once more when asked to stop."""
    examples = plan.micro_batches * MICRO_BATCH
    step = done
    for batch in heartbeat.data(corpus.batches(plan.shards[:-1], done + 1, examples)):
        with heartbeat.step(step + 1):
            value = optimizer_step(
                model, batch, plan, crash=step + 1 == plan.crash_at_step
            )
        step += 1
        if step % 10 == 0:
            print(f"step {step} loss {value:.3f}", flush=True)
        over = stop.asked or step >= plan.steps
        if over or step % plan.save_every == 0:
            save(heartbeat, plan, model, step)
        if over:
            return
        if step % plan.evaluate_every == 0:
            with heartbeat.phase("eval"):
                value = evaluate(model, plan)
            print(f"step {step} held-out loss {value:.3f}", flush=True)


def optimizer_step(model: Model, batch: Batch, plan: Plan, *, crash: bool) -> float:
    """Accumulate the gradients of all micro-batches, then move the weights once."""
    contexts, targets = batch
    total: Arrays = {}
    values = []
    for number in range(plan.micro_batches):
        if crash and number >= plan.micro_batches // 2:
            print("injected crash: SIGKILL in the middle of the step", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        rows = slice(number * MICRO_BATCH, (number + 1) * MICRO_BATCH)
        value, slopes = gradients(model.weights, (contexts[rows], targets[rows]))
        values.append(value)
        for name, slope in slopes.items():
            total[name] = total[name] + slope if name in total else slope
    count = np.float32(len(values))
    update(model, {name: slope / count for name, slope in total.items()})
    return sum(values) / len(values)


def save(heartbeat: gp.Heartbeat, plan: Plan, model: Model, step: int) -> None:
    """Block until the checkpoint is on disk and reads back as what was written."""
    with heartbeat.checkpoint(step):
        path = checkpoints.save(plan.checkpoints, step, model)
        checkpoints.unpack(path)
    print(f"saved {path.name}", flush=True)


def evaluate(model: Model, plan: Plan) -> float:
    """Return the mean loss on held-out text, over about a second's worth of it."""
    share = STEP_SECONDS / plan.micro_batches * FORWARD_SHARE
    rounds = max(1, round(EVALUATION_SECONDS / share))
    text = corpus.load(plan.shards[-1])
    values = [
        loss(model.weights, corpus.batch(text, MICRO_BATCH, seed=number))
        for number in range(rounds)
    ]
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
