"""One heartbeat a process: how it begins, and what fork and exit do to it."""

from __future__ import annotations

import atexit
import os
import sys
import time

from goodput_sdk._addresses import parse_addresses
from goodput_sdk._clock import PhaseClock
from goodput_sdk._environment import (
    Place,
    find_interval_s,
    find_peak_tflops,
    find_place,
    find_role,
    find_run_id,
)
from goodput_sdk._guard import warn
from goodput_sdk._heartbeat import Heartbeat
from goodput_sdk._identity import TEXT_LIMIT, Identity
from goodput_sdk._phases import NAMES
from goodput_sdk._reporter import Reporter
from goodput_sdk._sender import Life, Sender

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    from collections.abc import Callable, Mapping

INCARNATION_BYTES = 8


class Options:
    """What ``init`` was told; None leaves it to the environment."""

    __slots__ = (
        "amounts_are_global",
        "framework",
        "rank",
        "replica_group",
        "role",
        "run_id",
        "source",
        "steps_are_local",
        "version",
        "world_size",
    )

    def __init__(  # noqa: PLR0913  # the arguments of init, by name
        self,
        *,
        version: str,
        run_id: str | None = None,
        framework: str | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        role: str | None = None,
        replica_group: str | None = None,
        source: str = "sdk",
        steps_are_local: bool = False,
        amounts_are_global: bool = True,
    ) -> None:
        self.version = version
        self.run_id = run_id
        self.framework = framework
        self.rank = rank
        self.world_size = world_size
        self.role = role
        self.replica_group = replica_group
        self.source = source
        self.steps_are_local = steps_are_local
        self.amounts_are_global = amounts_are_global


class Process:
    """The heartbeat that this process reports with, if it does."""

    __slots__ = ("_hooked", "reporter")

    def __init__(self) -> None:
        self.reporter: Reporter | None = None
        self._hooked = False

    def begin(self, options: Options, environ: Mapping[str, str]) -> Heartbeat:
        """
        Return the process's heartbeat, and start it if there is none.

        A second call gets the first one's: two integrations in one program are
        still one rank.
        """
        if self.reporter is not None and not self.reporter.closed:
            return self.reporter
        reporter = build(options, environ)
        if reporter is None:
            return Heartbeat()
        self.reporter = reporter
        self._hook()
        return reporter

    def _hook(self) -> None:
        hook_worker_exit(self.on_exit)
        if self._hooked:
            return
        self._hooked = True
        atexit.register(self.on_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.on_fork)

    def on_exit(self) -> None:
        """Say goodbye for a program that did not."""
        if self.reporter is not None:
            self.reporter.close()

    def on_fork(self) -> None:
        """Keep a child silent: it has the parent's memory, and is not the rank."""
        if self.reporter is not None:
            self.reporter.silence()
            self.reporter = None


PROCESS = Process()


def build(
    options: Options,
    environ: Mapping[str, str],
    now: Callable[[], int] = time.monotonic_ns,
) -> Reporter | None:
    """Return a running reporter, or None if the address is wrong; that is told."""
    try:
        addresses = parse_addresses(environ.get("GOODPUT_ADDR", ""))
    except ValueError as error:
        warn("goodput-sdk: not reporting: %s", error)
        return None
    if not addresses:
        return None

    def live() -> Life:
        return Life(identify(options, environ), PhaseClock(now))

    life = live()
    names = list(NAMES)
    sender = Sender(
        life,
        addresses,
        find_interval_s(environ),
        facts=first_facts(options, environ),
        names=names,
    )
    reporter = Reporter(life, sender, names=names, live=live, ended_well=ended_well)
    sender.start()
    return reporter


def identify(options: Options, environ: Mapping[str, str]) -> Identity:
    """Return a new incarnation's identity; the place is read anew for every one."""
    place: Place = find_place(environ)
    if options.rank is not None:
        place.rank = options.rank
    if options.world_size is not None:
        place.world_size = options.world_size
    return Identity(
        incarnation=os.urandom(INCARNATION_BYTES).hex(),
        run_id=find_run_id(options.run_id, environ),
        place=place,
        role=find_role(options.role, environ),
        replica_group=options.replica_group,
        source=options.source,
        steps_are_local=options.steps_are_local,
        amounts_are_global=options.amounts_are_global,
    )


def first_facts(options: Options, environ: Mapping[str, str]) -> dict[str, object]:
    """Return what a hello says before the program has described its model."""
    facts: dict[str, object] = {"sdk": options.version}
    peak = find_peak_tflops(environ)
    if options.framework is not None:
        facts["fw"] = str(options.framework)[:TEXT_LIMIT]
    if peak is not None:
        facts["pk"] = peak
    return facts


def hook_worker_exit(on_exit: Callable[[], None]) -> None:
    """
    Say goodbye in a multiprocessing worker that reports, too.

    A forked one leaves by ``os._exit``, past ``atexit``; what multiprocessing
    runs instead are its own finalizers.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None:
        return
    from multiprocessing.util import Finalize  # noqa: PLC0415  # only if it is in use

    Finalize(None, on_exit, exitpriority=0)


def ended_well() -> bool:
    """
    Tell whether no exception has ended the program, nor is about to.

    The interpreter leaves an uncaught one in ``sys.last_value`` before it runs
    exit handlers, so none of its hooks has to be replaced. It leaves no trace of
    ``sys.exit(1)``: say ``close(ok=False)`` there.
    """
    if any(hasattr(sys, name) for name in ("last_exc", "last_value", "last_type")):
        return False
    passing = sys.exc_info()[1]
    if isinstance(passing, SystemExit):
        return passing.code in (None, 0)
    return passing is None
