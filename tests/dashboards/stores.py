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
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

from dashboards.rules.rule import Group
from dashboards.rules.written import GROUPS, rules_file
from tests.dashboards.healthy import page
from tests.fakes.station import PATIENCE_S, until
from tests.parts import require

CLUSTER: Final = "east"
OFTEN: Final = tuple(replace(group, interval="1s") for group in GROUPS)
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

    def query_range(
        self, promql: str, seconds: int, ends: float | None = None
    ) -> list[Sample]:
        """Return the series of some seconds up to an instant, 300 values at most."""
        now = time.time() if ends is None else ends
        return self._get(
            "query_range",
            {
                "query": promql,
                "start": f"{now - seconds:.3f}",
                "end": f"{now:.3f}",
                "step": str(max(1, seconds // 300)),
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
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(require("victoria-metrics")),
        f"-storageDataPath={folder / 'victoria'}",
        f"-httpListenAddr={address}",
        "-search.latencyOffset=1s",
        "-retentionPeriod=1",
    ]
    with running(command, folder / "victoria.log"):
        store = Store("VictoriaMetrics", f"http://{address}")
        until(store.is_ready, "VictoriaMetrics to be ready")
        yield store


@dataclass(frozen=True, slots=True)
class Duties:
    """
    What a Prometheus does beside scraping.

    Args:
        writes_to: Where all of it is written on.
        alerts_to: Host and port of an Alertmanager.
        groups: The rules.
        every: How often it scrapes. Short beside the run: what was booked before
            the first scrape of a series is in no increase.
    """

    writes_to: Store | None = None
    alerts_to: str | None = None
    groups: Sequence[Group] = OFTEN
    every: str = "250ms"

    def config(self, targets: Sequence[str]) -> dict[str, Any]:
        """Return the configuration of one that scrapes some hosts and ports."""
        written = [self.writes_to] if self.writes_to else []
        alerted = [self.alerts_to] if self.alerts_to else []
        return {
            "global": {
                "scrape_interval": self.every,
                "scrape_timeout": self.every,
                "external_labels": {"cluster": CLUSTER},
            },
            "rule_files": ["rules.yaml"],
            "remote_write": [{"url": f"{store.url}/api/v1/write"} for store in written],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": alerted}]}]},
            "scrape_configs": [
                {"job_name": "goodput", "static_configs": [{"targets": list(targets)}]}
            ],
        }


@contextmanager
def prometheus(folder: Path, targets: Sequence[str], duties: Duties) -> Iterator[Store]:
    """Run a Prometheus that scrapes, and evaluates the rules."""
    address = f"127.0.0.1:{free_port()}"
    (folder / "rules.yaml").write_text(rules_file(groups=duties.groups))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(duties.config(targets)))
    command = [
        str(require("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
    ]
    with running(command, folder / "prometheus.log"):
        store = Store("Prometheus", f"http://{address}")
        until(store.is_ready, "Prometheus to be ready")
        yield store


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    """Run a program for the length of the block."""
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        yield
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def free_port() -> int:
    """Return a port of the loopback that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
