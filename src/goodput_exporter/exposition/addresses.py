"""How a run is written in a URL and on a page, and how it is found again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from urllib.parse import quote

from goodput_exporter.analysis.figures import shown
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import RunView

NEARNESS = 0.5
"""How alike a known name must be to be offered: typing errors, not guesses."""

DOTS = MappingProxyType({".": r"\u002e", "..": r"\u002e\u002e"})


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several runs go by the name that was asked for."""

    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """No run goes by the name; *nearest* is a known one that looks like it."""

    nearest: str | None


def address(key: RunKey) -> str:
    """Return the path of a run below ``/runs/``, safe in a URL and in HTML."""
    return "/".join(quote(_addressable(part), safe="") for part in _parts(key))


def full_name(key: RunKey) -> str:
    """Return ``cluster/namespace/run`` as a person can read and type it."""
    return "/".join(_addressable(part) for part in _parts(key))


def find(runs: Iterable[RunView], name: str) -> RunView | Ambiguous | Missing:
    """
    Return the run that *name* means: its full key, or its run id if only one has it.

    A full key wins over a run id that happens to look the same.
    """
    known = list(runs)
    wanted = _addressable(name)
    full = [view for view in known if full_name(view.key) == wanted]
    named = full or [view for view in known if _addressable(view.key.run) == wanted]
    if len(named) == 1:
        return named[0]
    if named:
        return Ambiguous(tuple(sorted(full_name(view.key) for view in named)))
    return Missing(_nearest(wanted, known))


def _nearest(wanted: str, runs: list[RunView]) -> str | None:
    names = {_addressable(view.key.run): full_name(view.key) for view in runs}
    names |= {full_name(view.key): full_name(view.key) for view in runs}
    close = get_close_matches(wanted, names, n=1, cutoff=NEARNESS)
    return names[close[0]] if close else None


def _parts(key: RunKey) -> tuple[str, str, str]:
    return key.cluster, key.namespace, key.run


def _addressable(text: str) -> str:
    # A browser resolves "." and ".." before it asks, even where the dots are
    # percent-encoded, so these two names are written out like what is invisible.
    visible = shown(text)
    if "." not in visible:
        return visible
    return "/".join(DOTS.get(part, part) for part in visible.split("/"))
