"""Links of a node that went down or came back: NVLink, InfiniBand and network cards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.observations import GpuSample

SYS: Final = Path("/sys/class")
MOST_BYTES: Final = 256
MOST_LINKS: Final = 512
"""Ports of one node; a switch's own are fewer."""


@dataclass(frozen=True, slots=True)
class Link:
    """
    One link at one instant; None is not told.

    Args:
        is_up: The other side answers.
        downs: How often it went down, by its own count.
        rate: As sysfs writes it, such as ``"400 Gb/sec (4X NDR)"``.
    """

    is_up: bool | None
    downs: int | None
    rate: str | None = None


@dataclass(slots=True)
class Links:
    """
    Changes of a node's links; a link that is down from the start is no news.

    Args:
        node: Whose.
        root: Where sysfs has its classes.
        failures: Files that are there and could not be read.
    """

    node: str
    root: Path = SYS
    failures: int = 0
    _known: dict[tuple[str, str], Link] = field(default_factory=dict)
    _nvlinks: dict[str, int] = field(default_factory=dict)

    def drain(self, at_ns: int, gpus: Iterable[GpuSample] = ()) -> list[Evidence]:
        """
        Return what has changed since the last call, dated now.

        Args:
            at_ns: The present: sysfs counts, and dates nothing.
            gpus: The newest samples, for their NVLinks.
        """
        known, self._known = self._known, dict(self._ports())
        found = [
            (f"{kind}-{how}", f"node/{self.node}", f"{name} {said}")
            for (kind, name), now in self._known.items()
            if (kind, name) in known
            for how, said in _changes(known[kind, name], now)
        ]
        found += self._gpu_links(gpus)
        return [
            Evidence(at_ns, Kind.LINK, reason, subject, "sysfs", said)
            for reason, subject, said in found
        ]

    def _ports(self) -> Iterator[tuple[tuple[str, str], Link]]:
        ports = sorted(self.root.glob("infiniband/*/ports/*"))
        for port in ports[:MOST_LINKS]:
            device = f"{port.parent.parent.name}:{port.name}"
            state, rate = self._text(port / "state"), self._text(port / "rate")
            # "4: ACTIVE"; a port that only starts to train is not up.
            is_up = None if state is None else state.startswith("4:")
            downs = self._count(port / "counters" / "link_downed")
            yield ("ib", device), Link(is_up, downs, rate)
        for card in sorted(self.root.glob("net/*"))[:MOST_LINKS]:
            if not (card / "device").exists():
                continue  # bridges, and the ends of pods' veth pairs
            downs = self._count(card / "carrier_down_count")
            carrier = self._text(card / "carrier")
            is_up = None if carrier is None else carrier == "1"
            yield ("nic", card.name), Link(is_up, downs)

    def _gpu_links(self, gpus: Iterable[GpuSample]) -> Iterator[tuple[str, str, str]]:
        for gpu in gpus:
            health = gpu.health
            if health is None or health.nvlinks_active is None:
                continue
            active = health.nvlinks_active
            before = self._nvlinks.get(gpu.uuid, active)
            self._nvlinks[gpu.uuid] = active
            if before == active:
                continue
            how = "down" if active < before else "up"
            said = f"{active} of {health.nvlinks} NVLinks active, {before} before"
            yield f"nvlink-{how}", f"gpu/{self.node}/{gpu.uuid}", said

    def _text(self, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                return file.read(MOST_BYTES).decode(errors="replace").strip()
        except FileNotFoundError:
            return None
        except OSError:
            # A network card that is administratively down refuses its carrier.
            self.failures += path.name != "carrier"
            return None

    def _count(self, path: Path) -> int | None:
        text = self._text(path)
        if text is None or not text.isascii() or not text.isdecimal():
            return None
        return int(text)


def _changes(before: Link, now: Link) -> Iterator[tuple[str, str]]:
    """Yield how one link has changed: down, back, or down and back unseen."""
    went = (now.downs or 0) - (before.downs or 0)
    times = f" ({went} times)" if went > 1 else ""
    if before.is_up and now.is_up is False:
        yield "down", f"went down{times}"
    elif before.is_up is False and now.is_up:
        yield "up", "came back"
    elif before.downs is not None and now.downs is not None and went > 0:
        yield "flapped", f"went down and came back{times}"
    if now.is_up and before.is_up and before.rate != now.rate and now.rate is not None:
        yield "rate", f"runs at {now.rate}, before at {before.rate}"
