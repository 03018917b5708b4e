"""A suite that could not run must not look green where it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts import miss, require, require_file


def test_a_program_that_is_there_is_returned_with_its_path() -> None:
    """Tests start exactly what they checked for."""
    assert require("sh").is_absolute()


def test_on_a_laptop_a_missing_part_skips_and_says_what_to_install() -> None:
    """A newcomer without Prometheus can still run the suite."""
    with pytest.raises(pytest.skip.Exception, match="apt-get install"):
        miss("no promtool; apt-get install prometheus", in_ci=False)


def test_in_ci_a_missing_part_is_a_failure() -> None:
    """CI installs what it needs; a part that is missing there is a broken CI."""
    with pytest.raises(pytest.fail.Exception, match="not a skip"):
        miss("no promtool", in_ci=True)


def test_a_missing_program_never_returns(tmp_path: Path) -> None:
    """Whichever of the two it is, the test body does not go on."""
    outcomes = (pytest.skip.Exception, pytest.fail.Exception)
    with pytest.raises(outcomes, match="no-such-program is not on the PATH"):
        require("no-such-program")
    with pytest.raises(outcomes, match="headers"):
        require_file(tmp_path / "stdlib.h", reason="headers of the C library")
