"""Where kubelets keep their pod-resources socket."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from goodput_exporter.sources.podresources.listing import KubeletError, Trouble

SOCKET: Final = Path("pod-resources/kubelet.sock")

USUAL_ROOTS: Final = (
    Path("/var/lib/kubelet"),  # kubeadm, EKS, GKE, AKS, Bottlerocket, k3s, RKE2, Talos
    Path("/var/lib/k0s/kubelet"),
    Path("/var/snap/microk8s/common/var/lib/kubelet"),
    Path("/var/data/kubelet"),  # IBM Cloud
    Path("/var/vcap/data/kubelet"),  # Tanzu Kubernetes Grid Integrated
    Path("/opt/rke/var/lib/kubelet"),  # RKE 1 on systems with a read-only root
)


def roots(configured: Path | None) -> tuple[Path, ...]:
    """Return the kubelet's root directories to look into, the configured one first."""
    if configured is None:
        return USUAL_ROOTS
    return (configured, *(root for root in USUAL_ROOTS if root != configured))


def find_socket(candidates: Sequence[Path]) -> Path:
    """
    Return the first root's socket that there is.

    Raises:
        KubeletError: There is none, or a directory on the way is closed to us.
    """
    closed = None
    for root in candidates:
        path = root / SOCKET
        try:
            if stat.S_ISSOCK(path.stat().st_mode):
                return path
        except PermissionError:
            closed = closed or path
        except OSError:
            continue  # not there, or not a directory: the next may be
    if closed is not None:
        msg = (
            f"{closed}: permission denied on the way to it; the kubelet's directories "
            f"are root's, does this process run as uid 0?"
        )
        raise KubeletError(Trouble.FORBIDDEN, msg)
    tried = ", ".join(str(root / SOCKET) for root in candidates)
    msg = (
        f"no kubelet socket at {tried}; is the kubelet's root directory mounted, and "
        f"kubeletRootDir set where it is another one?"
    )
    raise KubeletError(Trouble.NO_SOCKET, msg)
