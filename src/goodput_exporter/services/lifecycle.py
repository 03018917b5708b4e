"""The life of a program: serve until told to stop, tick beside it, drain at the end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import uvicorn

from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.services.tls import Certificate, Renewing
from goodput_exporter.services.web import PLAIN, Engine

TICKS_A_MINUTE: Final = 600
"""uvicorn's own ticks."""

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
LOOKS_SKIPPED: Final = 5
"""uvicorn's own, of a tenth of a second each."""
UVICORN_WRAPS: Final = 864_000


@dataclass(slots=True)
class Pace:
    """How punctual the ticks are, in seconds."""

    ticks: int = 0
    lag_seconds: float = 0.0
    took_seconds: float = 0.0


class Ticker(threading.Thread):
    """
    Calls *tick* at a fixed pace on a thread of its own, until stopped.

    A tick that raises is logged with its traceback and the next one is
    tried: this is the one broad ``except`` of the program.

    Args:
        tick: What to do; told how punctual the ticks are.
        seconds: The pace. A late tick is not made up for.
    """

    def __init__(self, tick: Callable[[Pace], None], seconds: float) -> None:
        super().__init__(name="ticker", daemon=True)
        self._tick = tick
        self._seconds = seconds
        self._stop_asked = threading.Event()
        self._pace = Pace()

    def run(self) -> None:
        """Tick until told to stop."""
        due = time.monotonic()
        while not self._stop_asked.wait(max(0.0, due - time.monotonic())):
            began = time.monotonic()
            self._pace.lag_seconds = max(0.0, began - due)
            try:
                self._tick(self._pace)
            except Exception:  # noqa: BLE001 - the service loop's one, with traceback
                _log.exception("a tick failed; the next one is tried")
            self._pace.took_seconds = time.monotonic() - began
            self._pace.ticks += 1
            # The tick after a slow one comes at once and is late; the one after
            # that is due a whole pace later.
            late = self._pace.lag_seconds > self._seconds
            due = (began if late else due) + self._seconds

    def stop(self) -> None:
        """Let the tick in progress end, then no more."""
        self._stop_asked.set()
        if self.is_alive():
            self.join()


class Server(uvicorn.Server):
    """
    A web server that ends when told to, and leaves the rest to its caller.

    Args:
        config: uvicorn's own.
        ready: Called once requests are answered.
        renew: Called once a minute.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[], None],
        renew: Callable[[], object],
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._renew = renew

    async def on_tick(self, counter: int) -> bool:
        """Look after the certificate beside what uvicorn does ten times a second."""
        if counter % TICKS_A_MINUTE == TICKS_A_MINUTE - 1:
            self._renew()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        self._ready()

    async def main_loop(self) -> None:
        """
        Look twice a second whether to end, and renew the answers' date once.

        uvicorn's own loop wakes up ten times a second: a sixth of what an agent takes
        in all. The counter goes on at its pace, which the date is renewed by.
        """
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + LOOKS_SKIPPED) % UVICORN_WRAPS
            await asyncio.sleep(LOOK_SECONDS)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """
        Take SIGTERM and SIGINT as the wish to end.

        uvicorn's own way restores the handlers when it is done and raises the
        signal again, which ends the process before it has drained. Ours stay:
        a second signal must not cut the drain short either.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield


def serve(  # noqa: PLR0913 - services take values, each named at the call
    app: Callable[..., Any],
    host: str,
    port: int,
    *,
    ready: Callable[[str], None],
    keep_alive_seconds: int = 5,
    certificate: Certificate | None = None,
    engine: Engine = PLAIN,
) -> None:
    """
    Serve *app* until SIGTERM or SIGINT.

    Args:
        app: The application.
        host: The address to listen on.
        port: The TCP port; 0 lets the kernel choose.
        ready: Told the address once it answers.
        keep_alive_seconds: How long a connection may be idle; agents push every 5 s.
        certificate: For HTTPS; None serves plain HTTP.
        engine: What parses requests, and on which loop.

    Raises:
        ConfigError: The certificate cannot be used.
        SourceUnavailableError: The address is taken or cannot be bound.
    """
    renewing = None if certificate is None else Renewing(certificate)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        loop=engine.loop,
        http=engine.http,
        ws="none",
        timeout_graceful_shutdown=2,
        timeout_keep_alive=keep_alive_seconds,
        server_header=False,
        ssl_context_factory=None if renewing is None else lambda *_: renewing.context,
    )
    try:
        listening = config.bind_socket()
    except SystemExit as exc:
        # uvicorn leaves the reason in its log, and here.
        msg = (
            f"http.port: {host}:{port} cannot be bound ({exc.__context__}); if another "
            "program listens there, choose a free port with GOODPUT_EXPORTER_HTTP_PORT "
            "or --http-port; else check that http.host is an address of this machine"
        )
        raise SourceUnavailableError(msg) from exc
    bound: tuple[Any, ...] = listening.getsockname()
    scheme = "http" if renewing is None else "https"
    name = f"[{host}]" if ":" in host else host
    address = f"{scheme}://{name}:{bound[1]}/"
    renew = (lambda: None) if renewing is None else renewing.renew
    Server(config, lambda: ready(address), renew).run(sockets=[listening])
