"""Which runs a process books, where one process is not enough for a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import ConfigError, LedgerError
from goodput_exporter.ledger.gpu_compaction import SHARDS

META: Final = SHARDS
"""The name in the ledger's meta of how many shards its runs are divided over."""


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


def elsewhere(shard: Shard, name: str) -> str:
    """
    Say whom to ask for a run that is not in a shard's book.

    Args:
        shard: The one that was asked.
        name: ``cluster/namespace/run``, or the run id alone, which tells no shard.

    Returns:
        A sentence; empty where it would be here.
    """
    if shard.count == 1:
        return ""
    here = f"This is shard {shard.index} of {shard.count}, which knows its own runs"
    parts = name.split("/", 2)
    if len(parts) == len(RunKey.__slots__) and all(parts):
        owner = shard_of(RunKey(*parts), shard.count)
        if owner == shard.index:
            return ""
        return f"{here}; this one is of the Service NAME-shard-{owner}: ask there"
    return (
        f"{here}; write cluster/namespace/run to be told whose it is, or ask the "
        f"Services NAME-shard-0 to NAME-shard-{shard.count - 1}"
    )


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


def require_same(
    shard: Shard, meta: Mapping[str, str], runs: Iterable[RunKey]
) -> dict[str, str]:
    """
    Make sure that a ledger's runs are divided as they were before.

    With another count most runs would go on in another shard's ledger, which has
    nothing of them and would book their past once more.

    Args:
        shard: Ours.
        meta: All of the ledger's.
        runs: Those in the ledger; looked at where it does not tell its count.

    Returns:
        What is to be committed to its meta.

    Raises:
        LedgerError: They were divided otherwise.
    """
    noted = meta.get(META)
    if noted == str(shard.count):
        return {}
    strange = None if noted else next((k for k in runs if not shard.owns(k)), None)
    if noted or strange:
        was = f"was kept as one of {noted}" if noted else f"holds another's: {strange}"
        msg = (
            f"aggregator.shard: {shard.index}/{shard.count}, and the ledger {was}; "
            "runs would be booked twice. Set the count that it had, or begin with "
            "new ledgers for all shards"
        )
        raise LedgerError(msg)
    return {META: str(shard.count)}
