"""The four lines, in a loop that pretends to train; torch is not needed to try them."""

import time

import goodput_sdk as gp

STEPS = 100_000

hb = gp.init(framework="pytorch")  # 1: who we are; does nothing without GOODPUT_ADDR
hb.restored(None)  # 2: a fresh start; else the step that was loaded
for step in range(1, STEPS + 1):
    with hb.step(step):  # 3: one optimizer step
        time.sleep(0.5)
    if step % 500 == 0:
        with hb.checkpoint(step):  # 4: what blocks the loop while it saves
            time.sleep(5)
