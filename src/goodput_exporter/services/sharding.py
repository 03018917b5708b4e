"""Which runs a process books, where one process is not enough for a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Shard:
    """
    One of several processes that share a cluster's runs.

    A run's shard follows from its key alone, on every machine and for ever: two
    shards that disagreed would both book it, or neither. What is nobody's run, such
    as nodes and queues, shard 0 tells.

    Args:
        index: From 0.
        count: How many there are.
    """

    index: int = 0
    count: int = 1

    def owns(self, key: RunKey) -> bool:
        """Tell whether a run is booked here."""
        return shard_of(key, self.count) == self.index

    @property
    def is_first(self) -> bool:
        """Tell whether what is nobody's is told here."""
        return self.index == 0


def shard_of(key: RunKey, count: int) -> int:
    """Return the shard that books a run, from 0."""
    digest = blake2b(str(key).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count


def parse_shard(text: str) -> Shard:
    """
    Read ``INDEX/COUNT``, such as ``0/3``.

    Raises:
        ConfigError: It is none.
    """
    index, slash, count = text.partition("/")
    is_whole = all(part.isascii() and part.isdecimal() for part in (index, count))
    if not slash or not is_whole or not int(index) < int(count):
        msg = f"aggregator.shard: {text!r} is none; write INDEX/COUNT, such as 0/3"
        raise ConfigError(msg)
    return Shard(int(index), int(count))
