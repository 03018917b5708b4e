"""Network namespaces as pods: each has an address that it cannot choose."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.parts import miss, require

NETWORK = "10.213.0"
HOST_ADDRESS = f"{NETWORK}.1"


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """One namespace, and the address that others see of it."""

    name: str
    address: str

    def command(self, *arguments: str) -> list[str]:
        """Return a command that runs in it."""
        return ["ip", "netns", "exec", self.name, *arguments]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


@contextmanager
def pod_networks(count: int, network: str = NETWORK) -> Iterator[list[PodNetwork]]:
    """
    Give namespaces behind one bridge, which has the first address of a /24.

    Needs root and veth; where they are not had, the test is skipped, or fails in CI.
    """
    require("ip", package="iproute2")
    if os.geteuid() != 0:
        miss("network namespaces need root")
    tag = f"gp{os.getpid() % 10_000}"
    bridge, made = f"{tag}b", []
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("addr", "add", f"{network}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for number in range(count):
            pod = PodNetwork(f"{tag}n{number}", f"{network}.{number + 10}")
            _ip("netns", "add", pod.name)
            made.append(pod)
            inside, outside = f"{tag}i{number}", f"{tag}o{number}"
            _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
            _ip("link", "set", outside, "master", bridge, "up")
            _ip("link", "set", inside, "netns", pod.name)
            _ip("-n", pod.name, "addr", "add", f"{pod.address}/24", "dev", inside)
            _ip("-n", pod.name, "link", "set", inside, "up")
        yield made
    except subprocess.CalledProcessError as exc:
        miss(f"this machine makes no network namespaces: {exc.stderr!r}")
    finally:
        for pod in made:
            _ip("netns", "del", pod.name)
        subprocess.run(["ip", "link", "del", bridge], check=False, capture_output=True)
