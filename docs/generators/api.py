"""The page of the HTTP API, from the OpenAPI description that the program serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.reliability import Reliability
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import BadInputError
from goodput_exporter.exposition.api import Freshness, create_app

HEAD: Final = """\
# The HTTP API

<!-- Generated from the code; run `make docs`, do not edit. -->

The exporter serves the same description to programs at `/api/v1/openapi.json`. The
page for people is at `/`; [how to read it](../how-to/read-the-page.md) is told apart.

## What holds for every answer

- **Exact numbers are strings.** Fields that end in `_ns` hold integer nanoseconds (GPU
  time: nanoseconds x devices) as decimal digits, because most JSON readers round
  numbers above 2^53. A field in seconds stands beside each where a rounded one will do.
- **`null` is not zero.** It means that nothing measured or reported the value.
- **Instants** are RFC 3339 in UTC with nine digits of the second.
- **Names are made visible.** Control characters, bidirectional overrides and lone
  surrogates in names, sentences and evidence appear as `\\uXXXX`.
- **Reading is open, writing is not.** Every method other than `GET`, `HEAD` and
  `OPTIONS` needs `Authorization: Bearer TOKEN` and is audited. It is refused with 401
  without a known token, and with 403 where no token is configured.
- **No other site can ask.** There is no CORS. On a loopback address the `Host` header
  must name `localhost`, `127.0.0.1` or `::1`; another name is refused with 421. A body
  over 64 KiB is refused with 413.

## Routes
"""


class _NoLedger:
    """Stands where the ledger is read; its routes are described and never asked."""

    def runs(self, names: tuple[str, ...]) -> list[History]:
        """Know no run."""
        raise BadInputError(", ".join(names))

    def reliability(self, runs: list[History], window: Span, view: View) -> Reliability:
        """Know no time either."""
        del window, view
        raise BadInputError(str(runs))


def render() -> str:
    """Return the page."""
    described = _openapi()
    lines = [HEAD]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            lines += _operation(path, method, operation)
    lines += ["## Shapes", ""]
    for name, schema in described["components"]["schemas"].items():
        lines += _shape(name, schema)
    return "\n".join(lines).rstrip() + "\n"


def _openapi() -> dict[str, Any]:
    app = create_app(
        latest=lambda: None,
        metrics=lambda: b"",
        freshness=Freshness(lambda: 0),
        audit=lambda _: None,
        correct=lambda *_: None,
        past=_NoLedger(),
    )
    return app.openapi()


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### `{method.upper()} {path}`"
    yield ""
    yield f"{operation['summary']}."
    yield ""
    if "description" in operation:
        yield operation["description"].replace("``", "`")
        yield ""
    parameters = operation.get("parameters", ())
    if parameters:
        yield "| parameter | in | meaning |"
        yield "| --- | --- | --- |"
    for parameter in parameters:
        meaning = parameter.get("description", "see above")
        yield f"| `{parameter['name']}` | {parameter['in']} | {meaning} |"
    if parameters:
        yield ""
    if "requestBody" in operation:
        [sent] = operation["requestBody"]["content"].values()
        yield f"The body is a {_type(sent['schema'])}."
        yield ""
    yield "| status | body | when |"
    yield "| --- | --- | --- |"
    for status, answer in operation["responses"].items():
        when = "Answered." if status == "200" else answer["description"]
        yield f"| {status} | {_body(answer)} | {when} |"
    yield ""


def _body(answer: dict[str, Any]) -> str:
    content = answer.get("content", {"text/plain": {}})
    [(kind, described)] = content.items()
    schema = described.get("schema", {})
    return _type(schema) if "$ref" in schema else f"`{kind}`"


def _shape(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield schema.get("description", "")
    yield ""
    if "enum" in schema:
        yield "One of " + ", ".join(f"`{word}`" for word in schema["enum"]) + "."
        yield ""
        return
    yield "| field | type | meaning |"
    yield "| --- | --- | --- |"
    for field, described in schema["properties"].items():
        meaning = described.get("description", "")
        yield f"| `{field}` | {_type(described)} | {meaning} |"
    yield ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    if kind == "object":
        return f"map to {_type(schema['additionalProperties'])}"
    if schema.get("format") == "date-time":
        return "instant"
    return "string of digits" if "pattern" in schema else kind
