"""How what happened comes to be seen: late, twice, out of order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from goodput_exporter.simulate.chance import Chance
from goodput_exporter.simulate.plans import Noise
from goodput_exporter.simulate.raw import Raw, Via


def delivered(
    happened: Iterable[Raw], noise: Noise, chance: Chance, end_ns: int
) -> list[Raw]:
    """
    Return what is seen before *end_ns*, in the order in which it is seen.

    A watch keeps its order, as the API server does. Datagrams are doubled
    and late by chance; what the kernel tells comes at once.
    """
    seen: list[Raw] = []
    watch_ns = 0
    for raw in sorted(happened, key=lambda raw: raw.at_ns):
        if raw.via is Via.DATAGRAM:
            seen += _sent(raw, noise, chance)
            continue
        raw.seen_ns = raw.at_ns
        if raw.via is Via.OBJECT:
            delay_ns = chance.between_ns(0.01, noise.watch_delay_s)
            watch_ns = max(watch_ns, raw.at_ns + delay_ns)
            raw.seen_ns = watch_ns
        seen.append(raw)
    kept = [raw for raw in seen if raw.seen_ns < end_ns]
    return sorted(kept, key=lambda raw: raw.seen_ns)


def _sent(raw: Raw, noise: Noise, chance: Chance) -> list[Raw]:
    delay_s = noise.late_s if chance.happens(noise.late) else 0.005
    raw.seen_ns = raw.at_ns + chance.between_ns(0, delay_s)
    if not chance.happens(noise.doubled):
        return [raw]
    later_ns = raw.seen_ns + chance.between_ns(0, noise.late_s)
    return [raw, replace(raw, seen_ns=later_ns)]
