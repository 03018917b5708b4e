"""The settings: what there is, what was found, and what it means."""

from goodput_exporter.config.places import load
from goodput_exporter.config.settings import Settings

__all__ = ["Settings", "load"]
