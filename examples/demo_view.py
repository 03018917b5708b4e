"""What `make run` shows: a live screen on a terminal, plain lines anywhere else."""

from __future__ import annotations

from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from demo_account import Answer, lines, percent, proof, sentence, unit

BAR_CELLS = 40
PLAIN_EVERY_SECONDS = 5

STYLE_OF_LAYER = {
    "good": "green",
    "model": "yellow",
    "framework": "cyan",
    "infrastructure": "red",
}


class View(Protocol):
    """Shows the run as it is now."""

    def show(self, elapsed_seconds: float, run: Answer | None, said: str) -> None:
        """Show one answer of the API; *said* is the training program's last line."""

    def close(self) -> None:
        """Leave what was shown last on the screen."""


class LiveView:
    """The whole picture, redrawn in place."""

    def __init__(self, console: Console, page: str) -> None:
        self._page = page
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def show(self, elapsed_seconds: float, run: Answer | None, said: str) -> None:
        """Redraw."""
        self._live.update(picture(self._page, elapsed_seconds, run, said), refresh=True)

    def close(self) -> None:
        """Stop redrawing."""
        self._live.stop()


class PlainView:
    """One line every few seconds and at each change of state."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: tuple[str, int] | None = None

    def show(self, elapsed_seconds: float, run: Answer | None, said: str) -> None:
        """Print a line if there is something new to say."""
        state = run["now"]["state"] if run else "waiting for the first heartbeat"
        now = (state, int(elapsed_seconds // PLAIN_EVERY_SECONDS))
        if now == self._last:
            return
        self._last = now
        line = f"{elapsed_seconds:6.1f} s  {state}"
        if run:
            step = run["progress"]["step"]
            line += f"  step {'-' if step is None else step}  goodput {goodput(run)}"
        self._console.print(
            f"{line}  | {said}" if said else line, highlight=False, markup=False
        )

    def close(self) -> None:
        """Nothing to tidy up."""


def goodput(run: Answer) -> str:
    """Return the run's goodput so far."""
    return percent(run["layers"]["goodput"])


def picture(
    page: str, elapsed_seconds: float, run: Answer | None, said: str
) -> RenderableType:
    """Return the whole screen."""
    head = Text.assemble(
        ("goodput-exporter", "bold"),
        f"  {elapsed_seconds:.0f} s  ",
        (page, "underline"),
    )
    if run is None:
        return Group(head, Text("waiting for the first heartbeat ..."))
    now, progress = run["now"], run["progress"]
    facts = Table.grid(padding=(0, 2))
    facts.add_row("now", Text(f"{now['state']}: {now['why']}"))
    facts.add_row("goodput", goodput(run))
    facts.add_row(
        "steps",
        f"{progress['steps_first_time']} new, {progress['steps_redone']} redone, "
        f"last {progress['step'] or '-'}, durable {progress['durable_step'] or '-'}",
    )
    facts.add_row("at risk", at_risk(run))
    facts.add_row("it says", Text(said))
    return Group(head, facts, account(run), Text("Ctrl-C ends it", "dim"))


def at_risk(run: Answer) -> str:
    """Return what a crash now would cost."""
    seconds = run["progress"]["exposure_gpu_seconds"]
    return "-" if seconds is None else f"{seconds:.1f} {unit(run)} since the last save"


def account(run: Answer) -> Table:
    """Return where the time went, with a bar for each state."""
    table = Table(box=None, pad_edge=False)
    for name in ("state", unit(run), "%"):
        table.add_column(name, justify="left" if name == "state" else "right")
    table.add_column("")
    for line in lines(run):
        bar = "█" * round(line.percent / 100 * BAR_CELLS)
        table.add_row(
            line.state,
            f"{line.seconds:.1f}",
            f"{line.percent:.1f}",
            Text(bar, STYLE_OF_LAYER.get(line.layer, "dim")),
        )
    return table


def final(console: Console, run: Answer) -> None:
    """Print the account, the proof that it adds up, and the sentence."""
    console.print()
    console.print(account(run))
    console.print(f"\n{proof(run)}", highlight=False, soft_wrap=True)
    console.print(f"goodput {goodput(run)}", highlight=False)
    console.print(sentence(run), highlight=False, soft_wrap=True)
