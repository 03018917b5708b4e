"""A hundred thousand damaged objects: each is counted, none breaks another."""

from __future__ import annotations

import copy
import random
from typing import Any, Final

import pytest

from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.placement import Placement
from goodput_exporter.sources.workloads.lookups import holders, pod_at, pod_of, runs_on
from goodput_exporter.sources.workloads.shapes import every_misfit, misfits, shape_of
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.causes import recorded
from tests.fakes.chains import SEEN_NS, chains, final
from tests.fakes.cluster import Pod, Raw, job, node

OBJECTS: Final = [
    *(raw for chain in chains() for raw in chain.objects),
    *(raw for case in recorded() for raw in case.raw),
    node(),
]
ODD: Final[tuple[object, ...]] = (
    None, 0, -1, 10**30, True, 1.5, "", "x", "9999-12-31T23:59:59Z", "0001-01-01",
    [], [None], [[]], {}, {"a": None}, {"name": 3},
)  # fmt: skip
SEEDS: Final = range(100)
COUNT: Final = 1_000
"""By each seed: 10^5 in all."""
FEW: Final = range(10)


def paths(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every field and row of a JSON value."""
    found = [at] if at else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += paths(inner, (*at, index))
    return found


WAYS: Final = [paths(raw) for raw in OBJECTS]


def damaged(chance: random.Random) -> tuple[Raw, tuple[Any, ...], object]:
    """Return an object with one field removed, null or odd, where, and what it is."""
    index = chance.randrange(len(OBJECTS))
    raw = copy.deepcopy(OBJECTS[index])
    way = chance.choice(WAYS[index])
    inner: Any = raw
    for step in way[:-1]:
        inner = inner[step]
    if chance.random() < 0.3:
        del inner[way[-1]]
        return raw, way, None
    inner[way[-1]] = odd = copy.deepcopy(chance.choice(ODD))
    return raw, way, odd


def healthy(tracker: Tracker) -> None:
    """Let a run in order go by, beside whatever else is heard."""
    train = job("healthy")
    pod = Pod("healthy-0", train)
    pod.bound(1, "n-healthy")
    for raw in (train, node("n-healthy"), pod.running(10)):
        tracker.change("added", raw, SEEN_NS)


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_objects_are_counted_and_break_nothing(seed: int) -> None:
    """Whatever an object holds, the run beside it stands where it stood."""
    chance, tracker = random.Random(seed), Tracker("c1")  # noqa: S311  # no secret
    healthy(tracker)
    told: list[Placement | Evidence] = []

    for number in range(COUNT):
        raw, *_ = damaged(chance)
        verb = chance.choice(("added", "modified", "modified", "deleted"))
        tracker.change(verb, raw, SEEN_NS + number, estimated=chance.random() < 0.1)
        if number % 50 == 0:
            told += tracker.drain(SEEN_NS + number)
            list(holders(tracker.register))
            runs_on(tracker.register, "n1")
            pod_at(tracker.register, "n1", "10.0.0.1")
            for uid in list(tracker.register.pods)[:3]:
                pod_of(tracker.register, uid)
    told += tracker.drain(SEEN_NS + COUNT)

    assert sum(tracker.taken.values()) == COUNT + 3
    assert tracker.faults
    assert tracker.refused
    good = [one for one in told if isinstance(one, Placement)]
    assert [one.stage for one in good if one.key.run == "healthy"][-1] == "running"
    assert all(0 <= one.at_ns <= SEEN_NS + COUNT for one in good)
    assert all(one.asked >= 0 and one.running >= 0 for one in good)


@pytest.mark.parametrize("seed", FEW)
def test_the_quick_look_at_an_object_overlooks_no_misfit(seed: int) -> None:
    """An object is passed without a list of its misfits only if that is empty."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    faulty = 0
    for _ in range(COUNT):
        raw, *_ = damaged(chance)
        shape = shape_of(str(raw.get("kind")))
        found = list(misfits(raw, shape))
        faulty += bool(found)

        assert found == list(every_misfit(raw, shape, ""))
    assert faulty


def test_a_field_of_another_type_is_counted_by_its_path() -> None:
    """Null and missing are none: every field of the API is optional."""
    raw = job()
    raw["spec"] |= {"parallelism": "2", "suspend": 1, "completions": None}
    tracker = Tracker("c1")
    tracker.change("added", raw, SEEN_NS)

    assert dict(tracker.faults) == {
        ("Job", ".spec.parallelism"): 1,
        ("Job", ".spec.suspend"): 1,
    }
    assert final(tracker)["train"].asked == 8


def test_objects_as_their_projects_write_them_have_no_faults() -> None:
    """The list of fields that are read says what the API says."""
    for raw in OBJECTS:
        assert list(misfits(raw, shape_of(raw["kind"]))) == [], raw["kind"]


def test_what_cannot_be_told_from_others_is_refused_by_name() -> None:
    """An object without uid, name or namespace is counted and left."""
    tracker = Tracker("c1")
    for field in ("uid", "name", "namespace"):
        raw = job()
        del raw["metadata"][field]
        tracker.change("added", raw, SEEN_NS)
    tracker.change("added", None, SEEN_NS)
    tracker.change("added", {"kind": "Event"}, SEEN_NS)

    assert dict(tracker.refused) == {
        ("Job", "no uid"): 1,
        ("Job", "no name"): 1,
        ("Job", "no namespace"): 1,
        ("?", "no kind"): 1,
        ("Event", "about nothing"): 1,
    }
    assert tracker.drain(SEEN_NS) == []
