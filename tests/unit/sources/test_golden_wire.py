"""Every datagram of wire v1 that was ever agreed on is read the same for ever."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from goodput_exporter.sources.refusals import ADVICE, Flaw, Reason
from tests.fakes.heartbeats import Desk

ROOT = Path(__file__).parents[3]
CORPUS = sorted((ROOT / "tests" / "fixtures" / "wire" / "v1").glob("*.json"))
WIRE_DOC = ROOT / "docs" / "reference" / "wire.md"


@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_an_agreed_datagram_means_what_it_meant(path: Path) -> None:
    """A file here may be added and never changed: old senders live for years."""
    golden: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    desk = Desk()

    seen = desk.hear(golden["datagram"].encode())

    meant = json.loads(json.dumps([asdict(report) for report in seen]))
    # A report may gain fields; what it said before it must still say.
    assert [
        {name: report[name] for name in agreed}
        for report, agreed in zip(meant, golden["reports"], strict=True)
    ] == golden["reports"]
    assert desk.refused() == golden["refused"]
    assert desk.flaws() == golden["flaws"]
    assert desk.reception.counted().dropped == golden["dropped"]


def test_the_corpus_is_there() -> None:
    """An empty corpus would prove nothing."""
    assert len(CORPUS) >= 14


def test_every_reason_has_advice_and_is_documented() -> None:
    """An operator who sees a reason finds it in the reference."""
    text = WIRE_DOC.read_text(encoding="utf-8")

    assert set(ADVICE) == set(Reason)
    assert [name for name in [*Reason, *Flaw] if f"| `{name}` |" not in text] == []
