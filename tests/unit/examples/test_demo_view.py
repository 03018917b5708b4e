"""The demo reads the API as it is, on a terminal and in a log."""

from __future__ import annotations

import io
import socket

import pytest
from rich.console import Console

from demo import DemoError, free_port, run_for
from demo_account import Answer
from demo_view import LiveView, PlainView, final, picture
from goodput_exporter.exposition.answers import run_detail
from goodput_exporter.exposition.windows import read_window
from tests.fakes.snapshots import bare_run_view, run_view, snapshot

PAGE = "http://127.0.0.1:9909/"


def answer(*, bare: bool = False) -> Answer:
    """Return what the API says of one run."""
    view = bare_run_view() if bare else run_view()
    reading = read_window(view, "lifetime")
    said: Answer = run_detail(snapshot(view), view, reading).model_dump(mode="json")
    return said


def screen(*, terminal: bool = False) -> tuple[Console, io.StringIO]:
    """Return a console, and where it writes."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=100)
    return console, text


def test_the_picture_shows_state_goodput_and_where_time_went() -> None:
    """One glance answers: what now, how good, how far, what is at risk."""
    console, text = screen()

    console.print(picture(PAGE, 12.0, answer(), "step 40 loss 1.5"))

    shown = text.getvalue()
    for part in (PAGE, "goodput", "productive", "at risk", "step 40 loss 1.5"):
        assert part in shown


def test_a_run_without_numbers_yet_shows_dashes() -> None:
    """What was not measured is not shown as zero."""
    console, text = screen()

    console.print(picture(PAGE, 0.0, answer(bare=True), ""))

    assert "last -, durable -" in text.getvalue()


def test_before_the_first_heartbeat_it_says_so() -> None:
    """An empty screen would look like a hang."""
    console, text = screen()

    console.print(picture(PAGE, 0.0, None, ""))

    assert "waiting for the first heartbeat" in text.getvalue()


def test_a_log_gets_a_line_per_change_and_no_escape_sequences() -> None:
    """Piped into a file it reads like a diary."""
    console, text = screen()
    view = PlainView(console)

    for second in range(10):
        view.show(second, answer(), "[red]not markup")
    view.close()

    lines = text.getvalue().splitlines()
    assert len(lines) == 2
    assert all("[red]not markup" in line for line in lines)
    assert "\x1b" not in text.getvalue()


def test_a_terminal_is_redrawn_in_place() -> None:
    """The live view moves the cursor instead of scrolling."""
    console, text = screen(terminal=True)
    view = LiveView(console, PAGE)

    view.show(0.0, answer(), "")
    view.show(1.0, answer(), "")
    view.close()

    assert "\x1b[" in text.getvalue()


def test_the_last_words_are_an_account_that_adds_up() -> None:
    """The proof in nanoseconds, then one sentence."""
    console, text = screen()

    final(console, answer())

    said = text.getvalue()
    assert " ns booked = " in said
    assert said.rstrip().splitlines()[-1].startswith("Of ")


@pytest.mark.parametrize("wanted", ["0", "65536", "http", "-1", ""])
def test_a_port_that_is_none_is_refused(wanted: str) -> None:
    """The message shows how to give one."""
    with pytest.raises(DemoError, match="make run PORT=9909"):
        free_port(wanted)


def test_run_for_is_seconds() -> None:
    """Without it the demo goes on until Ctrl-C."""
    assert run_for({"RUN_FOR": "60"}) == 60
    assert run_for({}) == float("inf")
    with pytest.raises(DemoError, match="RUN_FOR=1m"):
        run_for({"RUN_FOR": "1m"})


def test_a_taken_port_is_named_with_another_to_try() -> None:
    """Who reads it can paste the next command."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(DemoError, match=f"port {port} .* make run PORT={port + 1}"):
            free_port(str(port))
