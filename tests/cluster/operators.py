"""Projects' own controllers beside the control plane, with their webhooks."""

from __future__ import annotations

import os
import shutil
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import urllib3
import yaml

from tests.cluster.api import NOT_FOUND, Json
from tests.cluster.control_plane import START_S, ControlPlane
from tests.cluster.programs import program
from tests.cluster.services import Service

DEFINITION: Final = "CustomResourceDefinition"
LOOPBACK: Final = "127.0.0.1"


def folder_of(plane: ControlPlane, name: str) -> Path:
    """Make a folder for this start of a controller, with its webhooks' certificate."""
    folder = Path(mkdtemp(prefix=f"{name}-", dir=plane.folder))
    for source, file in ((plane.ca_file, "tls.crt"), (plane.key_file, "tls.key")):
        shutil.copy(source, folder / file)
    return folder


def manifests(name: str) -> list[Json]:
    """Return what a project installs, as ``make kube`` has laid it by."""
    text = program(name).with_name(f"{name}.yaml").read_text(encoding="utf-8")
    return [one for one in yaml.safe_load_all(text) if one]


def client(plane: ControlPlane, port: int, path: str) -> Json:
    """Return where the API server finds a controller's webhook."""
    return {
        "url": f"https://{LOOPBACK}:{port}{path}",
        "caBundle": b64encode(plane.ca_file.read_bytes()).decode(),
    }


def hooked(
    plane: ControlPlane, project: str, hooks: Json, port: int, kept: Iterable[str]
) -> Json:
    """Return a configuration with the webhooks that are kept, where they listen."""
    names = set(kept)
    wanted = [one for one in hooks["webhooks"] if one["name"] in names]
    assert {one["name"] for one in wanted} <= names
    for one in wanted:
        path = one["clientConfig"]["service"]["path"]
        one["clientConfig"] = client(plane, port, path)
    meta = {**hooks["metadata"], "name": f"{project}-{hooks['metadata']['name']}"}
    return {**hooks, "metadata": meta, "webhooks": wanted}


@contextmanager
def controller(
    plane: ControlPlane, name: str, folder: Path, health: int, **environment: str
) -> Iterator[None]:
    """
    Let a controller work for the length of the block, from when it is ready.

    Args:
        plane: Its cluster.
        name: The program's.
        folder: Of its certificate and its configuration, ``config.json``.
        health: The port of its health.
        environment: What else it needs.
    """
    environ = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(plane.folder / "admin.conf"),
        **environment,
    }
    command = (program(name), f"--config={folder / 'config.json'}")
    service = Service(name, command, folder, environ)
    service.start()
    try:
        service.until(lambda: is_ready(health), START_S)
        yield
        assert service.is_running, f"{name} ended: {service.last_words}"
    finally:
        service.kill()


def are_listening(plane: ControlPlane, hooks: Iterable[Json]) -> bool:
    """
    Tell whether a controller answers at each of its webhooks.

    It says that it is ready as soon as their server listens; what is asked before
    they are registered there is not found, and the API server passes that on.
    """
    pool = urllib3.PoolManager(ca_certs=str(plane.ca_file), retries=False, timeout=2.0)
    urls = {one["clientConfig"]["url"] for each in hooks for one in each["webhooks"]}
    try:
        answers = [pool.request("POST", url, body=b"{}") for url in sorted(urls)]
    except urllib3.exceptions.HTTPError:
        return False
    return all(answer.status != NOT_FOUND for answer in answers)


def is_served(definition: Json) -> bool:
    """Tell whether a definition is in force."""
    conditions = definition.get("status", {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def is_ready(port: int) -> bool:
    """Tell whether a controller says that it and its webhooks are ready."""
    try:
        answer = urllib3.request(
            "GET", f"http://{LOOPBACK}:{port}/readyz", retries=False, timeout=2.0
        )
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200
