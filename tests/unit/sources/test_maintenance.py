"""Declared maintenance is read when its file changes; a bad file changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.errors import BadInputError
from goodput_exporter.sources.maintenance import (
    Declarations,
    Declared,
    MaintenanceSource,
    read_declarations,
    write_declarations,
)

DRIVER = Declared(1, ("node-1", "node-2"), 1_000, 2_000, "new driver", "ada")
EVERYWHERE = Declared(2, (), 5_000, 6_000)


def file_of(**wrong: object) -> str:
    """Return a file with one window, which is whole but for this."""
    window = {"id": 1, "nodes": [], "from_ns": 1, "to_ns": 2, "note": "", "by": ""}
    return json.dumps({"format": 1, "last_id": 1, "windows": [window | wrong]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file lies, in a folder that is not there yet."""
    return tmp_path / "state" / "maintenance.json"


def test_a_window_is_evidence_for_each_of_its_nodes(path: Path) -> None:
    """From its beginning to its end, in the words of who declared it."""
    write_declarations(path, Declarations((DRIVER,), 1))

    first, second = MaintenanceSource(path).drain()

    assert first == Evidence(
        1_000,
        Kind.MAINTENANCE_WINDOW,
        "declared",
        "node/node-1",
        "maintenance",
        "new driver",
        2_000,
    )
    assert second.subject == "node/node-2"


def test_a_window_without_nodes_is_about_all_of_them(path: Path) -> None:
    """Planned work on the whole cluster has one piece of evidence, and no subject."""
    write_declarations(path, Declarations((EVERYWHERE,), 2))

    (seen,) = MaintenanceSource(path).drain()

    assert (seen.subject, seen.until_ns) == ("", 6_000)


def test_each_window_is_told_once(path: Path) -> None:
    """A change of the file tells what is new in it, and nothing again."""
    source = MaintenanceSource(path)
    assert source.drain() == []

    write_declarations(path, Declarations((DRIVER,), 1))
    assert len(source.drain()) == 2
    assert source.drain() == []

    write_declarations(path, Declarations((DRIVER, EVERYWHERE), 2))
    assert [seen.at_ns for seen in source.drain()] == [5_000]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"format": 2}',
        '{"format": 1, "last_id": 1}',
        '{"format": 1, "last_id": true, "windows": []}',
        '{"format": 1, "last_id": 1, "windows": [{}]}',
        file_of(nodes="a"),
        file_of(nodes=[3]),
        file_of(from_ns=2),
        file_of(from_ns=0.5),
        file_of(note=None),
        "[" * 100_000,
        "\x00",
    ],
)
def test_a_bad_file_is_counted_and_the_last_good_list_stays(
    path: Path, text: str
) -> None:
    """Whatever is in it, the exporter goes on; mended, it is read again."""
    write_declarations(path, Declarations((DRIVER,), 1))
    source = MaintenanceSource(path)
    source.drain()

    path.write_text(text, encoding="utf-8")

    assert source.drain() == []
    assert source.drain() == []
    assert (source.failures, source.windows) == (1, (DRIVER,))
    with pytest.raises(BadInputError, match=path.name):
        read_declarations(path)

    write_declarations(path, Declarations((DRIVER, EVERYWHERE), 2))
    assert len(source.drain()) == 1


def test_the_file_is_replaced_as_a_whole(path: Path) -> None:
    """What was written is read back; nothing else is left in the folder."""
    for declared in (Declarations((DRIVER,), 1), Declarations((EVERYWHERE,), 2)):
        write_declarations(path, declared)

        assert read_declarations(path) == declared
        assert [each.name for each in path.parent.iterdir()] == [path.name]
