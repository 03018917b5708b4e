"""The examples of training jobs, as the API servers of real clusters judge them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.cluster.api import Api, Json, RefusedError, place_of
from tests.cluster.control_plane import START_S, ControlPlane
from tests.cluster.jobsets import jobsets
from tests.cluster.operators import DEFINITION, is_served
from tests.cluster.services import wait_for
from tests.parts import require, require_file

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "examples/kubernetes"
FETCH: Final = ROOT / "tools/training/fetch"
STRICT: Final = "dryRun=All&fieldValidation=Strict"
PLURALS: Final = {
    "pytorchjob.yaml": "pytorchjobs",
    "rayjob.yaml": "rayjobs",
    "trainjob.yaml": "trainjobs",
}
"""Examples of other projects' kinds, and the plurals of these."""


def example(name: str) -> list[Json]:
    """Return an example's objects."""
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def definition(plural: str) -> Json:
    """Return a project's own definition of its kind; skip without it."""
    where = (require("bash"), FETCH, "--where")
    said = subprocess.run(where, capture_output=True, text=True, check=True, timeout=10)
    folder = require_file(Path(said.stdout.strip()), reason="run `make kube`")
    text = (folder / f"{plural}.yaml").read_text(encoding="utf-8")
    found: Json = yaml.load(text, yaml.CSafeLoader)
    return found


@contextmanager
def served(api: Api, wanted: Json) -> Iterator[None]:
    """Serve a kind for the length of the block."""
    name = wanted["metadata"]["name"]
    api.apply(wanted)
    try:
        api.wait(DEFINITION, None, name, is_served, START_S)
        wait_for(lambda: api.answers(path_of(wanted)), START_S, f"{name} is listed")
        yield
    finally:
        api.delete(DEFINITION, None, name)
        wait_for(lambda: api.get(DEFINITION, None, name) is None, START_S, "it is gone")


def path_of(wanted: Json) -> str:
    """Return where objects of a defined kind are, in their stored version."""
    spec = wanted["spec"]
    [version] = [one["name"] for one in spec["versions"] if one["storage"]]
    group, plural = spec["group"], spec["names"]["plural"]
    return f"apis/{group}/{version}/namespaces/default/{plural}"


def judge(api: Api, path: str, one: Json) -> Json:
    """
    Let the API server judge an object, and keep nothing.

    Raises:
        RefusedError: A field is of a wrong type, out of bounds, or not known.
    """
    meta = {**one["metadata"], "namespace": "default"}
    return api.ask("POST", f"{path}?{STRICT}", {**one, "metadata": meta})


@pytest.mark.parametrize("name", ["job.yaml", "kueue.yaml", "torchrun.yaml"])
def test_an_example_of_kubernetes_own_kinds_is_admitted(
    plane: ControlPlane, name: str
) -> None:
    """Every object, with each field known."""
    for one in example(name):
        made = judge(plane.api, place_of(one["kind"], "default"), one)

        assert made["metadata"]["uid"]


def test_the_example_of_a_jobset_passes_its_controller_s_webhooks(
    plane: ControlPlane,
) -> None:
    """Which know what no schema says, and fill in what it left out."""
    api, path = plane.api, place_of("JobSet", "default")
    [one] = example("jobset.yaml")
    with jobsets(plane):
        wait_for(lambda: api.answers(path), START_S, "JobSets are listed")
        # The API server hears of webhooks a moment after they are made.
        filled_in = wait_for(
            lambda: judge(api, path, one)["spec"].get("network"), START_S, "a default"
        )

    assert filled_in["enableDNSHostnames"] is True


@pytest.mark.parametrize("name", sorted(PLURALS))
def test_an_example_of_another_project_fits_its_definition(
    plane: ControlPlane, name: str
) -> None:
    """The one that the project publishes; a misspelt field would be named."""
    wanted, [one] = definition(PLURALS[name]), example(name)
    misspelt = {**one, "spec": {**one["spec"], "replicaz": 1}}
    with served(plane.api, wanted):
        made = judge(plane.api, path_of(wanted), one)
        with pytest.raises(RefusedError, match="replicaz"):
            judge(plane.api, path_of(wanted), misspelt)

    assert made["apiVersion"] == one["apiVersion"]
