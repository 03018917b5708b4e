"""What a run that does not run yet waits for: queue wait, split by reason."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from goodput_exporter.domain.placement import Stage


class Wait(StrEnum):
    """Why a run's pods are not all running, where nothing has broken."""

    SUSPENDED = "suspended"
    GATED = "gated"
    UNSCHEDULABLE = "unschedulable"
    IMAGE_PULL = "image_pull"
    INIT = "init"


GATED: Final = "SchedulingGated"
PULLS: Final = frozenset(
    {
        "ContainerCreating",
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "ImageInspectError",
        "InvalidImageName",
        "RegistryUnavailable",
    }
)
"""Reasons of containers that wait for their image. ``ContainerCreating`` is the
kubelet's word from the sandbox on, and then what is left to do is to pull."""


def wait_of(stage: Stage, reason: str) -> Wait | None:
    """Return what a placement waits for; None where it runs, or is down."""
    if stage in {Stage.QUEUED, Stage.SUSPENDED}:
        return Wait.GATED if reason == GATED else Wait.SUSPENDED
    if stage is Stage.SCHEDULING:
        return Wait.UNSCHEDULABLE
    if stage is Stage.PROVISIONING:
        return Wait.IMAGE_PULL if reason in PULLS else Wait.INIT
    return None
