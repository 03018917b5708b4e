"""Every complaint of the doctor has a story, and says what to change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.analysis.doctor import (
    OF_EXPORTER,
    OF_RUN,
    RunSeen,
    Seen,
    Socket,
    examine,
)

WELL = RunSeen(
    "local/default/llama",
    gpu_model="NVIDIA H100 80GB HBM3",
    ranks_reporting=8,
    ranks_expected=8,
    step=1_200,
    saved_step=1_000,
    durable_step=1_000,
)
FINE = Seen(
    "llama",
    WELL,
    exporter="http://127.0.0.1:9909",
    ledger_up=True,
    tick_lag_seconds=0.1,
    gpu_source_up=True,
    accepted=10_000,
    lost=3,
    rejected={"rate": (0, "slow down")},
    socket=Socket("/run/goodput/agent.sock"),
)


def ill(**symptom: object) -> list[str]:
    """Return what is said of a run that is well but for this."""
    run = replace(WELL, **symptom)  # type: ignore[arg-type] # a story names one fact
    return [f"{one.what} -> {one.change}" for one in examine(replace(FINE, run=run))]


def out(**symptom: object) -> list[str]:
    """Return what is said where the exporter is well but for this."""
    seen = replace(FINE, **symptom)  # type: ignore[arg-type] # a story names one fact
    return [f"{one.what} -> {one.change}" for one in examine(seen)]


def test_a_run_that_is_well_has_no_complaint() -> None:
    """Nothing is said for the sake of saying something."""
    assert examine(FINE) == []


@pytest.mark.parametrize(
    ("symptom", "what", "change"),
    [
        ({"name": "a/b/unnamed-00ff"}, "no run id was given", "GOODPUT_RUN_ID"),
        ({"upper_bound": True}, "step numbers begin anew", "hb.step(step)"),
        ({"source": "inferred"}, "inferred from outside", "goodput_sdk.init()"),
        ({"verified": False}, "nobody vouches for", "Unix socket"),
        ({"unobserved": 0.125}, "12.5% of its time was seen by nobody", "reach"),
        ({"state": "unobserved"}, "0.0% of its time was seen by nobody", "reach"),
        ({"ranks_reporting": 6}, "6 of 8 ranks report", "every rank"),
        ({"step": None, "durable_step": None}, "no step was ever", "hb.step(step)"),
        ({"durable_step": None}, "(saved: step 1000)", "hb.durable(step)"),
        ({"has_gpus": False}, "each counts as one device", "gpu_uuids"),
        ({"gpu_model": None}, "not among this node's GPUs", "NVIDIA driver"),
        ({"has_flops": False}, "no MFU", "tokens_per_step"),
        ({"has_peak": False, "peak_source": "L9"}, "(L9)", "GOODPUT_PEAK_TFLOPS"),
        ({"unknown_causes": 1}, "1 incident has no cause", "ledger attribute"),
        ({"unknown_causes": 2}, "2 incidents have no cause", "/llama#NUMBER' --cause"),
    ],
)
def test_each_weakness_of_a_run_is_named_with_a_remedy(
    symptom: dict[str, object], what: str, change: str
) -> None:
    """One symptom, one complaint: what is so, and what to do."""
    (said,) = ill(**symptom)

    told, _, remedy = said.partition(" -> ")
    assert what in told
    assert change in remedy


@pytest.mark.parametrize(
    ("symptom", "what", "change"),
    [
        (
            {"exporter": None, "exporter_problem": "refused"},
            "no exporter answers (refused)",
            "--server",
        ),
        ({"not_ready": "no tick yet"}, "not ready: no tick yet", "log"),
        ({"ledger_up": False}, "refuses entries", "ledger.path"),
        ({"tick_lag_seconds": 90.0}, "90 s late: the ledger is behind", "CPU"),
        (
            {"socket": Socket("/run/a.sock", "no such file")},
            "/run/a.sock: no such file",
            "GOODPUT_ADDR",
        ),
        ({"rejected": {"rate": (7, "slow down")}}, "7 heartbeats", "slow down"),
        ({"lost": 500}, "500 heartbeats never arrived", "UDP"),
    ],
)
def test_each_trouble_of_the_exporter_is_named_with_a_remedy(
    symptom: dict[str, object], what: str, change: str
) -> None:
    """It concerns every run, so it comes first."""
    (said,) = out(**symptom)

    told, _, remedy = said.partition(" -> ")
    assert what in told
    assert change in remedy


def test_a_run_that_was_never_seen_may_be_misspelt() -> None:
    """The closest names are offered; nothing is said about a run that is not there."""
    (said,) = out(run=None, asked="lama", nearest=("local/default/llama",))

    assert said == (
        "no run called 'lama' was ever seen -> did you mean local/default/llama?"
    )


def test_a_run_that_never_arrived_has_a_way_to_be_looked_for() -> None:
    """No name is near: the environment, the run id, and the address are named."""
    found = out(run=None, unnamed=("a/b/unnamed-1",), accepted=0, rejected={})

    assert "GOODPUT_RUN_ID names the run" in found[0]
    assert "1 runs came without a run id, such as a/b/unnamed-1" in found[1]
    assert "not received a single heartbeat" in found[2]


def test_gpus_cannot_be_judged_from_the_ledger() -> None:
    """The ledger does not know which GPUs the node has: no complaint about them."""
    run = replace(WELL, gpu_model=None)

    found = out(run=run, exporter=None, exporter_problem="refused")

    assert len(found) == 1


def test_nvml_that_does_not_answer_is_the_reason() -> None:
    """Two causes of one symptom are told apart."""
    (said,) = out(run=replace(WELL, gpu_model=None), gpu_source_up=False)

    assert "NVML does not answer" in said


def test_a_finished_runs_ranks_may_be_silent() -> None:
    """Nobody reports after the end."""
    assert ill(outcome="succeeded", ranks_reporting=0) == []


def test_more_ranks_than_devices_are_two_jobs_under_one_name() -> None:
    """Without GPUs' names only the world size tells how many devices there are."""
    crowded = {"has_gpus": False, "ranks_reporting": 8, "ranks_expected": 8}

    (said, _) = ill(**crowded, devices_asked=4)

    assert "8 processes report as ranks, and 4 is the largest world size" in said
    assert "GOODPUT_RUN_ID of its own" in said
    assert len(ill(**crowded, devices_asked=8)) == 1


def test_every_check_has_a_story() -> None:
    """A new check needs a line in the tables above, or a test of its own."""
    assert (len(OF_EXPORTER), len(OF_RUN)) == (7, 13)
