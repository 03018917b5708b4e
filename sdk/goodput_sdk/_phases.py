"""The phases of a rank, as small integers: the hot path indexes a list by them."""

from __future__ import annotations

# Two slots for "init": time that belongs to no phase before the first step, and
# time that the program itself calls so. Only the first kind ends at that step.
OUTSIDE, INIT, COMPILE, RESTORE, DATA, TRAIN, SAVE, EVAL, IDLE, FINALIZE, OTHER = range(
    11
)

NAMES = (
    "init",
    "init",
    "compile",
    "checkpoint_restore",
    "data_loading",
    "train_step",
    "checkpoint_save",
    "eval",
    "idle",
    "finalize",
    "other",
)

# Agents accept 16 names a sender, and this many keep `cum` within one datagram.
NAMES_LIMIT = 16
NAME_LENGTH_LIMIT = 32

# Long enough for a hang in them to matter, rare enough to be told at once.
# Time outside any phase is not announced: every step would end in a system call.
ANNOUNCED = frozenset((INIT, COMPILE, RESTORE, SAVE, EVAL, IDLE, FINALIZE))
