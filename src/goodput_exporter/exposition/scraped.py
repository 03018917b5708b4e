"""Reading our own metrics back: what a running exporter says of itself."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from goodput_exporter.errors import BadInputError


def samples(text: str, name: str) -> Iterator[tuple[dict[str, str], float]]:
    """
    Yield the labels and the value of each series called *name*.

    Raises:
        BadInputError: The text is no exposition.
    """
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name:
                    yield dict(sample.labels), sample.value
    except ValueError as exc:
        msg = f"what should be metrics cannot be read ({exc}); is it our exporter?"
        raise BadInputError(msg) from exc


def value(text: str, name: str) -> float | None:
    """Return the sum of a metric's series, or None where it is absent."""
    found = [number for _, number in samples(text, name)]
    return sum(found) if found else None
