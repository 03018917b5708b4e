"""Prometheus and VictoriaMetrics as programs of their own, on the loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

from dashboards.rules.written import GROUPS, rules_file
from tests.dashboards.healthy import page
from tests.fakes.station import PATIENCE_S, until
from tests.parts import require

CLUSTER: Final = "east"
Sample = dict[str, Any]


class Store:
    """
    A store's query API, as Prometheus defines it.

    Args:
        name: Of the program.
        url: Where it answers.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url

    def is_ready(self) -> bool:
        """Tell whether it answers queries."""
        try:
            return bool(self.query("vector(1)"))
        except OSError:
            return False

    def query(self, promql: str) -> list[Sample]:
        """Return the samples of an instant query, of now."""
        asked = {"query": promql, "time": f"{time.time():.3f}", "nocache": "1"}
        return self._get("query", asked)

    def query_range(self, promql: str, seconds: int) -> list[Sample]:
        """Return the series of the last seconds, a value a second."""
        now = time.time()
        return self._get(
            "query_range",
            {
                "query": promql,
                "start": f"{now - seconds:.3f}",
                "end": f"{now:.3f}",
                "step": "1",
                "nocache": "1",
            },
        )

    def values(self, promql: str, label: str) -> dict[str, float]:
        """Return the values of an instant query by one label."""
        return {
            sample["metric"].get(label, ""): float(sample["value"][1])
            for sample in self.query(promql)
        }

    def _get(self, what: str, asked: dict[str, str]) -> list[Sample]:
        url = f"{self.url}/api/v1/{what}"
        body = urllib.parse.urlencode(asked).encode()
        with urllib.request.urlopen(url, body, timeout=PATIENCE_S) as reply:  # noqa: S310 - ours, on the loopback
            answer = json.load(reply)
        result: list[Sample] = answer["data"]["result"]
        return result


@contextmanager
def made_page() -> Iterator[str]:
    """Serve the page with something of everything; give its host and port."""
    began = time.time()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page(time.time() - began, began).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(PATIENCE_S)


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[Store]:
    """Run a VictoriaMetrics that answers with what came a second ago."""
    address = f"127.0.0.1:{_free_port()}"
    command = [
        str(require("victoria-metrics")),
        f"-storageDataPath={folder / 'victoria'}",
        f"-httpListenAddr={address}",
        "-search.latencyOffset=1s",
        "-retentionPeriod=1",
    ]
    with _running(command, folder / "victoria.log"):
        store = Store("VictoriaMetrics", f"http://{address}")
        until(store.is_ready, "VictoriaMetrics to be ready")
        yield store


@contextmanager
def prometheus(
    folder: Path, targets: Sequence[str], writes_to: Store
) -> Iterator[Store]:
    """Run a Prometheus that scrapes, records the rules and writes all of it on."""
    address = f"127.0.0.1:{_free_port()}"
    hurried = [replace(group, interval="1s") for group in GROUPS]
    (folder / "rules.yaml").write_text(rules_file(groups=hurried))
    config = {
        "global": {
            # Short beside the run: what was booked before the first scrape of a
            # series is in no increase.
            "scrape_interval": "250ms",
            "scrape_timeout": "250ms",
            "external_labels": {"cluster": CLUSTER},
        },
        "rule_files": ["rules.yaml"],
        "remote_write": [{"url": f"{writes_to.url}/api/v1/write"}],
        "scrape_configs": [
            {"job_name": "goodput", "static_configs": [{"targets": list(targets)}]}
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        str(require("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
    ]
    with _running(command, folder / "prometheus.log"):
        store = Store("Prometheus", f"http://{address}")
        until(store.is_ready, "Prometheus to be ready")
        yield store


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        yield
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
