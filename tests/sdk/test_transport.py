"""How datagrams leave: what a network keeps in mind of a sender must not last."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from goodput_sdk import _transport
from goodput_sdk._addresses import Address
from goodput_sdk._phases import NAMES
from goodput_sdk._sender import RECONNECT_EVERY_NS, Sender
from tests.sdk.rig import Rig, S

ENDS_WITHIN_S = 10
LONGER_S = RECONNECT_EVERY_NS / S + 1


@contextmanager
def agent() -> Iterator[tuple[socket.socket, list[Address]]]:
    """Give an agent's UDP socket, and the addresses that lead to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(ENDS_WITHIN_S)
        yield sock, [Address(path="", host="127.0.0.1", port=sock.getsockname()[1])]


def ports(
    sock: socket.socket, sender: Sender, rig: Rig, pauses: list[float]
) -> list[int]:
    """Return the source port of one message after each pause."""
    found = []
    for seconds in pauses:
        rig.now.pass_s(seconds)
        sender.tick()
        found.append(sock.recvfrom(65_536)[1][1])
    return found


def test_a_udp_sender_changes_its_port_every_thirty_seconds() -> None:
    """
    A node that still sends an agent's datagrams to its predecessor forgets them.

    It keeps an entry per address and port for as long as something comes over it.
    """
    rig = Rig()
    with agent() as (sock, addresses):
        sender = Sender(
            rig.lives[0],
            addresses,
            2.0,
            facts={},
            names=NAMES,
            connect=_transport.connect,
        )
        found = ports(sock, sender, rig, [2, 2, 2, LONGER_S, 2, LONGER_S])
        sender.silence()

    first, second, third = found[0], found[3], found[5]
    assert found == [first, first, first, second, second, third]
    assert len({first, second, third}) == 3
