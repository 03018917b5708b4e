"""JobSet's own controller, beside the control plane."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.control_plane import START_S, ControlPlane
from tests.cluster.operators import (
    DEFINITION,
    LOOPBACK,
    are_listening,
    controller,
    folder_of,
    hooked,
    manifests,
)
from tests.cluster.services import free_port, wait_for

HOOKS = ("mjobset.kb.io", "vjobset.kb.io")
"""Those on pods place jobs on racks of their own, which no story asks for."""


@contextmanager
def jobsets(plane: ControlPlane) -> Iterator[None]:
    """Let JobSets be served and looked after for the length of the block."""
    folder = folder_of(plane, "jobset")
    port, health = free_port(), free_port()
    settings = {
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "webhook": {"port": port, "host": LOOPBACK, "certDir": str(folder)},
        "health": {"healthProbeBindAddress": f"{LOOPBACK}:{health}"},
        "metrics": {"bindAddress": "0"},
    }
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    definition, *found = manifests("jobset")
    hooks = [hooked(plane, "jobset", one, port, HOOKS) for one in found]
    plane.api.apply(definition)
    plane.api.wait(DEFINITION, None, definition["metadata"]["name"], bool)
    try:
        with controller(plane, "jobset", folder, health):
            wait_for(lambda: are_listening(plane, hooks), START_S, "webhooks answer")
            for hook in hooks:
                plane.api.apply(hook)
            yield
    finally:
        for each in (*hooks, definition):
            plane.api.delete(each["kind"], None, each["metadata"]["name"])
