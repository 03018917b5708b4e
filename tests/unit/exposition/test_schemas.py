"""OpenAPI says what is answered, and the answers keep to it."""

from __future__ import annotations

from typing import Any

from goodput_exporter.exposition.run_schemas import RunDetail, RunList
from tests.fakes.apps import app_with
from tests.fakes.asking import get


def openapi() -> dict[str, Any]:
    """Return what the application publishes of itself."""
    described: dict[str, Any] = get(app_with(), "/api/v1/openapi.json").json()
    return described


def test_every_answer_of_the_api_is_described() -> None:
    """Each API route names a schema for what it returns and how it refuses."""
    paths = openapi()["paths"]

    one = paths["/api/v1/runs/{name}"]["get"]["responses"]
    answers = {
        status: answer["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
        for status, answer in one.items()
    }
    assert answers == {
        "200": "RunDetail",
        "404": "Problem",
        "409": "Problem",
        "422": "Problem",
        "503": "Problem",
    }


def test_what_is_answered_is_what_is_described() -> None:
    """A client that was generated from the description reads every field."""
    app = app_with()

    one = get(app, "/api/v1/runs/llama-7b").json()
    every = get(app, "/api/v1/runs").json()

    assert set(one) == set(RunDetail.model_fields)
    assert set(every) == set(RunList.model_fields)


def test_exact_numbers_are_strings_of_digits() -> None:
    """No reader rounds a nanosecond away, because none has to read a number."""
    shape = openapi()["components"]["schemas"]["AddsUp"]["properties"]["sum_gpu_ns"]

    assert shape["type"] == "string"
    assert shape["pattern"] == "^-?[0-9]+$"


def test_no_documentation_page_loads_from_elsewhere() -> None:
    """FastAPI's own pages are off: their scripts come from another host."""
    assert get(app_with(), "/docs").status_code == 404
    assert get(app_with(), "/redoc").status_code == 404
