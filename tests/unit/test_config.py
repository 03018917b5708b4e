"""Settings: four places, one meaning, and messages that name the place."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from goodput_exporter.config import Settings, load
from goodput_exporter.config.fields import FIELDS
from goodput_exporter.errors import ConfigError


def written(folder: Path, toml: str) -> Path:
    """Return a configuration file with this content."""
    file = folder / "goodput.toml"
    file.write_text(toml, encoding="utf-8")
    return file


def test_nothing_has_to_be_set() -> None:
    """An empty environment gives settings that serve this machine only."""
    settings = load(environ={})

    assert settings.http.host == "127.0.0.1"
    assert settings.http.port == 9909
    assert settings.http.tokens_file is None
    assert settings.run.reference_step_seconds is None
    assert settings.heartbeats.unix_path.name == "agent.sock"


def test_the_socket_lies_in_the_session_if_there_is_one() -> None:
    """A login session has a private runtime folder; without one the uid tells apart."""
    session = load(environ={"XDG_RUNTIME_DIR": "/run/user/7"})
    nobody = load(environ={})

    assert session.heartbeats.unix_path == Path("/run/user/7/goodput/agent.sock")
    assert nobody.heartbeats.unix_path.parent.name.startswith("goodput-")


def test_the_ledger_lies_with_the_users_state() -> None:
    """What must survive a reboot is state, not cache."""
    settings = load(environ={"XDG_STATE_HOME": "/home/a/state"})

    assert settings.ledger.path == Path("/home/a/state/goodput-exporter/ledger.sqlite")


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    """The nearer to the person, the stronger."""
    file = written(
        tmp_path,
        """
        [http]
        port = 1
        host = "10.0.0.1"
        [books]
        settle_seconds = 7
        """,
    )
    environ = {"GOODPUT_EXPORTER_HTTP_PORT": "2", "GOODPUT_EXPORTER_HTTP_HOST": "::1"}

    settings = load(environ=environ, flags={"http.port": "3"}, file=file)

    assert settings.http.port == 3
    assert settings.http.host == "::1"
    assert settings.books.settle_seconds == 7.0


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    """A service manager sets one variable and mounts one file."""
    file = written(tmp_path, "[log]\nlevel = 'debug'\n")

    settings = load(environ={"GOODPUT_EXPORTER_CONFIG": str(file)})

    assert settings.log.level == "debug"


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[http]\nprot = 1", r"http\.prot: no such setting; did you mean http\.port\?"),
        ("[htpp]\nport = 1", r"htpp\.port: no such setting; did you mean http\.port\?"),
        ("port = 1", r"port: write settings inside a table, such as port under \[http"),
        ("htpt = 1", r"htpt: write settings inside a table, such as \[http\]"),
        ("[htpt]", r"htpt: no such setting; did you mean http\?"),
        ("[http\nport = 1", r"not valid TOML"),
        ("[http]\nport = 'x'", r"http\.port must be a whole number.*not 'x'"),
        ("[http]\nport = 1.5", r"http\.port must be a whole number.*not 1\.5"),
        ("[http]\nport = true", r"http\.port must be a whole number.*not True"),
        ("[http]\nport = 65536", r"at least 0 and at most 65535 \(port\), not 65536"),
        ("[http]\nhost = 5", r"http\.host must be text that is not empty, not 5"),
        ("[http]\nhost = ''", r"http\.host must be text that is not empty"),
        ("[http]\nallowed_hosts = 5", r"must be a list of text, not 5"),
        ("[http]\nallowed_hosts = [5]", r"must be text that is not empty, not 5"),
        ("[log]\nlevel = 'loud'", r"must be one of debug, info, warning, error"),
        ("[books]\nsettle_seconds = nan", r"a number, at least 0 \(seconds\), not nan"),
        ("[books]\nsettle_seconds = inf", r"must be a number \(seconds\), not inf"),
        ("[books]\ntick_seconds = 0", r"at least 0\.05"),
        (
            "[books]\ntick_seconds = 1e308",
            r"at most 1000000000 \(seconds\), not 1e\+308",
        ),
        (
            f"[books]\ntick_seconds = {10**400}",
            r"must be a number \(seconds\), not 10+",
        ),
        ("[ledger]\nkeep_days = 9999999", r"at most 36500 \(days\), not 9999999"),
        (
            "[ledger]\npath = '~nobody.here/a'",
            r"must be a path below a home that exists",
        ),
        ('[ledger]\npath = "a\\u0000b"', r"must be text without a NUL character"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(
    tmp_path: Path, toml: str, message: str
) -> None:
    """The message holds the file, the key, the value and what is allowed."""
    file = written(tmp_path, toml)

    with pytest.raises(ConfigError, match=message) as error:
        load(environ={}, file=file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("[http]\n# the page\nport = 'x'", 3),
        ("[books]\n\n[http]\nprot = 1", 4),
        ("[books]\ntick_seconds = 1\n[ http ]\n  'port' = -1", 4),
        ("# first\nport = 1", 2),
        ("http.port = 'x'", 1),
        ("\n[htpt]", 2),
    ],
)
def test_the_line_that_is_wrong_is_named(tmp_path: Path, toml: str, line: int) -> None:
    """An editor jumps to FILE:LINE."""
    file = written(tmp_path, toml)

    with pytest.raises(ConfigError) as error:
        load(environ={}, file=file)
    assert str(error.value).startswith(f"{file}:{line}: ")


def test_a_long_wrong_value_does_not_bury_what_is_wrong_with_it() -> None:
    """A file pasted into a variable leaves a message that a person can read."""
    with pytest.raises(ConfigError, match=r"not 'x+\.\.\. \(\d+ characters more\)$"):
        load(environ={"GOODPUT_EXPORTER_HTTP_PORT": "x" * 5_000})


def test_an_empty_variable_names_no_file() -> None:
    """Compose files and charts pass empty text for what nobody has chosen."""
    assert load(environ={"GOODPUT_EXPORTER_CONFIG": ""}) == load(environ={})


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A path given on purpose is never passed over."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: .* cannot be read"):
        load(environ={}, file=tmp_path / "nowhere.toml")


def test_a_misspelt_variable_is_refused() -> None:
    """A typo in a manifest must not leave the default silently in force."""
    environ = {"GOODPUT_EXPORTER_HTTP_PROT": "1"}

    with pytest.raises(ConfigError, match=r"did you mean GOODPUT_EXPORTER_HTTP_PORT\?"):
        load(environ=environ)


def test_the_variables_that_kubernetes_adds_are_passed_over() -> None:
    """A Service called like the exporter puts links with our prefix into each pod."""
    environ = {
        "GOODPUT_EXPORTER_SERVICE_HOST": "10.0.0.7",
        "GOODPUT_EXPORTER_SERVICE_PORT": "9909",
        "GOODPUT_EXPORTER_PORT": "tcp://10.0.0.7:9909",
        "GOODPUT_EXPORTER_PORT_9909_TCP": "tcp://10.0.0.7:9909",
        "GOODPUT_EXPORTER_PORT_9909_TCP_ADDR": "10.0.0.7",
        "GOODPUT_EXPORTER_AGENT_SERVICE_PORT_HTTP": "9909",
        "GOODPUT_EXPORTER_HTTP_PORT": "tcp://10.0.0.8:80",
    }

    assert load(environ=environ).http.port == 9909


def test_text_from_outside_becomes_the_type_of_its_setting() -> None:
    """Variables and flags are text; lists are separated by commas."""
    settings = load(
        environ={
            "GOODPUT_EXPORTER_HTTP_ALLOWED_HOSTS": "a.example, b.example",
            "GOODPUT_EXPORTER_RUN_REFERENCE_STEP_SECONDS": "0.25",
            "GOODPUT_EXPORTER_HTTP_TOKENS_FILE": "~/tokens",
        }
    )

    assert settings.http.allowed_hosts == ("a.example", "b.example")
    assert settings.run.reference_step_seconds == 0.25
    assert settings.http.tokens_file == Path.home() / "tokens"


def test_an_empty_variable_unsets_what_may_be_unset() -> None:
    """Compose files and charts pass empty text for what nobody has chosen."""
    settings = load(environ={"GOODPUT_EXPORTER_RUN_REFERENCE_STEP_SECONDS": ""})

    assert settings.run.reference_step_seconds is None


def test_every_setting_says_what_it_means() -> None:
    """Each has a sentence; each number has a unit; each unit name agrees."""
    for field in FIELDS.values():
        assert field.about.meaning.endswith("."), field.key
        if field.kind in (int, float):
            assert field.about.unit, field.key
        if field.name.endswith("_seconds"):
            assert field.about.unit == "seconds", field.key
        machine = field.default is dataclasses.MISSING
        assert machine == bool(field.about.default_text), field.key


def test_the_defaults_keep_their_own_bounds() -> None:
    """Every default passes the check that a user's value passes."""
    settings = load(environ={})

    again = load(
        environ={},
        flags={
            key: str(value)
            for key, field in FIELDS.items()
            if not field.many and not field.optional
            for value in [getattr(getattr(settings, field.section), field.name)]
        },
    )

    assert again == settings


def test_settings_cannot_change_after_they_were_checked() -> None:
    """What was checked at the start is what holds until the end."""
    settings: Settings = load(environ={})

    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.http.port = 1  # type: ignore[misc]  # that is the point
