"""The image, built once, and containers of it as a cluster would start them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.helm.chart import Manifest
from tests.parts import miss, require

BUILD: Final = Path(__file__).parents[2] / ".ci/image"
BUILD_S: Final = 900
START_S: Final = 60.0
STOP_S: Final = 30.0
PROGRAM: Final = "/opt/goodput-exporter/bin/goodput-exporter"
SIZES: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
CAPABILITIES: Final = ("bounding", "effective", "permitted", "inheritable", "ambient")


@dataclass(frozen=True, slots=True)
class Image:
    """
    A built image.

    Args:
        name: As buildah knows it.
        root: Its files, mounted.
        inspected: What buildah tells of it.
    """

    name: str
    root: Path
    inspected: Mapping[str, Any]


def run(*words: str | Path, timeout_s: float = 60) -> str:
    """Run a program to its end, and return what it prints."""
    return subprocess.run(
        words, capture_output=True, text=True, check=True, timeout=timeout_s
    ).stdout.strip()


@contextmanager
def built() -> Iterator[Image]:
    """Build the image and mount it; what nothing of it is needed for is skipped."""
    if os.geteuid() != 0:
        miss("building an image takes root")
    for program in ("buildah", "debootstrap", "runc"):
        require(program)
    name = run(BUILD, timeout_s=BUILD_S).splitlines()[-1]
    inspected = json.loads(run("buildah", "inspect", "--type", "image", name))
    container = run("buildah", "from", name)
    try:
        root = Path(run("buildah", "mount", container))
        yield Image(name, root, inspected)
    finally:
        run("buildah", "rm", container)


@dataclass(frozen=True, slots=True)
class Held:
    """
    What a container's cgroup has taken since its start.

    Args:
        most_bytes: The most memory at once, page cache included.
        anonymous_bytes: Memory of its processes now, page cache excluded.
        cpu_seconds: Of all its processes, in user's and system's time.
    """

    most_bytes: int
    anonymous_bytes: int
    cpu_seconds: float


@dataclass(slots=True)
class Running:
    """
    A container that runs.

    Args:
        name: As runc knows it.
        port: Where it answers, on this machine's loopback.
        process: runc's own.
        log: What the container prints.
    """

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str) -> str:
        """Return what it answers; waits until it does, for a bounded time."""
        url = f"http://127.0.0.1:{self.port}{path}"
        until = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    text: str = answer.read().decode()
                    return text
            except OSError as exc:
                if self.process.poll() is not None or time.monotonic() > until:
                    said = self.log.read_text(errors="replace")
                    pytest.fail(f"{url}: {exc}; the container says:\n{said}")
                time.sleep(0.1)

    def status(self) -> Mapping[str, str]:
        """Return what the kernel says of its first process."""
        pid = json.loads(run("runc", "state", self.name))["pid"]
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        return dict(re.findall(r"^(\w+):\s+(.*)$", text, re.MULTILINE))

    def held(self) -> Held:
        """Return what its cgroup has taken; of version 2 old runcs tell no most."""
        told = json.loads(run("runc", "events", "--stats", self.name))["data"]
        usage, raw = told["memory"]["usage"], told["memory"]["raw"]
        return Held(
            int(usage.get("max") or usage["usage"]),
            int(raw["total_rss"] if "total_rss" in raw else raw["anon"]),
            int(told["cpu"]["usage"]["total"]) / 1e9,
        )

    def stop(self) -> int:
        """Ask it to end, as Kubernetes does, and return its exit status."""
        run("runc", "kill", self.name, "TERM")
        return self.process.wait(STOP_S)


@contextmanager
def running(
    image: Image,
    pod: Manifest,
    port: int,
    folder: Path,
    host: Mapping[str, Path] | None = None,
) -> Iterator[Running]:
    """
    Start a pod's container as its manifest says: user, capabilities, root, memory.

    It shares this machine's network, to be asked from here.

    Args:
        image: What it starts.
        pod: Its manifest, with one container.
        port: Where it will answer.
        folder: For its configuration and its log; empty.
        host: Folders of this machine by where they are mounted; other volumes that
            the manifest lets be written are empty, others still are not there.
    """
    name = f"goodput-test-{os.getpid()}-{port}"
    specification = json.dumps(bundle(image, pod, host or {}), indent=1)
    (folder / "config.json").write_text(specification, encoding="utf-8")
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ("runc", "run", "--bundle", str(folder), name), stdout=out, stderr=out
        )
    try:
        yield Running(name, port, process, log)
    finally:
        if process.poll() is None:
            subprocess.run(("runc", "kill", name, "KILL"), check=False, timeout=10)
            process.wait(STOP_S)
        subprocess.run(
            ("runc", "delete", "--force", name),
            check=False,
            capture_output=True,
            timeout=10,
        )


def bundle(image: Image, pod: Manifest, host: Mapping[str, Path]) -> dict[str, Any]:
    """Translate a pod's one container into a runtime's configuration."""
    [container] = pod["containers"]
    user = pod["securityContext"]
    added = container["securityContext"]["capabilities"].get("add", [])
    capabilities = [f"CAP_{one}" for one in added]
    limit = container["resources"]["limits"]["memory"]
    base: list[dict[str, Any]] = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
    ]
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(image.root), "readonly": True},
        "process": {
            "user": {"uid": user["runAsUser"], "gid": user["runAsGroup"]},
            "args": [*_entrypoint(image), *container["args"]],
            "env": ["PATH=/opt/goodput-exporter/bin", *_environment(container)],
            "cwd": "/",
            "capabilities": dict.fromkeys(CAPABILITIES, capabilities),
            "noNewPrivileges": True,
        },
        "mounts": [*base, *_volumes(container, user, host)],
        "linux": {
            "namespaces": [{"type": one} for one in ("pid", "mount", "ipc", "uts")],
            "resources": {
                "memory": {"limit": bytes_of(limit)},
                "devices": [{"allow": False, "access": "rwm"}],
            },
        },
    }


def bytes_of(quantity: str) -> int:
    """Return the bytes of an amount of memory such as ``96Mi``."""
    return int(quantity[:-2]) * SIZES[quantity[-2:]]


def _entrypoint(image: Image) -> list[str]:
    words: list[str] = image.inspected["OCIv1"]["config"]["Entrypoint"]
    return words


def _environment(container: Manifest) -> list[str]:
    known = {"POD_IP": "127.0.0.1", "HOST_ADDRESS": "127.0.0.1"}
    rows = {row["name"]: row.get("value", "test") for row in container["env"]} | known
    return [f"{name}={_expanded(value, rows)}" for name, value in rows.items()]


def _expanded(value: str, rows: Mapping[str, str]) -> str:
    """Put variables in, as Kubernetes does."""
    return re.sub(r"[$][(](\w+)[)]", lambda found: rows[found[1]], value)


def _volumes(
    container: Manifest, user: Manifest, host: Mapping[str, Path]
) -> Iterator[dict[str, Any]]:
    known = {row["mountPath"]: row.get("readOnly") for row in container["volumeMounts"]}
    assert known.keys() >= host.keys(), f"not mounted: {host.keys() - known.keys()}"
    for path, is_read_only in known.items():
        if path in host:
            options = ["bind", "ro" if is_read_only else "rw"]
            source = str(host[path])
            yield {"destination": path, "source": source, "options": options}
        elif not is_read_only:
            yield _empty(path, user)


def _empty(path: str, user: Manifest) -> dict[str, Any]:
    owner = f"uid={user['runAsUser']},gid={user['runAsGroup']}"
    options = ["nosuid", "nodev", "mode=0755", *owner.split(",")]
    return {
        "destination": path,
        "type": "tmpfs",
        "source": "tmpfs",
        "options": options,
    }
