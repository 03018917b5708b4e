"""The load of a node on its agent: pods whose ranks report over UDP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Final

from tests.fakes.chatter import heartbeat

PODS: Final = 4
RANKS: Final = 16
"""Of each pod."""
EVERY_S: Final = 2.0
"""As the SDK does it."""
LIFE_S: Final = 300.0
"""So often all ranks of a pod are restarted."""


@contextmanager
def speaking(port: int) -> Iterator[None]:
    """Let 64 ranks in four pods report meanwhile; what fails for one fails here."""
    stop = threading.Event()
    with ThreadPoolExecutor(PODS) as pool:
        pods = [pool.submit(_pod, number, port, stop) for number in range(PODS)]
        try:
            yield
        finally:
            stop.set()
    for each in pods:
        each.result()


def _pod(number: int, port: int, stop: threading.Event) -> None:
    """Report for each rank in its turn, from an address that no other pod has."""
    began, seq = time.monotonic(), [0] * RANKS
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind((f"127.0.0.{2 + number}", 0))
        turn = 0
        while not stop.wait(EVERY_S / RANKS):
            life, up_s = divmod(time.monotonic() - began, LIFE_S)
            rank = number * RANKS + turn
            said = heartbeat(rank, PODS * RANKS, int(life), seq[turn], up_s)
            sock.sendto(said, ("127.0.0.1", port))
            seq[turn] += 1
            turn = (turn + 1) % RANKS
