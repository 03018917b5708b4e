"""The state table: every state once, with a layer, in the definitions' order."""

from __future__ import annotations

from goodput_exporter.domain.states import (
    LAYER_OF,
    ORDER_OF,
    STATE_OF_PHASE,
    STATE_TABLE,
    Layer,
    Phase,
    RunState,
)

BY_LAYER = {
    Layer.OUTSIDE: "queued",
    Layer.INFRASTRUCTURE: "suspended down scheduling provisioning degraded",
    Layer.FRAMEWORK: "initializing restoring recomputing interrupted checkpointing "
    "data_wait evaluating stalled idle other lost",
    Layer.MODEL: "slow",
    Layer.GOOD: "productive",
    Layer.NONE: "unobserved",
}


def test_the_table_has_every_state_once() -> None:
    """A state without a row would have no layer."""
    assert [row.state for row in STATE_TABLE] == list(RunState)
    assert all(row.when for row in STATE_TABLE)


def test_the_layer_is_a_function_of_the_state() -> None:
    """As section 4 of the definitions has it."""
    for layer, names in BY_LAYER.items():
        assert [s.value for s in RunState if LAYER_OF[s] is layer] == names.split()


def test_the_order_is_the_table_s() -> None:
    """Windows lay phases in it, and rounding falls by it."""
    assert ORDER_OF[RunState.QUEUED] == 0
    assert ORDER_OF[RunState.UNOBSERVED] == len(RunState) - 1
    assert ORDER_OF[RunState.RESTORING] < ORDER_OF[RunState.CHECKPOINTING]
    assert ORDER_OF[RunState.CHECKPOINTING] < ORDER_OF[RunState.DATA_WAIT]
    assert ORDER_OF[RunState.DATA_WAIT] < ORDER_OF[RunState.EVALUATING]


def test_every_phase_but_a_step_has_a_state() -> None:
    """What a step is shows when it completes."""
    assert set(Phase) - set(STATE_OF_PHASE) == {Phase.TRAIN_STEP}
    assert {phase.value: state.value for phase, state in STATE_OF_PHASE.items()} == {
        "init": "initializing",
        "compile": "initializing",
        "checkpoint_restore": "restoring",
        "data_loading": "data_wait",
        "checkpoint_save": "checkpointing",
        "eval": "evaluating",
        "idle": "idle",
        "finalize": "idle",
        "other": "other",
    }
