"""Who is who: a run's key, and what a heartbeat without a run id is called."""

from __future__ import annotations

from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.runs import RunKey, key_of
from goodput_exporter.domain.states import Phase


def report(run_id: str | None) -> RankReport:
    """Return a first word of some process."""
    return RankReport("ab" * 8, 0, 0, 0, Phase.INIT, 0, {}, run_id=run_id)


def test_a_run_is_called_by_its_place_and_its_id() -> None:
    """The form of addresses, logs and errors."""
    assert str(RunKey("local", "default", "llama")) == "local/default/llama"


def test_the_sender_s_run_id_names_the_run() -> None:
    """Two incarnations with one id are one effort."""
    key = key_of(report("llama"), cluster="c", namespace="n")

    assert key == RunKey("c", "n", "llama")


def test_without_a_run_id_each_incarnation_is_a_run_of_its_own() -> None:
    """Nothing ties it to another, and its name says so."""
    key = key_of(report(None), cluster="c", namespace="n")

    assert key == RunKey("c", "n", "unnamed-abababababababab")
