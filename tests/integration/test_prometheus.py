"""A real Prometheus scrapes the real exporter, and both tell the ledger's story."""

from __future__ import annotations

import json
import math
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.ledger.store import open_ledger
from tests.fakes.station import PATIENCE_S, Page, Station, station, until
from tests.integration.jobs import jobs
from tests.parts import require

pytestmark = pytest.mark.real

TARGET_LABELS = {"job", "instance", "pod", "namespace", "node", "container"}
WITHIN_SECONDS = 1e-6
RUNS = ("crashing", "pair")
SEALED_WHOLE = (
    "goodput_run_sealed_timestamp_seconds >= goodput_run_ended_timestamp_seconds"
)
STATES = 'sum by (state) (goodput_run_gpu_seconds_total{run="%s"})'
CAUSES = 'sum by (cause) (goodput_run_badput_gpu_seconds_total{run="%s"})'
BAD = 'sum by (run) (goodput_run_gpu_seconds_total{state!~"productive|unobserved"})'
RENAMED = 'count({exported_job!=""} or {exported_instance!=""})'


def opened(url: str) -> AbstractContextManager[HTTPResponse]:
    """Ask a server of our own on the loopback."""
    reply: AbstractContextManager[HTTPResponse] = urllib.request.urlopen(  # noqa: S310 - see above
        url, timeout=PATIENCE_S
    )
    return reply


class Prometheus:
    """
    A server's HTTP API.

    Args:
        url: Where it answers.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def is_ready(self) -> bool:
        """Tell whether it answers queries."""
        try:
            with opened(f"{self._url}/-/ready"):
                return True
        except OSError:
            return False

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Return the series of an instant query."""
        asked = urllib.parse.urlencode({"query": promql})
        with opened(f"{self._url}/api/v1/query?{asked}") as reply:
            answer = json.load(reply)
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def by(self, promql: str, label: str) -> dict[str, float]:
        """Return the values of an instant query by one label, without zeros."""
        found = {r["metric"][label]: float(r["value"][1]) for r in self.query(promql)}
        return {name: value for name, value in found.items() if value}


@contextmanager
def prometheus(folder: Path, target: Station, **how: object) -> Iterator[Prometheus]:
    """
    Run a Prometheus that scrapes *target* every second, on the loopback.

    Args:
        folder: Where it keeps everything.
        target: What it scrapes.
        how: More of the job's configuration, such as a scheme or a token.
    """
    scraped = urllib.parse.urlsplit(target.url).netloc
    job = {"job_name": "goodput", "static_configs": [{"targets": [scraped]}], **how}
    pace = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    config = folder / "prometheus.yml"
    # YAML knows what JSON is.
    config.write_text(json.dumps({"global": pace, "scrape_configs": [job]}))
    log = folder / "prometheus.log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            [
                require("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                "--web.listen-address=127.0.0.1:0",
                "--log.format=json",
            ],
            stdout=said,
            stderr=said,
        )
    try:
        address = until(lambda: listening(log), "Prometheus to name its port")
        running = Prometheus(f"http://{address}")
        until(running.is_ready, "Prometheus to be ready")
        yield running
    finally:
        server.kill()
        server.wait(PATIENCE_S)


def listening(log: Path) -> str | None:
    """Return the address that Prometheus says it listens on."""
    for line in log.read_text().splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("msg") == "Listening on":
            address: str = said["address"]
            return address
    return None


def booked(ledger: Path, run: str) -> Account:
    """Return a run's account from the ledger's entries, each read and checked."""
    with closing(open_ledger(ledger)) as opened:
        assert opened.verify() == []
        return opened.account(RunKey("local", "default", run))


def is_close(seconds: dict[str, float], gpu_ns: dict[str, int]) -> bool:
    """Tell whether figures in seconds are the ledger's, none missing."""
    exact = {name: value / NS_PER_SECOND for name, value in gpu_ns.items() if value}
    return seconds.keys() == exact.keys() and all(
        math.isclose(seconds[name], exact[name], rel_tol=0, abs_tol=WITHIN_SECONDS)
        for name in exact
    )


@pytest.fixture(scope="module")
def ledger_and_answers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Let two jobs live, one of them twice, and keep what Prometheus says of them."""
    folder = tmp_path_factory.mktemp("scraped")
    require("prometheus")
    with (
        station(folder) as exporter,
        jobs(folder, exporter, "crashing") as (crashing,),
        jobs(folder, exporter, "pair", ranks=2) as (pair,),
    ):
        exporter.start()
        with prometheus(folder, exporter) as server:
            crashing.start()
            pair.start()
            crashing.seen(25)
            crashing.kill()
            crashing.start(last=crashing.step() + 20)
            assert crashing.ended() == [0]
            assert pair.finish() == [0, 0]
            for run in RUNS:
                exporter.ended(run)
            until(lambda: len(server.query(SEALED_WHOLE)) == 2, "a scrape of the end")
            answers = {
                "page": exporter.page(),
                "states": {run: server.by(STATES % run, "state") for run in RUNS},
                "causes": {run: server.by(CAUSES % run, "cause") for run in RUNS},
                "bad": server.by(BAD, "run"),
                "renamed": server.query(RENAMED),
                "up": server.query('up{job="goodput"} == 1'),
            }
        exporter.stop()
        yield exporter.ledger, answers


@pytest.mark.timeout(120)
@pytest.mark.parametrize("run", RUNS)
def test_promql_over_the_counters_is_the_ledger(
    ledger_and_answers: tuple[Path, dict[str, Any]], run: str
) -> None:
    """What Prometheus adds up is what the ledger's lines add up to."""
    ledger, answers = ledger_and_answers
    account = booked(ledger, run)

    states, causes = answers["states"][run], answers["causes"][run]
    assert is_close(states, {s.value: ns for s, ns in account.gpu_ns.items()})
    assert is_close(causes, {c.value: ns for c, ns in account.bad_gpu_ns.items()})
    assert sum(causes.values()) == pytest.approx(
        answers["bad"][run], rel=0, abs=WITHIN_SECONDS
    )


@pytest.mark.timeout(120)
def test_a_crash_is_in_the_counters_with_its_outage_and_its_redone_steps(
    ledger_and_answers: tuple[Path, dict[str, Any]],
) -> None:
    """The jobs were real: one died and redid steps, the other did neither."""
    _, answers = ledger_and_answers

    crashing, pair = answers["states"]["crashing"], answers["states"]["pair"]
    assert {"productive", "checkpointing", "down", "recomputing"} <= crashing.keys()
    assert not {"down", "recomputing", "unobserved"} & pair.keys()
    page: Page = answers["page"]
    assert page.sum("goodput_run_restarts_total", run="crashing") == 1
    assert page.sum("goodput_run_restarts_total", run="pair") == 0


@pytest.mark.timeout(120)
def test_no_label_of_ours_is_one_that_prometheus_sets(
    ledger_and_answers: tuple[Path, dict[str, Any]],
) -> None:
    """Nothing is renamed to exported_something on the way."""
    _, answers = ledger_and_answers
    page: Page = answers["page"]

    ours = {
        name
        for series in page.samples.values()
        for labels in series
        for name, _ in labels
    }
    assert not ours & TARGET_LABELS
    assert answers["renamed"] == []
    assert len(answers["up"]) == 1


@pytest.mark.timeout(120)
def test_promtool_has_nothing_to_say_of_the_live_page(
    ledger_and_answers: tuple[Path, dict[str, Any]],
) -> None:
    """The page of real runs follows Prometheus' own rules."""
    _, answers = ledger_and_answers
    done = subprocess.run(
        [require("promtool", package="prometheus"), "check", "metrics"],
        input=answers["page"].text,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
