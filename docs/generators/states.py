"""The page of states, layers and causes, from the state table of the domain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from goodput_exporter.domain.states import (
    STATE_OF_PHASE,
    STATE_TABLE,
    Cause,
    How,
    Layer,
    Phase,
    RunState,
)

HEAD: Final = """\
# States, layers and causes

<!-- Generated from the code; run `make docs`, do not edit. -->

Every asked GPU of a run is in exactly one state at every instant. The layer follows
from the state alone; it names the team that can do something about it. What the states
mean together is told in [how GPU time is accounted for](../explanation/accounting.md).

## States
"""

OWNER_OF_LAYER: Final = {
    Layer.OUTSIDE: "nobody's yet: the run was never admitted; counts in ETTR only",
    Layer.INFRASTRUCTURE: "platform, SRE: the run's full set of GPUs was not available",
    Layer.FRAMEWORK: "training framework, storage: available, but no new step",
    Layer.MODEL: "model and kernel engineers: stepping, slower than it can",
    Layer.GOOD: "goodput",
    Layer.NONE: "unseen; neither good nor bad",
}

STEPPING: Final = (RunState.PRODUCTIVE, RunState.SLOW, RunState.RECOMPUTING)
STARTING: Final = (RunState.INITIALIZING, RunState.RESTORING)
WAITING: Final = (RunState.CHECKPOINTING, RunState.DATA_WAIT, RunState.EVALUATING)
GONE: Final = (
    RunState.DOWN,
    RunState.SUSPENDED,
    RunState.SCHEDULING,
    RunState.PROVISIONING,
)

DIAGRAM_HEAD: Final = """\
## The usual way through them

Groups stand for any of their states. The diagram leaves out what can follow anything:
`stalled` when a span outlasts its limit, `unobserved` when no source sees the run,
`other` and `idle` when the job says so. `degraded` lies beside the others: it holds the
missing GPUs only. `lost` exists in the settled view only, in place of `productive`.
"""


def render() -> str:
    """Return the page."""
    parts = [HEAD, *_states(), DIAGRAM_HEAD, *_diagram(), *_phases(), *_closed_sets()]
    return "\n".join(parts) + "\n"


def _states() -> Iterator[str]:
    yield "| state | layer | when |"
    yield "| --- | --- | --- |"
    for row in STATE_TABLE:
        yield f"| `{row.state}` | {row.layer} | {row.when} |"
    yield ""
    yield "| layer | whose it is |"
    yield "| --- | --- |"
    for layer in Layer:
        yield f"| {layer} | {OWNER_OF_LAYER[layer]} |"
    yield ""


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    for group, members in (
        ("away", GONE),
        ("starting", STARTING),
        ("stepping", STEPPING),
        ("waiting", WAITING),
    ):
        yield f"  state {group} {{"
        for member in members:
            yield f"    {member}"
        yield "  }"
    yield f"  [*] --> {RunState.QUEUED}: submitted"
    yield f"  {RunState.QUEUED} --> away: admitted"
    yield "  [*] --> starting: a process reports"
    yield "  away --> starting: the ranks' processes run"
    yield "  starting --> stepping: the first step begins"
    yield "  stepping --> waiting: the loop is blocked"
    yield "  waiting --> stepping: it goes on"
    yield f"  stepping --> {RunState.INTERRUPTED}: a rank ends abnormally"
    yield f"  {RunState.INTERRUPTED} --> away: since the last completed step"
    yield "  starting --> away: a rank ends abnormally"
    yield "  waiting --> away: a rank ends abnormally"
    yield "  stepping --> [*]: every rank says goodbye"
    yield "```"
    yield ""


def _phases() -> Iterator[str]:
    yield "## What a rank reports, and the state that it becomes\n"
    yield "| phase on the wire | state |"
    yield "| --- | --- |"
    for phase in Phase:
        state = STATE_OF_PHASE.get(phase)
        shown = f"`{state}`" if state else "known when the step completes"
        yield f"| `{phase}` | {shown} |"
    yield ""


def _closed_sets() -> Iterator[str]:
    yield "## Causes\n"
    yield "Why time was lost; a closed set.\n"
    yield ", ".join(f"`{cause}`" for cause in Cause) + "\n"
    yield "## How a run came back\n"
    yield ", ".join(f"`{how}`" for how in How)
