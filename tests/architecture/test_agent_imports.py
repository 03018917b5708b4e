"""What an agent loads is what an agent needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROBE = """
import json, sys
import goodput_exporter.services.agent
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
HEAVY = (
    "fastapi", "pydantic", "starlette", "jinja2", "kubernetes", "urllib3", "psycopg",
    "prometheus_client", "grpc", "google", "pynvml", "scipy", "pyarrow", "zstandard",
)  # fmt: skip
"""gRPC comes with the first kubelet socket that is found; NVML in a child's memory."""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Return the packages that a fresh interpreter has after the agent's import."""
    ran = subprocess.run(
        [sys.executable, "-c", PROBE], check=True, capture_output=True, timeout=60
    )
    return set(json.loads(ran.stdout))


@pytest.mark.parametrize("package", HEAVY)
def test_an_agent_is_lean(loaded: set[str], package: str) -> None:
    """Ten thousand nodes have no memory for a web framework or an API client."""
    assert package not in loaded


def test_the_probe_sees_what_is_loaded(loaded: set[str]) -> None:
    """A probe that finds nothing would prove nothing."""
    assert {"goodput_exporter", "uvicorn", "msgspec"} <= loaded
