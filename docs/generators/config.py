"""The page of all settings, from the dataclasses that hold them."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path

from goodput_exporter.config.fields import FIELDS, Field
from goodput_exporter.config.settings import Settings

HEAD = """\
# Settings

<!-- Generated from the code; run `make docs`, do not edit. -->

`goodput-exporter` reads settings from four places; a later one wins: the defaults, a
TOML file (`--config FILE` or `GOODPUT_EXPORTER_CONFIG`), the environment, and flags.
One setting has one name in three spellings:

| place | spelling of `http.port` |
| --- | --- |
| file | `port = 9909` under `[http]` |
| environment | `GOODPUT_EXPORTER_HTTP_PORT=9909` |
| flag | `--http-port 9909` |

A name that no setting has is refused, with the nearest one that exists; what is wrong
in a file is named as `FILE:LINE`. No number may exceed 10⁹. In flags and variables a
list is separated by commas. An empty value unsets a setting that may be unset.
`goodput-exporter config` prints every setting and where its value comes from.
"""

PLAIN_NAMES = {str: "text", int: "whole number", float: "number", Path: "path"}


def render() -> str:
    """Return the page."""
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for name, section in typing.get_type_hints(Settings).items():
        yield f"## {name}\n"
        yield f"{(section.__doc__ or '').strip()}\n"
        yield "| setting | type | default | meaning |"
        yield "| --- | --- | --- | --- |"
        for field in FIELDS.values():
            if field.section == name:
                yield _row(field)
        yield ""


def _row(field: Field) -> str:
    about = field.about
    cells = (f"`{field.key}`", _type(field), _default(field), about.meaning)
    return f"| {' | '.join(cells)} |"


def _type(field: Field) -> str:
    about = field.about
    words = "list of text" if field.many else PLAIN_NAMES[field.kind]
    if about.choices:
        words = ", ".join(f"`{choice}`" for choice in about.choices)
    if about.unit and about.unit != field.name:
        words += f" of {about.unit}" if about.unit == "seconds" else f", {about.unit}"
    if about.at_least:
        words += f", at least {about.at_least:g}"
    return words


def _default(field: Field) -> str:
    if field.about.default_text:
        return field.about.default_text
    if field.default is None:
        return "unset"
    if isinstance(field.default, tuple):
        return ", ".join(f"`{item}`" for item in field.default)
    if isinstance(field.default, float):
        return f"`{field.default:g}`"
    return f"`{field.default}`"
