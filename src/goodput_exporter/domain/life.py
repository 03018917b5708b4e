"""One incarnation of one rank: what is known of it and not yet booked."""

from __future__ import annotations

from dataclasses import dataclass, field

from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.states import Phase, RunState


@dataclass(slots=True)
class Piece:
    """
    A stretch of one rank's time; *state* is None for step time.

    Args:
        start_ns, end_ns: Half-open, on the ledger's clock.
        state: The state of a non-step phase, or stalled past its limit.
    """

    start_ns: int
    end_ns: int
    state: RunState | None


@dataclass(slots=True)
class Mark:
    """
    Steps that one rank completed, known from one report.

    Args:
        at_ns: When the last of them was complete.
        step: Its number; None where the rank numbers nothing.
        count: Steps executed since the rank's last mark.
        advanced: How many of them moved the step number (the others were skipped).
        tokens, flops: Done in these steps by the whole run, or None.
        restored: Set where this is no step but a declaration of a restored one.
        saved, durable: A checkpoint returned, or was committed, at that step.
    """

    at_ns: int
    step: int | None = None
    count: int = 0
    advanced: int = 0
    tokens: int | None = None
    flops: float | None = None
    restored: int | None = None
    saved: int | None = None
    durable: int | None = None
    local: bool = False


@dataclass(slots=True)
class Life:
    """
    What is known of one incarnation up to its last report.

    Args:
        started_ns: When it began, from its own age in its first report.
        reported_ns: Position of its last report: nothing later is known of it. After
            a goodbye it goes on as if it were idle, until its end is seen.
        said_bye_ns: Position of its goodbye.
        stretch_ns: Since when it is in *phase* without a break.
        ended_ns: When it was gone; None while it lives.
        has_begun: The run's line has passed its start.
        first_step_ns: When its first step began; None while it starts up.
        active_ns: Of a rank whose phases are inferred: when it last looked like
            training. None for one that speaks for itself.
        has_given_way: What was inferred of it ends there, since a rank speaks.
        pieces: Its time that the run has not used yet, without overlap, in order.
    """

    incarnation: str
    rank: int
    world_size: int
    devices: int
    started_ns: int
    reported_ns: int
    seq: int
    up_ns: int
    phase: Phase
    stretch_ns: int
    cum_ns: dict[Phase, int]
    pid: int | None
    replica_group: str | None = None
    step: int | None = None
    steps_done: int = 0
    mark_ns: int = 0
    tokens: int | None = None
    flops: float | None = None
    restored: int | None = None
    saved: int | None = None
    durable: int | None = None
    said_bye: bool = False
    said_bye_ns: int = 0
    ok: bool = False
    ended_ns: int | None = None
    ended_ok: bool = False
    exit_code: int | None = None
    exit_detail: str = ""
    ended_unseen: bool = False
    has_begun: bool = False
    joined_epoch: int = 0
    declared_epoch: int = -1
    first_step_ns: int | None = None
    active_ns: int | None = None
    has_given_way: bool = False
    pieces: list[Piece] = field(default_factory=list)

    @property
    def is_alive(self) -> bool:
        """Tell whether nothing has been seen of its end."""
        return self.ended_ns is None

    def is_there_at(self, at_ns: int) -> bool:
        """
        Tell whether it had begun and not ended, as the run's line saw it.

        One that has given way to a better source lives on under another name.
        """
        is_over = self.ended_ns is not None and self.ended_ns <= at_ns
        return self.has_begun and (self.has_given_way or not is_over)

    def starts_up_at(self, at_ns: int) -> bool:
        """Tell whether its first step has not begun before *at_ns*."""
        return self.first_step_ns is None or self.first_step_ns >= at_ns


def born(report: RankReport) -> Life:
    """Begin a life at its birth, with nothing of it used yet."""
    started_ns = report.at_ns - report.up_ns
    facts = report.facts
    return Life(
        incarnation=report.incarnation,
        rank=report.rank,
        world_size=report.world_size,
        devices=max(1, len(facts.gpu_uuids)) if facts else 1,
        started_ns=started_ns,
        reported_ns=started_ns,
        seq=-1,
        up_ns=0,
        phase=Phase.INIT,
        stretch_ns=started_ns,
        cum_ns={},
        pid=report.pid,
        replica_group=report.replica_group,
        mark_ns=started_ns,
        active_ns=started_ns if report.source == "inferred" else None,
    )
