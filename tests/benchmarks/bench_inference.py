"""How true inference is: made-up traces per GPU generation, on seeds never tuned on."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from goodput_exporter.sources.inference.thresholds import DEFAULTS
from tests.fakes.gpu_traces import BOARDS, HARSHER, HOPPER, trace
from tests.fakes.guessing import (
    RIGHT,
    Confusion,
    confusion,
    false_productive,
    recall,
    watched,
)

TUNED_ON = range(0, 200, 2)
KEPT_BACK = range(1, 200, 2)
"""The thresholds were chosen on even seeds; what is printed is of odd ones."""
FEW = 20
EVALUATION = frozenset({"eval"})


def _table(found: Confusion) -> Iterable[str]:
    states = sorted({state for _, state in found})
    yield "  what happened  seconds  " + "  ".join(f"{s[:12]:>12}" for s in states)
    for truth in RIGHT:
        row = [found[truth, state] for state in states]
        whole = sum(row)
        if whole:
            shares = "  ".join(f"{100 * s / whole:11.1f}%" for s in row)
            yield f"  {truth:<13}  {whole:>7}  {shares}"


def _cost() -> float:
    seen, watch = trace(HOPPER, 1), watched()
    begun = time.process_time()
    for look in seen.looks:
        watch.look(look)
        watch.report()
    return (time.process_time() - begun) / len(seen.looks)


def main() -> None:
    """Print, per generation, the share of false productive and the confusion."""
    seeds = KEPT_BACK[:FEW] if "--few" in sys.argv else KEPT_BACK
    write = sys.stdout.write
    for name, board in (BOARDS | HARSHER).items():
        found = confusion(board, seeds, DEFAULTS)
        false, strict = (
            false_productive(found),
            false_productive(found, without=EVALUATION),
        )
        write(
            f"{name}: {100 * strict:.2f} % of productive is false, "
            f"{100 * false:.2f} % with evaluation, which nobody can tell from "
            f"training; {100 * recall(found, 'train'):.1f} % of training and "
            f"{100 * recall(found, 'hang'):.1f} % of hanging is found "
            f"({len(seeds)} seeds of 30 min)\n"
        )
        write("\n".join(_table(found)) + "\n")
    write(f"one look at 4 GPUs and a report: {_cost() * 1e6:.0f} us\n")


if __name__ == "__main__":
    main()
