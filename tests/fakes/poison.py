"""What has blanked metrics pages before: the poison list of the design, section 3a."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any, Final

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.exposition.render import MetricsPage
from tests.fakes.snapshots import gpu_lost, health, model_view, run_view, snapshot

_NO_TEXT: Any = None
_NO_NUMBER: Any = "seven"
_REASONS: Final = ("\ud800", "\ud801", "x" * 999)

POISON: Final = MappingProxyType(
    {
        "lone surrogate": {"key": RunKey("local", "de\udfff", "run\ud800")},
        "a megabyte of name": {"key": RunKey("local", "default", "x" * 2**20)},
        "quotes and lines": {"key": RunKey("local", 'a"} 1\n# TYPE', "\\\r\n\u2028\0")},
        "no kind": {"kind": _NO_TEXT},
        "no key": {"key": _NO_TEXT},
        "no account": {"sealed": _NO_TEXT},
        "no devices": {"asked_devices": _NO_TEXT},
        "a word for a number": {"tail_ns": _NO_NUMBER, "steps_redone": _NO_NUMBER},
        "400 digits": {"high_water_step": 10**400, "tail_ns": -(10**400)},
        "not a number": {"model": model_view(mfu=math.nan, tokens=math.inf)},
        "twice the same": {"key": RunKey("elsewhere", "default", "healthy")},
    }
)
"""Fields of one run, by what is wrong with them."""


def poisoned_page(name: str) -> bytes:
    """Return the page of a healthy run beside a poisoned one, twice rendered."""
    now = snapshot(
        run_view("healthy"),
        run_view("sick", **POISON[name]),
        gpus=[
            gpu_lost(0, uuid=None, code=None),
            gpu_lost(0, uuid=None, reason="\ud800"),
        ],
        health=health(datagrams_rejected=dict.fromkeys(_REASONS, 1)),
    )
    page = MetricsPage()
    page.render(now)
    return page.render(now)
