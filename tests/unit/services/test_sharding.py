"""Every run is booked by exactly one shard, the same on every machine."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import BadInputError, ConfigError, LedgerError
from goodput_exporter.services.ledger_past import LedgerPast, ShardsPast
from goodput_exporter.services.sharding import (
    Shard,
    elsewhere,
    parse_shard,
    require_same,
    shard_of,
)
from tests.fakes.ledger import MemoryLedger

names = st.text(min_size=1, max_size=20)


@given(st.builds(RunKey, names, names, names), st.integers(1, 16))
def test_a_run_has_exactly_one_shard(key: RunKey, count: int) -> None:
    """None is booked twice, and none by nobody."""
    assert sum(Shard(index, count).owns(key) for index in range(count)) == 1


def test_a_runs_shard_never_changes() -> None:
    """Two versions of the program that disagreed would both book it."""
    runs = [RunKey("prod", "ml", name) for name in ("llama", "gpt", "moe", "t5")]

    assert [shard_of(run, 3) for run in runs] == [0, 0, 0, 2]


def test_runs_spread_over_the_shards() -> None:
    """A shard of four has a quarter, more or less."""
    runs = [RunKey("prod", "ml", f"run-{number}") for number in range(4_000)]
    counts = [sum(shard_of(run, 4) == index for run in runs) for index in range(4)]

    assert all(900 < count < 1_100 for count in counts)


@pytest.mark.parametrize("text", ["", "1", "1/", "/3", "3/3", "-1/3", "a/b", "0/0"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    """The message shows what was given and what is meant."""
    with pytest.raises(ConfigError, match="INDEX/COUNT"):
        parse_shard(text)


def test_the_first_shard_tells_what_is_nobodys() -> None:
    """Nodes and queues would be counted once per shard otherwise."""
    assert parse_shard("0/3").is_first
    assert not parse_shard("1/3").is_first


@given(st.lists(st.builds(RunKey, names, names, names)), st.integers(1, 8))
def test_a_ledger_goes_on_with_its_own_count(keys: list[RunKey], count: int) -> None:
    """A new one notes it, and so does one that was kept before counts were noted."""
    shard = Shard(0, count)
    own = [key for key in keys if shard.owns(key)]

    noted = require_same(shard, {}, own)

    assert noted
    assert require_same(shard, noted, own) == {}


@given(st.integers(1, 8), st.integers(1, 8))
def test_a_ledger_is_not_divided_anew(before: int, after: int) -> None:
    """Its runs' past would be booked again by the shards that have nothing of it."""
    noted = require_same(Shard(0, before), {}, [])

    if before == after:
        assert require_same(Shard(0, after), noted, []) == {}
    else:
        with pytest.raises(LedgerError, match=f"one of {before};"):
            require_same(Shard(0, after), noted, [])


def test_a_ledger_of_one_process_is_not_taken_for_a_shards() -> None:
    """It was kept before counts were noted, and holds a run that is another's."""
    runs = [RunKey("prod", "ml", name) for name in ("llama", "t5")]

    with pytest.raises(LedgerError, match="holds another's: prod/ml/t5;"):
        require_same(Shard(0, 3), {}, runs)


def test_whoever_asks_the_wrong_shard_is_told_the_right_one() -> None:
    """By a whole name; a run id alone is of any shard, and one's own is not missed."""
    asked = Shard(1, 3)

    assert elsewhere(asked, "prod/ml/t5").endswith("NAME-shard-2: ask there")
    assert "NAME-shard-0 to NAME-shard-2" in elsewhere(asked, "t5")
    assert elsewhere(Shard(2, 3), "prod/ml/t5") == ""
    assert elsewhere(Shard(), "t5") == ""


def test_a_shard_with_a_file_of_its_own_names_the_others_for_the_past() -> None:
    """It cannot read their books, so it says who can."""
    past = ShardsPast(LedgerPast(MemoryLedger()), partial(elsewhere, Shard(1, 3)))

    with pytest.raises(BadInputError, match=r"no run is called .*NAME-shard-2"):
        past.runs(("prod/ml/t5",))
