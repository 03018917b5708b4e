"""Which node a physical GPU is in: one at every instant, whatever two nodes say."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Owners:
    """
    The newest claims on each GPU.

    A GPU is moved between nodes by hand, or two nodes name the same one because one
    is a copy of the other. It is one GPU, and counts once: where the claim that
    began later says.

    Args:
        claims: By UUID: from when on, by which node, in the order of their times.
        disputed: UUIDs with more than one claim.
        contested: UUIDs that a second node has named, whether it got them or not.
        disputes: How often a node claimed a GPU that was another's.
    """

    claims: dict[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)
    disputed: set[str] = field(default_factory=set)
    contested: set[str] = field(default_factory=set)
    disputes: int = 0

    def claim(self, uuid: str, node: str, since_ns: int, line_ns: int) -> bool:
        """
        Let a node name a GPU as its own; an older claim than the newest is passed over.

        Args:
            uuid: The GPU.
            node: Who names it.
            since_ns: Since when.
            line_ns: What is sealed stays where it is: the GPU moves from there on.

        Returns:
            Whether it moves from one node to another.
        """
        known = self.claims.get(uuid)
        if known is None:
            self.claims[uuid] = ((since_ns, node),)
            return False
        newest_ns, owner = known[-1]
        if owner == node:
            return False
        self.contested.add(uuid)
        if since_ns < newest_ns:
            return False
        self.claims[uuid] = (*known, (max(since_ns, line_ns), node))
        self.disputed.add(uuid)
        self.disputes += 1
        return True

    def is_of(self, uuid: str, node: str, at_ns: int) -> bool:
        """Return whether a GPU is a node's at an instant; unclaimed ones are."""
        known = self.claims.get(uuid)
        if known is None:
            return True
        owner = known[0][1]
        for since_ns, claimant in known[1:]:
            if since_ns <= at_ns:
                owner = claimant
        return owner == node

    def moves(self) -> set[int]:
        """Return the instants at which GPUs move from node to node."""
        return {at_ns for uuid in self.disputed for at_ns, _ in self.claims[uuid][1:]}

    def release(self, uuid: str, node: str) -> None:
        """Forget a GPU that left the book with its node."""
        known = self.claims.get(uuid)
        if known is not None and known[-1][1] == node:
            del self.claims[uuid]
            self.disputed.discard(uuid)
            self.contested.discard(uuid)

    def settle(self, line_ns: int) -> None:
        """Forget the claims that no instant from *line_ns* on rests on."""
        for uuid in list(self.disputed):
            known = self.claims[uuid]
            while len(known) > 1 and known[1][0] <= line_ns:
                known = known[1:]
            self.claims[uuid] = known
            if len(known) == 1:
                self.disputed.discard(uuid)
