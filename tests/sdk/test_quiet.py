"""What the SDK does not do: system calls in a step, imports from outside."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.parts import require
from tests.sdk.agent import SDK_PATH, agent, environment, run

# Between two marks that strace can see, 200,000 steps with data and nested phases.
STEPS = """
import os
from goodput_sdk._phases import NAMES
hb = gp.init()
def loop(steps):
    for step in hb.data(range(steps)):
        with hb.step(step, tokens=10):
            with hb.phase("rollout"):
                pass
while hb._sender._life.seq == 0:
    loop(1000)
os.getppid()
loop(200_000)
os.getppid()
os._exit(0)
"""
# What a second Python thread costs by itself: handing over the interpreter's lock.
LOCK_CALLS = {"futex", "sched_yield", "clock_nanosleep"}
CALL = re.compile(r"^(?:[\d.]+ )?(\w+)\(")


@pytest.mark.real
def test_a_steady_loop_makes_no_system_call_of_its_own() -> None:
    """Only the handing over of the lock is left, a few times for each heartbeat."""
    strace = require("strace")
    with agent() as listening, tempfile.TemporaryDirectory(prefix="gp") as folder:
        trace = Path(folder) / "calls"
        launch = (str(strace), "-f", "-ff", "-o", str(trace))
        assert run(STEPS, listening.address, *launch, GOODPUT_INTERVAL_S="0.5") == 0
        calls = between_marks(Path(folder))

    assert set(calls) <= LOCK_CALLS
    assert calls.total() < 200


def between_marks(folder: Path) -> Counter[str]:
    """Count the calls that the one thread with the marks made between them."""
    for file in folder.iterdir():
        names = [
            match.group(1)
            for line in file.read_text(errors="replace").splitlines()
            if (match := CALL.match(line))
        ]
        if names.count("getppid") == 2:
            first = names.index("getppid")
            return Counter(names[first + 1 : names.index("getppid", first + 1)])
    msg = f"no thread in {folder} made both marks; did the traced program fail?"
    raise AssertionError(msg)


@pytest.mark.real
@pytest.mark.parametrize("address", ["", "unix:///nowhere/agent.sock"])
def test_nothing_outside_the_standard_library_is_imported(address: str) -> None:
    """In a fresh interpreter, also once it reports; and no torch above all."""
    program = (
        f"import sys; sys.path.insert(0, {str(SDK_PATH)!r}); import goodput_sdk as gp\n"
        "hb = gp.init()\nwith hb.step(1): pass\nhb.close()\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        env=environment(address),
        capture_output=True,
        text=True,
        check=True,
    )

    foreign = set(found.stdout.split()) - sys.stdlib_module_names
    assert foreign == {"__main__", "goodput_sdk"}
    assert found.stderr == ""


@pytest.mark.real
def test_importing_loads_nothing_that_costs() -> None:
    """Sockets, JSON, threads, logging and typing wait until they are needed."""
    program = (
        f"import sys; sys.path.insert(0, {str(SDK_PATH)!r}); import goodput_sdk\n"
        "print(*sys.modules)\n"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )

    costly = {"socket", "json", "threading", "logging", "typing", "dataclasses", "re"}
    assert costly.isdisjoint(found.stdout.split())
