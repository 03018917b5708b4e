"""What each shard is told of a node: all of it, or what books of runs are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from goodput_exporter.domain.observations import GpuReading
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import ConfigError
from goodput_exporter.wire.kinds import OF_RUNS, Observation

PLACE: Final = "{shard}"
"""Stands in ``push.url`` for a shard's number."""
NAMED_EVERY_NS: Final = 60 * NS_PER_SECOND
"""A shard that begins anew knows within a minute of which model a run's GPUs are."""


def urls_of(url: str, count: int) -> tuple[str, ...]:
    """
    Return the address of every shard, in their order.

    Args:
        url: With ``{shard}`` where its number goes.
        count: How many shards there are.

    Raises:
        ConfigError: All of them would have one address.
    """
    if count > 1 and PLACE not in url:
        msg = (
            f"push.url: {url!r} is one address for {count} shards (push.shards); "
            f"write {PLACE} where a shard's number goes, such as "
            "http://goodput-shard-{shard}:9909"
        )
        raise ConfigError(msg)
    return tuple(url.replace(PLACE, str(index)) for index in range(count))


class Share:
    """
    Picks out of what was seen on a node what one shard needs.

    Whose run a rank is of is the aggregators' to find out, by its pod: every shard
    hears every rank, and books its own. What GPUs do is in the cluster book, which
    is the first shard's; the others hear of each GPU's model now and then.

    Args:
        index: The shard's, from 0.
    """

    def __init__(self, index: int) -> None:
        self._has_all = index == 0
        self._named_ns: dict[str, int] = {}

    def of(self, seen: Iterable[Observation]) -> list[Observation]:
        """Return what the shard is told, in its order."""
        if self._has_all:
            return list(seen)
        return [one for one in seen if isinstance(one, OF_RUNS) or self._names(one)]

    def _names(self, one: Observation) -> bool:
        """Tell whether a GPU's model was not told for a while."""
        if not isinstance(one, GpuReading):
            return False
        told_ns = self._named_ns.get(one.uuid)
        if told_ns is not None and 0 <= one.at_ns - told_ns < NAMED_EVERY_NS:
            return False
        self._named_ns[one.uuid] = one.at_ns
        return True
