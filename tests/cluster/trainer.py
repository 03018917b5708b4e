"""
A training program with the SDK, as somebody would write it; its GPUs do the work.

Run as ``python trainer.py FOLDER LAST_STEP GPUS_OF_THE_RUN GPU_UUID...``. A file
``hang`` in the folder holds it in its step, as a collective does that never ends.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Final

import goodput_sdk

STEP_S: Final = 0.1
TOKENS: Final = 1_000
"""In a step, per GPU of the run: about half of what an H100 can do."""
SAVE_EVERY: Final = 25
PARAMETERS: Final = 7e9

gpu_works = threading.Event().wait


def main(folder: Path, last: int, run_gpus: int, gpus: list[str]) -> None:
    """Train from the newest checkpoint up to a step."""
    kept, hang = folder / "checkpoint", folder / "hang"
    heart = goodput_sdk.init(framework="pytorch")
    heart.model(
        params=PARAMETERS,
        tokens_per_step=TOKENS * run_gpus,
        dtype="bf16",
        gpu_uuids=gpus,
    )
    with heart.phase("checkpoint_restore"):
        step = int(kept.read_text()) if kept.exists() else 0
    heart.restored(step)
    while step < last:
        with heart.phase("data_loading"):
            gpu_works(STEP_S / 50)
        with heart.step(step + 1):
            gpu_works(STEP_S)
            while hang.exists():
                gpu_works(STEP_S)
        step += 1
        if step % SAVE_EVERY == 0:
            with heart.checkpoint(step):
                kept.write_text(str(step))
    heart.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
