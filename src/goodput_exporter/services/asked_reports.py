"""What a report is asked to say, and the prices that it is given."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from goodput_exporter.analysis.histories import View
from goodput_exporter.analysis.prices import PriceBook, parse_prices
from goodput_exporter.analysis.stretches import Pricing
from goodput_exporter.analysis.usage import Place
from goodput_exporter.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a report is asked to say; texts as they stand on the command line.

    Args:
        names: Runs; none is every run of the ledger.
        format: One of the command's. *out*: a new file; None is standard output.
        prices: A price book's file. *gpu_model*, *node_pool*: what it is asked for.
        compare: Another run, to stand beside the only one.
        attempts: Two attempts of the only run, likewise.
        group_by: What to group the runs by; one of ``GroupKind``.
        energy: Read what the GPUs of several runs drew, too: of a fleet it takes as
            long as pricing it. Of one run it is always there.
    """

    names: tuple[str, ...] = ()
    begins: str | None = None
    ends: str | None = None
    last: str | None = None
    format: str = "html"
    out: Path | None = None
    view: str = View.SETTLED.value
    prices: Path | None = None
    gpu_model: str | None = None
    node_pool: str | None = None
    compare: str | None = None
    attempts: tuple[str, ...] = ()
    group_by: str | None = None
    energy: bool = False


def asked_of(chosen: argparse.Namespace, usual: str) -> Asked:
    """
    Return what a command line asks for.

    Args:
        chosen: As parsed; a command that does not know a flag does not have it.
        usual: The format where none is named.
    """
    said = vars(chosen)
    return Asked(
        names=tuple(said["run"] or ()),
        begins=said["from"],
        ends=said["to"],
        last=said["last"],
        format=said["format"] or usual,
        out=None if said["out"] is None else Path(said["out"]),
        view=said["view"] or View.SETTLED.value,
        prices=None if said["prices"] is None else Path(said["prices"]),
        gpu_model=said["gpu_model"],
        node_pool=said["node_pool"],
        compare=said.get("compare"),
        attempts=tuple(said.get("attempts") or ()),
        group_by=said.get("group_by"),
        energy=bool(said.get("energy")),
    )


def pricing_of(asked: Asked) -> Pricing:
    """
    Read the price book, and find out which of its prices hold.

    Raises:
        ConfigError: The file cannot be read, or it cannot be told which GPUs the
            runs have.
    """
    if asked.prices is None:
        return Pricing()
    book = price_book_of(asked.prices)
    models = sorted({model for model, _ in book.shelves})
    model = asked.gpu_model
    if model is None and len(models) == 1:
        model = models[0]
    if model is None or model not in models:
        wrong = (
            "which of them do the runs have?"
            if model is None
            else f"none of them is --gpu-model {model!r};"
        )
        msg = (
            f"{asked.prices} has prices of {', '.join(models) or 'nothing'}: {wrong} "
            "name one with --gpu-model"
        )
        raise ConfigError(msg)
    return Pricing(book, Place(model, asked.node_pool))


def price_book_of(path: Path) -> PriceBook:
    """
    Read a price book from its file.

    Raises:
        ConfigError: It cannot be read, or is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        msg = f"--prices: {path} cannot be read ({exc}); check path and rights"
        raise ConfigError(msg) from exc
    return parse_prices(text, origin=str(path))
