"""The kinds of Prometheus' operator, as a cluster serves them that has it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml

from tests.cluster.api import Api, Json
from tests.cluster.control_plane import START_S
from tests.cluster.services import wait_for
from tests.parts import require, require_file

FETCH: Final = Path(__file__).parents[2] / "tools/monitoring/fetch"
DEFINITION: Final = "CustomResourceDefinition"
GROUP: Final = "monitoring.coreos.com"
PATH: Final = f"apis/{GROUP}/v1"
PLURALS: Final = {
    "PodMonitor": "podmonitors",
    "ServiceMonitor": "servicemonitors",
    "PrometheusRule": "prometheusrules",
}


def definitions() -> list[Json]:
    """Return the project's own definitions of the kinds; skip without them."""
    where = (require("bash"), FETCH, "--where")
    said = subprocess.run(where, capture_output=True, text=True, check=True, timeout=10)
    folder = require_file(Path(said.stdout.strip()), reason="run `make kube`")
    return [
        yaml.load((folder / f"{plural}.yaml").read_text("utf-8"), yaml.CSafeLoader)
        for plural in PLURALS.values()
    ]


@contextmanager
def monitoring_kinds(api: Api) -> Iterator[None]:
    """Serve the kinds for the length of the block, and no trace of them after it."""
    found = definitions()
    try:
        for one in found:
            api.apply(one)
        wait_for(lambda: _is_served(api), START_S, "the kinds to be served")
        yield
    finally:
        for one in found:
            api.delete(DEFINITION, None, one["metadata"]["name"])
        wait_for(lambda: _is_gone(api, found), START_S, "the kinds to be gone")


def path_of(kind: str, namespace: str) -> str:
    """Return where the objects of a kind are."""
    return f"{PATH}/namespaces/{namespace}/{PLURALS[kind]}"


def _is_served(api: Api) -> bool:
    """Tell whether each kind can be listed, and is found by clients."""
    plurals = set(PLURALS.values())
    return plurals <= api.discovered(GROUP) and all(
        api.answers(f"{PATH}/{plural}") for plural in plurals
    )


def _is_gone(api: Api, found: list[Json]) -> bool:
    """Tell whether no client finds the kinds, and they can be defined anew."""
    return not api.discovered(GROUP) and not any(
        api.get(DEFINITION, None, one["metadata"]["name"]) for one in found
    )
