"""What the services may ask of a source: it reports, and it decides nothing."""

from __future__ import annotations

from typing import Protocol

from goodput_exporter.domain.observations import GpuObservation, RunObservation


class RunSource(Protocol):
    """Where observations of training runs come from."""

    def drain(self) -> list[RunObservation]:
        """Return what was seen since the last call, in the order it was seen."""

    def close(self) -> None:
        """Stop looking; a last ``drain`` still returns what is queued."""


class GpuSource(Protocol):
    """Where observations of this node's GPUs come from."""

    def read(self) -> list[GpuObservation]:
        """Return one observation per GPU, in index order."""
