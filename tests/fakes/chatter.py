"""Ranks of a node that report once a second, and are new ones again and again."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path


def heartbeat(  # noqa: PLR0913 - who speaks, and when
    rank: int, world: int, life: int, seq: int, up_s: float, *, mono: bool = True
) -> bytes:
    """
    Return the datagram of one rank that completes ten steps a second.

    Args:
        rank: Who speaks.
        world: Among how many.
        life: In which of its lives.
        seq: The sender's count.
        up_s: Age of this life.
        mono: Say what the kernel's clock shows.
    """
    steps = int(up_s * 10)
    said: dict[str, object] = {
        "v": 1, "t": "hb", "inc": f"{life:08x}{rank:08x}", "seq": seq,
        "run": "ml/llama", "rank": rank, "ws": world, "up": up_s,
        "ph": "train_step", "pa": 0.0, "cum": {"train_step": up_s}, "st": steps,
        "sa": 0.0, "sn": steps, "tk": int(up_s * 1e6), "src": "sdk",
    }  # fmt: skip
    if mono:
        said["mo"] = time.monotonic()
    return json.dumps(said).encode()


@contextmanager
def chatter(path: Path, ranks: int, life_s: float) -> Iterator[None]:
    """
    Let ranks report meanwhile, spread over each second.

    Args:
        path: The agent's socket.
        ranks: How many.
        life_s: So often all of them are restarted: incarnations without end.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_talk, args=(path, ranks, life_s, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _talk(path: Path, ranks: int, life_s: float, stop: threading.Event) -> None:
    began, said = time.monotonic(), 0
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.settimeout(0)
        while not stop.wait(1 / ranks):
            life, up_s = divmod(time.monotonic() - began, life_s)
            with suppress(OSError):  # as the SDK: whoever is not there misses it
                sock.sendto(
                    heartbeat(said % ranks, ranks, int(life), said, up_s), str(path)
                )
            said += 1
