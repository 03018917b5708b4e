"""The accounting page's example is run, and must come out as the page says."""

from __future__ import annotations

import re
from pathlib import Path

from goodput_exporter.domain.bookings import Reattribution, Restatement
from goodput_exporter.domain.corrected import correct
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import Observer
from tests.scenarios.telling import PINNED, books_close, tell

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "accounting.md"


def block(name: str) -> list[str]:
    """Return the lines of one fenced block of the page."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"```{name}\n(.*?)```", text, re.DOTALL)
    assert found is not None, f"the page has no block called {name}"
    return found.group(1).splitlines()


def lives() -> list[Rank]:
    """Read the processes' lives from the page."""
    found = []
    for number, line in enumerate(block("story"), start=1):
        _, begins_s, script = line.split(maxsplit=2)
        rank = Rank(inc=f"{number:016x}", pid=number, begins_s=float(begins_s))
        for act in script.split(", "):
            live(rank, act)
        found.append(rank)
    return found


def live(rank: Rank, act: str) -> None:
    """Let a rank do what one entry of a script says."""
    words = act.split()
    numbers = [int(word) for word in re.findall(r"\d+", act)]
    match words[0]:
        case "init":
            rank.init(numbers[0])
        case "data":
            rank.data(numbers[0])
        case "cut":
            rank.cut(numbers[0])
        case "steps":
            rank.steps(numbers[0], numbers[1], each=numbers[2])
        case "save":
            rank.save(numbers[0], numbers[1])
        case "restore":
            rank.restore(numbers[0], numbers[1])
        case "bye":
            rank.bye()
        case unknown:
            msg = f"the page says {unknown!r}, which is nothing that a rank does"
            raise AssertionError(msg)


def expected(column: int) -> dict[str, float]:
    """Read one view's seconds from the page, without zeros."""
    rows = [line.split() for line in block("account")[1:]]
    return {row[0]: float(row[column]) for row in rows if float(row[column])}


def told() -> Observer:
    """Watch the page's story."""
    return tell(*lives(), rules=PINNED)


def test_the_worked_example_of_the_page() -> None:
    """Every state of both views, and the total."""
    story = told()
    total = expected(1).pop("total")

    assert story.live() | {"total": total} == expected(1)
    assert story.settled() | {"total": total} == expected(2)
    assert sum(story.live().values()) == total
    assert books_close(story)


def test_what_the_page_says_of_the_example() -> None:
    """Goodput is 46.3 % in both views, and the kill cost 99 s in either."""
    story = told()
    book = story.fold.book
    moves = [b for b in story.bookings if isinstance(b, Restatement | Reattribution)]
    known = correct(story.segments(), moves)
    cost_ns = sum(s.gpu_ns for s in known if s.incident == 1)

    for account in (book.live, book.settled):
        goodput = ratios(account).goodput
        assert goodput is not None
        assert round(goodput, 3) == 0.463
    assert cost_ns == ns(99)
    assert book.settled.bad_gpu_ns[Cause.UNKNOWN] == ns(99)
    assert book.settled.of(RunState.LOST) == ns(30)
