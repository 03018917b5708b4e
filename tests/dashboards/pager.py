"""A real Alertmanager with the documented configuration, and who is told by it."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from dashboards.artefacts import GENERATED
from tests.dashboards.hurried import shortened
from tests.dashboards.stores import free_port, running
from tests.fakes.station import PATIENCE_S, until
from tests.parts import require

PACKAGE: Final = "prometheus-alertmanager"
PAGE: Final = Path(__file__).parents[2] / "docs/how-to/alerting.md"
CONFIG: Final = re.compile(r"```yaml\n(?P<text>route:\n.*?)```", re.DOTALL)
WAITS: Final = ("group_wait", "group_interval", "repeat_interval")

Json = dict[str, Any]


class Pager:
    """
    An Alertmanager, and the webhooks behind its receivers.

    Args:
        url: Where it answers.
        told: Each notification's alerts with their receiver, as they come.
    """

    def __init__(self, url: str, told: list[tuple[str, Json]]) -> None:
        self.url, self._told = url, told

    @property
    def target(self) -> str:
        """Return its host and port."""
        return urlsplit(self.url).netloc

    def told(self, receiver: str, **labels: str) -> list[Json]:
        """Return the firing alerts with some labels that a receiver was told of."""
        return [
            alert
            for name, alert in list(self._told)
            if name == receiver
            and alert["status"] == "firing"
            and labels.items() <= alert["labels"].items()
        ]

    def known(self, **labels: str) -> list[Json]:
        """Return the alerts with some labels that it has, the silent ones too."""
        url = f"{self.url}/api/v2/alerts"
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as reply:  # noqa: S310 - ours, on the loopback
            found: list[Json] = json.load(reply)
        return [one for one in found if labels.items() <= one["labels"].items()]

    def silencers(self, **labels: str) -> set[str]:
        """Return the names of the alerts that inhibit the alerts with some labels."""
        by = {
            number
            for one in self.known(**labels)
            for number in one["status"]["inhibitedBy"]
        }
        return {
            one["labels"]["alertname"]
            for one in self.known()
            if one["fingerprint"] in by
        }

    def is_ready(self) -> bool:
        """Tell whether it takes alerts."""
        try:
            self.known()
        except OSError:
            return False
        return True


def documented(hooks: str, factor: int) -> str:
    """
    Return the configuration of the how-to page with the generated inhibitions.

    Receivers lead to *hooks*, each to a path with its name, and waits are divided.
    """
    found = CONFIG.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None, f"{PAGE} has no configuration that begins with route:"
    config = yaml.safe_load(found["text"])
    assert "inhibit_rules" not in config
    silent = yaml.safe_load((GENERATED / "alertmanager-inhibitions.yaml").read_text())
    for receiver in config["receivers"]:
        for hook in receiver["webhook_configs"]:
            hook["url"] = f"{hooks}/{receiver['name']}"
    route = config["route"]
    for each in (route, *route["routes"]):
        each |= {w: shortened(each[w], factor) for w in WAITS if w in each}
    return yaml.safe_dump(config | silent)


@contextmanager
def pager(folder: Path, factor: int) -> Iterator[Pager]:
    """Run an Alertmanager whose webhooks are ours."""
    with _hooks() as (hooks, told):
        config = folder / "alertmanager.yml"
        config.write_text(documented(hooks, factor))
        address = f"127.0.0.1:{free_port()}"
        command = [
            str(require("prometheus-alertmanager", package=PACKAGE)),
            f"--config.file={config}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
        ]
        with running(command, folder / "alertmanager.log"):
            one = Pager(f"http://{address}", told)
            until(one.is_ready, "Alertmanager to be ready")
            yield one


def complaints(config: Path) -> str:
    """Return what Alertmanager's own tool has against a configuration."""
    done = subprocess.run(
        [require("amtool", package=PACKAGE), "check-config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@contextmanager
def _hooks() -> Iterator[tuple[str, list[tuple[str, Json]]]]:
    told: list[tuple[str, Json]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver = self.path.removeprefix("/")
            told.extend((receiver, alert) for alert in body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", told
        finally:
            server.shutdown()
            thread.join(PATIENCE_S)
