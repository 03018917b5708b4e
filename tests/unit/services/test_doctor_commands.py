"""The doctor asks the running exporter's own API, else the ledger on disk."""

from __future__ import annotations

import argparse
import io
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from goodput_exporter.analysis.doctor import Complaint, examine
from goodput_exporter.config.places import load
from goodput_exporter.config.settings import Settings
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import ModelView
from goodput_exporter.errors import BadInputError, LedgerError
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.store import open_ledger
from goodput_exporter.services.asking import UnansweredError
from goodput_exporter.services.doctor_commands import (
    Fetch,
    look,
    main,
    socket_of,
    through_exporter,
    told,
)
from tests.fakes.apps import app_with
from tests.fakes.asking import get
from tests.fakes.epics import three_days
from tests.fakes.snapshots import run_view, snapshot

SERVER = "http://127.0.0.1:9909"
METRICS = b"""\
# TYPE goodput_ledger_up gauge
goodput_ledger_up 1
# TYPE goodput_datagrams_rejected_total counter
goodput_datagrams_rejected_total{reason="rate"} 12
goodput_datagrams_rejected_total{reason="field_type"} 3
goodput_datagrams_rejected_total{reason="depth"} 0
# TYPE goodput_datagrams_accepted_total counter
goodput_datagrams_accepted_total{transport="unix"} 90
goodput_datagrams_accepted_total{transport="udp"} 10
"""


def api(**change: object) -> Fetch:
    """Return the real API over one run that is ordinary but for this."""
    view = replace(run_view(), **change)  # type: ignore[arg-type] # a story names one fact
    app = app_with(snapshot(view))

    def fetch(path: str) -> tuple[int, str]:
        if path == "/metrics":
            return 200, METRICS.decode()
        answer = get(app, path)
        return answer.status_code, answer.text

    return fetch


def refused(_: str) -> tuple[int, str]:
    """Be an address where nobody listens."""
    msg = f"{SERVER}: Connection refused"
    raise UnansweredError(msg, refused=True)


def at(path: Path) -> Settings:
    """Return settings with the ledger, and the socket, at a place."""
    flags = {"ledger.path": str(path), "heartbeats.unix_path": str(path) + ".sock"}
    return load(environ={}, flags=flags)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings with a ledger of one run, and no socket."""
    epic = three_days()
    with closing(open_ledger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.append(Batch(epic.at_ns, [(epic.key, one) for one in epic.bookings]))
    return at(tmp_path / "ledger.sqlite")


def complaints(fetch: Fetch, name: str = "llama") -> str:
    """Return all that is said through the API."""
    found = examine(through_exporter(name, SERVER, fetch, None))
    return "\n".join(f"{one.what} -> {one.change}" for one in found)


def test_the_running_exporter_says_what_is_wrong_with_a_run() -> None:
    """What its API publishes is read back into complaints."""
    name = run_view().key.run

    found = complaints(api(verified=False, upper_bound=True, model=ModelView()), name)

    assert "nobody vouches for" in found
    assert "upper bound" in found
    assert "nothing is known of its model FLOPs" in found


def test_refused_heartbeats_are_told_by_reason() -> None:
    """From the metrics, with what to check for each; zero is no complaint."""
    found = complaints(api(), run_view().key.run)

    assert "12 heartbeats, of any run, were refused as 'rate'" in found
    assert "token bucket" in found
    assert "3 heartbeats, of any run, were refused as 'field_type'" in found
    assert "'depth'" not in found


def test_a_run_that_the_exporter_does_not_know_gets_the_nearest_name() -> None:
    """The API offers it; the doctor passes it on."""
    key = run_view().key

    found = complaints(api(), f"{key.run}x")

    assert f"did you mean {key.cluster}/{key.namespace}/{key.run}?" in found


def test_two_jobs_under_one_name_are_told() -> None:
    """Both say that they are rank 0 of 1; one device is counted."""
    twice = {"ranks_expected": 2, "asked_devices": 1, "devices_are_gpus": False}

    assert "2 processes report as ranks, and 1 is the largest" in complaints(
        api(**twice), "llama-7b"
    )
    assert "processes report as ranks" not in complaints(
        api(**{**twice, "asked_devices": 2}), "llama-7b"
    )


def test_a_run_without_an_id_is_told_apart() -> None:
    """Its name says that nobody named it."""
    key = RunKey("local", "default", "unnamed-00ff")

    assert "no run id was given" in complaints(api(key=key), "unnamed-00ff")


def test_without_an_exporter_the_ledger_is_read(settings: Settings) -> None:
    """Where nobody answers it says so first, and goes on with what was booked."""
    seen = look(settings, "llama", SERVER, refused)

    said = told(seen, examine(seen))
    assert said.startswith("east/research/llama (by the ledger):\n1. no exporter")
    assert "Connection refused" in said
    assert ".sock: no such file" in said
    assert "1.0% of its time was seen by nobody" in said
    assert "1 incident has no cause" in said


def test_a_ledger_without_a_runs_state_is_not_read_as_an_unhealthy_run(
    settings: Settings,
) -> None:
    """What is unknown is said to be; it is no complaint about steps or senders."""
    seen = look(settings, "llama", SERVER, refused)

    said = told(seen, examine(seen))
    assert "entries of it and no state" in said
    assert "ledger verify" in said
    assert "no step was ever reported" not in said


def test_a_name_near_one_in_the_ledger_is_offered(settings: Settings) -> None:
    """Misspelling is the commonest illness."""
    seen = look(settings, "lama", SERVER, refused)

    assert "did you mean east/research/llama?" in told(seen, examine(seen))


def test_something_else_on_the_port_is_no_exporter(settings: Settings) -> None:
    """An answer that cannot be read counts as none."""
    seen = look(settings, "llama", SERVER, lambda _: (200, "<html>"))

    assert seen.exporter is None
    with pytest.raises(BadInputError):
        through_exporter("llama", SERVER, lambda _: (200, "{}"), None)


def test_nobody_to_ask_is_an_error(tmp_path: Path) -> None:
    """Neither exporter nor ledger: both are named."""
    with pytest.raises(LedgerError, match="neither an exporter"):
        look(at(tmp_path / "none.sqlite"), "llama", SERVER, refused)


def test_a_socket_must_be_one(tmp_path: Path) -> None:
    """A file in its place takes no datagram."""
    file = tmp_path / "agent.sock"

    assert socket_of(file).problem == "no such file"
    file.write_text("")
    assert socket_of(file).problem == "it is no socket"


def test_the_exit_status_tells_whether_there_is_something_to_do(
    settings: Settings,
) -> None:
    """A script can ask, too; port 9 is the one where nobody listens."""
    out = io.StringIO()
    chosen = argparse.Namespace(run="llama", server="http://127.0.0.1:9")

    assert main(settings, chosen, out) == 1
    assert "no exporter answers" in out.getvalue()


def test_a_healthy_run_is_said_to_be() -> None:
    """One line, and nothing to read."""
    seen = through_exporter(run_view().key.run, SERVER, api(), None)

    assert told(seen, []).endswith("nothing to improve\n")
    assert "-> y" in told(seen, [Complaint("x", "y")])
