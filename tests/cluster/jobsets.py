"""JobSet's own controller, beside the control plane."""

from __future__ import annotations

import json
import os
import shutil
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import urllib3
import yaml

from tests.cluster.api import Json
from tests.cluster.control_plane import START_S, ControlPlane
from tests.cluster.programs import program
from tests.cluster.services import Service, free_port

DEFINITION: Final = "CustomResourceDefinition"


@contextmanager
def jobsets(plane: ControlPlane) -> Iterator[None]:
    """Let JobSets be served and looked after for the length of the block."""
    folder = plane.folder / "jobset"
    folder.mkdir()
    port, health = free_port(), free_port()
    for source, name in ((plane.ca_file, "tls.crt"), (plane.key_file, "tls.key")):
        shutil.copy(source, folder / name)
    settings = {
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "webhook": {"port": port, "host": "127.0.0.1", "certDir": str(folder)},
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
        "metrics": {"bindAddress": "0"},
    }
    config = folder / "config.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    environ = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(plane.folder / "admin.conf"),
    }
    command = (program("jobset"), f"--config={config}")
    service = Service("jobset", command, folder, environ)
    definition, *hooks = manifests(plane, port)
    plane.api.apply(definition)
    plane.api.wait(DEFINITION, None, definition["metadata"]["name"], bool)
    service.start()
    try:
        service.until(lambda: is_ready(health), START_S)
        for hook in hooks:
            plane.api.apply(hook)
        yield
    finally:
        service.kill()
        for each in (*hooks, definition):
            plane.api.delete(each["kind"], None, each["metadata"]["name"])


def is_ready(port: int) -> bool:
    """Tell whether the controller says that it and its webhooks are ready."""
    try:
        answer = urllib3.request(
            "GET", f"http://127.0.0.1:{port}/readyz", retries=False, timeout=2.0
        )
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200


def manifests(plane: ControlPlane, port: int) -> list[Json]:
    """Return what the project installs, its webhooks where the controller listens."""
    text = program("jobset").with_name("jobset.yaml").read_text(encoding="utf-8")
    found: list[Json] = [one for one in yaml.safe_load_all(text) if one]
    for hooks in found[1:]:
        hooks["metadata"]["name"] = f"jobset-{hooks['metadata']['name']}"
        # Those on pods place jobs on racks of their own, which no story asks for.
        hooks["webhooks"] = [
            one for one in hooks["webhooks"] if "pod." not in one["name"]
        ]
        for one in hooks["webhooks"]:
            path = one["clientConfig"]["service"]["path"]
            one["clientConfig"] = {
                "url": f"https://127.0.0.1:{port}{path}",
                "caBundle": b64encode(plane.ca_file.read_bytes()).decode(),
            }
    return found
