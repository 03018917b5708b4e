"""Who reports: the keys that are the same in every message of one incarnation."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    from goodput_sdk._environment import Place

TEXT_LIMIT = 64


class Identity:
    """
    Who reports; the same in every message of one incarnation.

    Args:
        incarnation: 16 hex digits, random.
        run_id: The run's id, or None to leave it to the agent.
        place: Where this process stands in the run.
        role: ``"trainer"`` takes part in the run's book, others do not.
        replica_group: A torchft replica group or a slice.
        source: What moves the clock: ``"sdk"``, ``"auto"``, ``"hf"`` and so on.
        steps_are_local: The program's step numbers begin anew in every process.
        amounts_are_global: Tokens and samples count the whole run, not this rank.
    """

    __slots__ = (
        "amounts_are_global",
        "incarnation",
        "place",
        "replica_group",
        "role",
        "run_id",
        "source",
        "steps_are_local",
    )

    def __init__(  # noqa: PLR0913  # the facts are independent of each other
        self,
        *,
        incarnation: str,
        run_id: str | None,
        place: Place,
        role: str = "trainer",
        replica_group: str | None = None,
        source: str = "sdk",
        steps_are_local: bool = False,
        amounts_are_global: bool = True,
    ) -> None:
        self.incarnation = incarnation
        self.run_id = run_id
        self.place = place
        self.role = role
        self.replica_group = replica_group
        self.source = source
        self.steps_are_local = steps_are_local
        self.amounts_are_global = amounts_are_global

    def fields(self) -> dict[str, object]:
        """Return the keys that say who reports."""
        fields: dict[str, object] = {
            "inc": self.incarnation,
            "rank": self.place.rank,
            "ws": self.place.world_size,
            "lr": self.place.local_rank,
            "lws": self.place.local_world_size,
            "role": self.role[:TEXT_LIMIT],
            "src": self.source[:TEXT_LIMIT],
        }
        if self.run_id is not None:
            fields["run"] = self.run_id
        if self.replica_group is not None:
            fields["rg"] = self.replica_group[:TEXT_LIMIT]
        if self.steps_are_local:
            fields["stl"] = 1
        return fields
