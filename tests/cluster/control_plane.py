"""A real control plane on loopback: etcd, the API server, its controllers, and kwok."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp
from typing import Final

from tests.cluster.api import Api
from tests.cluster.programs import program
from tests.cluster.services import Service, free_port
from tests.parts import require

START_S: Final = 120.0
"""A shared machine of two cores; it takes ten seconds alone on one."""
LEASE_S: Final = 8
"""A kubelet's lease; it is renewed four times as often. 40 in a real cluster."""
SILENCE_S: Final = 8
"""A node is not ready after so long without one; 50 in a real cluster."""
USERS: Final = {
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "kwok": "system:masters",
}
PLAYED: Final = "played"
"""The label of nodes whose kubelet kwok plays."""
STAGES: Final = Path(__file__).with_name("stages.yaml")


class ControlPlane:
    """
    The programs of one cluster.

    Args:
        folder: Where they keep everything.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca_file = folder / "server.crt"
        self.key_file = folder / "server.key"
        self._tokens = {user: token_hex(16) for user in USERS}
        self._etcd_port, self._port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self._write_credentials()
        self.api = Api(self.url, self.ca_file, self._tokens["admin"])
        self._etcd = self._service("etcd", *self._etcd_flags())
        self._server = self._service("kube-apiserver", *self._server_flags())
        self._others = (
            self._service("kube-controller-manager", *self._controller_flags()),
            self._service("kube-scheduler", *self._scheduler_flags()),
            self._service("kwok", *self._kwok_flags()),
        )

    def start(self) -> None:
        """Start everything, and wait until it works."""
        self.start_etcd()
        self.start_server()
        for service in self._others:
            service.start()
        # The controllers work: no namespace has an account before.
        self._others[0].until(self._has_account, START_S)

    def start_etcd(self) -> None:
        """Start the store."""
        self._etcd.start()

    def start_server(self) -> None:
        """Start the API server, and wait until it answers."""
        self._server.start()
        self._server.until(lambda: self.api.answers("readyz"), START_S)

    def kill_server(self) -> None:
        """Kill the API server."""
        self._server.kill()

    def kill_etcd(self) -> None:
        """Kill the store under the API server."""
        self._etcd.kill()

    def stop(self) -> None:
        """Stop everything, the latest first."""
        for service in (*reversed(self._others), self._server, self._etcd):
            service.kill()

    def dead(self) -> list[str]:
        """Return the programs that ended by themselves, with their last words."""
        services = (self._etcd, self._server, *self._others)
        return [f"{s.name}: {s.last_words}" for s in services if not s.is_running]

    def _has_account(self) -> bool:
        return self.api.get("ServiceAccount", "default", "default") is not None

    def _service(self, name: str, *flags: str) -> Service:
        # kwok and client-go look for settings in the home; there shall be none.
        environ = {"HOME": str(self.folder), "PATH": os.environ["PATH"]}
        return Service(name, (program(name), *flags), self.folder, environ)

    def _write_credentials(self) -> None:
        """One certificate that signs itself, whose key signs accounts' tokens too."""
        subprocess.run(
            (
                *(require("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
                *("-keyout", self.key_file, "-out", self.ca_file, "-days", "7"),
                *("-subj", "/CN=story"),
                *("-addext", "subjectAltName=IP:127.0.0.1"),
            ),
            check=True,
            capture_output=True,
            timeout=30,
        )
        rows = (f'{self._tokens[u]},{u},{u},"{group}"' for u, group in USERS.items())
        self._write("tokens.csv", "\n".join(rows))
        for user in USERS:
            self._write(f"{user}.conf", json.dumps(self._kubeconfig(user)))

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")

    def _kubeconfig(self, user: str) -> dict[str, object]:
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "story", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self._tokens[user]}}],
            "contexts": [{"name": user, "context": {"cluster": "story", "user": user}}],
            "current-context": user,
        }

    def _etcd_flags(self) -> Iterator[str]:
        url = f"http://127.0.0.1:{self._etcd_port}"
        yield f"--data-dir={self.folder / 'etcd'}"
        yield f"--listen-client-urls={url}"
        yield f"--advertise-client-urls={url}"
        yield "--listen-peer-urls=http://127.0.0.1:0"
        yield "--log-level=warn"
        # A kill must not lose what was acknowledged; a power cut may.
        yield "--unsafe-no-fsync"

    def _server_flags(self) -> Iterator[str]:
        yield f"--etcd-servers=http://127.0.0.1:{self._etcd_port}"
        yield "--bind-address=127.0.0.1"
        yield "--advertise-address=127.0.0.1"
        yield f"--secure-port={self._port}"
        yield f"--tls-cert-file={self.ca_file}"
        yield f"--tls-private-key-file={self.key_file}"
        yield f"--token-auth-file={self.folder / 'tokens.csv'}"
        yield f"--service-account-key-file={self.key_file}"
        yield f"--service-account-signing-key-file={self.key_file}"
        yield "--service-account-issuer=https://kubernetes.default.svc"
        yield "--service-cluster-ip-range=10.0.0.0/24"
        yield "--endpoint-reconciler-type=none"
        yield "--authorization-mode=RBAC"
        yield "--anonymous-auth=false"
        # How long a pod stays on a node that is lost; 300 in a real cluster.
        yield "--default-not-ready-toleration-seconds=3"
        yield "--default-unreachable-toleration-seconds=3"
        yield "--profiling=false"

    def _controller_flags(self) -> Iterator[str]:
        yield f"--kubeconfig={self.folder / 'system:kube-controller-manager.conf'}"
        yield f"--root-ca-file={self.ca_file}"
        yield f"--service-account-private-key-file={self.key_file}"
        yield "--use-service-account-credentials"
        yield "--leader-elect=false"
        yield "--secure-port=0"
        yield f"--node-monitor-grace-period={SILENCE_S}s"
        yield "--node-monitor-period=1s"
        # Two nodes of three may be lost, and the third is still believed.
        yield "--node-eviction-rate=10"
        yield "--secondary-node-eviction-rate=10"
        yield "--kube-api-qps=200"
        yield "--kube-api-burst=400"

    def _scheduler_flags(self) -> Iterator[str]:
        user = "system:kube-scheduler"
        settings = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "clientConnection": {"kubeconfig": str(self.folder / f"{user}.conf")},
            "podInitialBackoffSeconds": 1,
            "podMaxBackoffSeconds": 2,
        }
        self._write("scheduler.json", json.dumps(settings))
        yield f"--config={self.folder / 'scheduler.json'}"
        yield "--secure-port=0"

    def _kwok_flags(self) -> Iterator[str]:
        yield f"--kubeconfig={self.folder / 'kwok.conf'}"
        yield f"--config={STAGES}"
        yield f"--manage-nodes-with-label-selector={PLAYED}=yes"
        yield f"--node-lease-duration-seconds={LEASE_S}"


@contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """Give a control plane for the length of the block."""
    folder = Path(mkdtemp(prefix="goodput-kube-"))
    try:
        plane = ControlPlane(folder)
        try:
            plane.start()
            yield plane
        finally:
            plane.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
