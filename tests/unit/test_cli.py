"""The command line: what it prints, what it returns, and what it says on a typo."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import closing, redirect_stdout
from pathlib import Path

import pytest

from goodput_exporter import __version__, cli, commands
from goodput_exporter.config.fields import FIELDS
from goodput_exporter.ledger.store import open_ledger
from goodput_exporter.services import ledger_commands
from tests.fakes.ledger import booked, segment


def test_config_shows_every_setting_and_its_origin(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line per setting, in TOML's own notation for keys, with where it is from."""
    status = cli.start("config", {"http.port": "1234"}, None, {})

    printed = capsys.readouterr().out.splitlines()
    assert status == 0
    assert "http.port = 1234  # flag --http-port" in printed
    assert "log.format = logfmt  # default" in printed


def test_a_misspelt_flag_gets_the_nearest_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line instead of a page of usage, and exit status 2."""
    with pytest.raises(SystemExit) as left:
        cli.main(["config", "--htp-port=7"])

    said = capsys.readouterr().err
    assert left.value.code == 2
    assert said == (
        "goodput-exporter: --htp-port: no such flag; did you mean --http-port?\n"
    )


class Interrupted(io.StringIO):
    """A terminal at which Ctrl-C is pressed as soon as something is printed."""

    def write(self, _: str) -> int:
        """Be interrupted."""
        raise KeyboardInterrupt


def test_ctrl_c_leaves_no_traceback() -> None:
    """The status is what shells expect; nothing has gone wrong."""
    with redirect_stdout(Interrupted()):
        status = cli.main(["config"])

    assert status == 130


def test_a_flag_is_never_completed() -> None:
    """An abbreviation that works today would change its meaning with a new flag."""
    with pytest.raises(SystemExit):
        cli.main(["config", "--http-po", "7"])


def test_a_wrong_value_is_the_operators_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit status 2, and a message with the flag, the value and the bounds."""
    status = cli.main(["config", "--http-port", "x"])

    assert status == 2
    assert "flag --http-port: http.port must be a whole number" in (
        capsys.readouterr().err
    )


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The known ones are named."""
    with pytest.raises(SystemExit) as left:
        cli.main(["serve"])

    assert left.value.code == 2
    assert "standalone" in capsys.readouterr().err


def test_it_knows_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version on the command line is the package's."""
    with pytest.raises(SystemExit) as left:
        cli.main(["--version"])

    assert left.value.code == 0
    assert capsys.readouterr().out.strip() == __version__


def test_help_explains_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """A percent sign in a meaning must not break the help page either."""
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])

    said = capsys.readouterr().out
    assert left.value.code == 0
    assert "--books-settle-seconds SECONDS" in said


def test_an_unknown_action_gets_the_nearest_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, and exit status 2."""
    with pytest.raises(SystemExit) as left:
        cli.main(["ledger", "verfy"])

    assert left.value.code == 2
    assert "verfy: no such action; did you mean verify?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["backup", "F", "--ledger-path", "L"], ["backup", "--ledger-path=L", "F"]]
)
def test_a_file_may_stand_before_settings_or_after_them(words: list[str]) -> None:
    """People write it where they think of it."""
    chosen = cli.ledger_parser().parse(words)

    assert (chosen.action, str(chosen.file)) == ("backup", "F")
    assert vars(chosen)["ledger.path"] == "L"


def test_what_the_ledger_is_asked_for_follows_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Settings before it would look like settings of another command."""
    with pytest.raises(SystemExit) as left:
        cli.main(["--log-level", "info", "ledger", "verify"])

    assert left.value.code == 2
    assert "verify: nothing more is expected here" in capsys.readouterr().err
    assert cli.main(["ledger", "backup"]) == 2
    assert cli.main(["--log-level", "info", "ledger"]) == 2


def test_every_action_of_the_ledger_can_be_done() -> None:
    """What the help lists and what the program does are the same."""
    assert commands.LEDGER.keys() == ledger_commands.ACTIONS.keys()


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """`export | head` ends without a traceback."""
    path = tmp_path / "ledger.sqlite"
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(*[segment(i, i + 1) for i in range(5_000)]))
    export = [sys.executable, "-m", "goodput_exporter.cli", "ledger", "export"]

    with subprocess.Popen(
        [*export, "--ledger-path", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        first = program.stdout.readline()
        program.stdout.close()
        said = program.stderr.read()

    assert first.startswith("cluster,namespace,run,")
    assert said == ""
    assert program.returncode == 1


def test_the_help_has_a_line_for_every_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They come before the settings: nobody reads past a hundred flags for them."""
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    before_settings = capsys.readouterr().out.partition("settings:")[0].splitlines()

    ledger = (f"ledger {name}" for name in commands.LEDGER)
    for name in (*commands.PROGRAMS, *commands.COMMANDS, "config", *ledger):
        assert any(line.startswith(f"  {name}  ") for line in before_settings), name


def test_a_commands_help_keeps_to_what_it_heeds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A report is made from the ledger; how GPUs are sampled is nothing to it."""
    with pytest.raises(SystemExit):
        cli.main(["report", "--help"])
    said = capsys.readouterr().out

    assert "--ledger-path FILE" in said
    assert "--group-by" in said
    assert "--nvml-enabled" not in said


def test_a_setting_that_the_help_leaves_out_is_taken() -> None:
    """Whoever has one set of flags for all commands may use it."""
    chosen = cli.command_parser("report").parse(["--nvml-enabled", "no"])

    assert vars(chosen)["nvml.enabled"] == "no"


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_what_a_command_heeds_are_settings(name: str) -> None:
    """A section that was renamed must not vanish from the help in silence."""
    for start in commands.COMMANDS[name].heeds:
        assert any(key.startswith(start) for key in FIELDS), start


def test_a_misspelt_flag_of_a_command_gets_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its own flags are as near as the settings are."""
    with pytest.raises(SystemExit):
        cli.main(["report", "--formt", "md"])

    assert "did you mean --format?" in capsys.readouterr().err


def test_a_misspelt_command_gets_the_nearest_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, with all that there are."""
    with pytest.raises(SystemExit):
        cli.main(["repotr"])

    assert "repotr: no such command; did you mean report?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["ledger"], ["doctor"]])
def test_who_leaves_a_word_out_is_told_where_they_are_listed(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The first thing that people type is the bare name."""
    with pytest.raises(SystemExit) as left:
        cli.main(words)

    assert left.value.code == 2
    helped = " ".join(["goodput-exporter", *words, "--help"])
    assert capsys.readouterr().err.endswith(f"; see {helped}\n")


def test_half_a_command_gets_the_whole_one(capsys: pytest.CaptureFixture[str]) -> None:
    """`incidents` alone does nothing; the words say what does."""
    with pytest.raises(SystemExit) as left:
        cli.main(["incidents", "list"])

    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "incidents: no such command; use incidents export" in said


def test_the_ledgers_help_names_all_that_can_be_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Actions with arguments of their own stand beside the others."""
    with pytest.raises(SystemExit):
        cli.main(["ledger", "--help"])
    said = capsys.readouterr().out

    for name in ("verify", "attribute", "compact", "export", "replay", "restore"):
        assert f"\n  {name}  " in said
