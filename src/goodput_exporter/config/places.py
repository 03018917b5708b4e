"""
Settings from four places; the later wins: defaults, file, environment, flags.

Every place is read into the same flat form, ``{"http.port": value}``, and one
function checks and converts it, so that a wrong value gets the same message
wherever it stands. A key that no setting has is refused with the nearest one.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import platform
import re
import tomllib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path

from goodput_exporter.config.fields import FIELDS, PREFIX, Given, convert
from goodput_exporter.config.settings import Settings
from goodput_exporter.config.toml_lines import lines_of
from goodput_exporter.errors import ConfigError

FILE_VARIABLE = PREFIX + "CONFIG"
SECTIONS = tuple(dict.fromkeys(field.section for field in FIELDS.values()))


def load(
    *,
    environ: Mapping[str, str] = os.environ,
    flags: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """
    Read, merge and check all settings.

    Args:
        environ: The environment; also names the file if *file* is None.
        flags: Values from the command line, by key.
        file: A TOML file with one table per section.

    Raises:
        ConfigError: A key or a value is wrong, or the file cannot be read.
    """
    return settings_from(gather(environ=environ, flags=flags, file=file))


def gather(
    *,
    environ: Mapping[str, str] = os.environ,
    flags: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> dict[str, Given]:
    """Return every setting's winning value, unconverted, and where it came from."""
    if file is None and environ.get(FILE_VARIABLE):
        file = Path(environ[FILE_VARIABLE])
    given = {
        key: Given(field.default, "default")
        for key, field in FIELDS.items()
        if field.default is not dataclasses.MISSING
    }
    given |= machine_defaults(environ)
    if file is not None:
        given |= from_file(file)
    given |= from_environ(environ)
    given |= {
        key: Given(value, f"flag {FIELDS[key].flag}")
        for key, value in (flags or {}).items()
    }
    return given


def settings_from(given: Mapping[str, Given]) -> Settings:
    """Check and convert every value, and build the settings."""
    sections: dict[str, dict[str, object]] = {}
    for key, found in given.items():
        field = FIELDS[key]
        sections.setdefault(field.section, {})[field.name] = convert(field, found)
    kinds = typing.get_type_hints(Settings)
    return Settings(**{name: kinds[name](**sections[name]) for name in kinds})


def machine_defaults(environ: Mapping[str, str]) -> dict[str, Given]:
    """Return the defaults that depend on the machine and on the user."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    # Without a session there is no runtime folder; the socket's owner checks that
    # this one belongs to the same user before it listens there.
    shared = Path("/tmp")  # noqa: S108  # see the line above
    socket_dir = (
        Path(runtime) / "goodput" if runtime else shared / f"goodput-{os.getuid()}"
    )
    state = environ.get("XDG_STATE_HOME")
    state_dir = Path(state) if state else Path.home() / ".local" / "state"
    return {
        "heartbeats.unix_path": Given(socket_dir / "agent.sock", "default"),
        "ledger.path": Given(
            state_dir / "goodput-exporter" / "ledger.sqlite", "default"
        ),
        "agent.folder": Given(state_dir / "goodput-exporter" / "agent", "default"),
        "identity.node": Given(platform.node() or "localhost", "default"),
    }


def from_file(path: Path) -> dict[str, Given]:
    """
    Read a TOML file: one table per section.

    Raises:
        ConfigError: It cannot be read, is no TOML, or has a key that no setting has.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as exc:
        msg = f"{path}: the configuration file cannot be read ({exc})"
        raise ConfigError(msg) from exc
    except tomllib.TOMLDecodeError as exc:
        msg = f"{path}: not valid TOML: {exc}"
        raise ConfigError(msg) from exc
    lines = lines_of(text)

    def where(name: str) -> str:
        return f"{path}:{lines[name]}" if name in lines else str(path)

    given = {}
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(_outside_a_table(where(section), section))
        if section not in SECTIONS and not table:
            raise ConfigError(_unknown(where(section), section, SECTIONS))
        for name, value in table.items():
            key = f"{section}.{name}"
            if key not in FIELDS:
                raise ConfigError(_unknown(where(key), key, FIELDS))
            given[key] = Given(value, where(key))
    return given


def _outside_a_table(where: str, name: str) -> str:
    """Say where a value belongs that stands in no table."""
    fitting = [field for field in FIELDS.values() if field.name == name]
    table = fitting[0].section if fitting else nearest(name, SECTIONS)
    hint = f"such as {name} under [{table}]" if fitting else f"such as [{table}]"
    return f"{where}: {name}: write settings inside a table, {hint}"


KUBERNETES_LINK = re.compile(
    r"_SERVICE_(HOST|PORT\w*)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$"
    r"|^GOODPUT_EXPORTER_SERVICE_|^GOODPUT_EXPORTER_PORT"
)


def from_environ(environ: Mapping[str, str]) -> dict[str, Given]:
    """
    Read the variables that begin with ``GOODPUT_EXPORTER_``.

    Kubernetes gives a pod such variables for each Service of its namespace; a
    Service called ``goodput-exporter`` must not stop the exporter, so what looks
    like such a link is passed over.

    Raises:
        ConfigError: A variable names no setting.
    """
    keys = {field.variable: field.key for field in FIELDS.values()}
    where = "environment"
    given = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == FILE_VARIABLE:
            continue
        if KUBERNETES_LINK.search(variable) or value.startswith(("tcp://", "udp://")):
            continue
        if variable not in keys:
            raise ConfigError(_unknown(where, variable, keys))
        given[keys[variable]] = Given(value, f"{where} {variable}")
    return given


def nearest(wrong: str, known: Iterable[str]) -> str:
    """Return the known name that *wrong* was most likely meant to be."""
    return difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.0)[0]


def _unknown(where: str, key: str, known: Iterable[str]) -> str:
    return f"{where}: {key}: no such setting; did you mean {nearest(key, known)}?"
