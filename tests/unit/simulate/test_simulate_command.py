"""`goodput-exporter simulate` writes raw inputs, and the truth beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goodput_exporter.cli import EXIT_FAILED, EXIT_USAGE, main
from goodput_exporter.sources.datagrams import decode
from goodput_exporter.sources.evidence import evidence_of


def simulated(folder: Path, *more: str) -> int:
    """Simulate an hour of the smallest preset."""
    words = ["simulate", "--preset", "tiny", "--days", "0.04", "--out", str(folder)]
    return main([*words, *more])


def test_raw_inputs_are_what_the_sources_read(tmp_path: Path) -> None:
    """Datagrams of the wire format, objects as the API gives them."""
    assert simulated(tmp_path / "out") == 0

    datagrams = (tmp_path / "out/datagrams.jsonl").read_text().splitlines()
    inputs = (tmp_path / "out/inputs.jsonl").read_text().splitlines()
    for line in datagrams:
        _, drops = decode(json.loads(line)["text"].encode())
        assert not drops
    objects = [json.loads(line) for line in inputs]
    assert {one["body"]["kind"] for one in objects if one["via"] == "object"} >= {
        "Job",
        "JobSet",
        "Node",
        "Pod",
        "Workload",
    }
    for one in objects:
        evidence_of(one["body"], one["seen_ns"])


def test_the_truth_adds_up_in_its_file(tmp_path: Path) -> None:
    """Whoever reads it can check it."""
    simulated(tmp_path / "out")

    truth = json.loads((tmp_path / "out/truth.json").read_text())

    for run in truth["runs"]:
        booked_ns = sum(end_ns - start_ns for start_ns, end_ns in run["spans"])
        assert sum(run["gpu_ns"].values()) == run["asked"] * booked_ns


def test_equal_seeds_write_equal_files(tmp_path: Path) -> None:
    """A number stands for the whole folder."""
    simulated(tmp_path / "a", "--seed", "7")
    simulated(tmp_path / "b", "--seed", "7")

    for name in ("datagrams.jsonl", "inputs.jsonl", "truth.json"):
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()


def test_a_folder_that_holds_something_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An older truth beside newer inputs would mislead."""
    (tmp_path / "mine").write_text("kept")

    assert simulated(tmp_path) == EXIT_FAILED
    assert "not empty" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "kept"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--days", "soon"], "--days soon"),
        (["--days", "0"], "above 0"),
        (["--seed", "x"], "--seed x"),
        (["--overlapping", "2"], "from 0 to 1"),
        (["--without-evidence", "nan"], "from 0 to 1"),
    ],
)
def test_a_wrong_flag_is_named_with_its_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """So that it can be put right."""
    assert simulated(tmp_path / "out", *words) == EXIT_USAGE
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
