"""Datagrams to the agent on this node: sent without waiting, or not at all."""

from __future__ import annotations

import os
import socket

from goodput_sdk._guard import debug

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    from typing import Any, Union

    from goodput_sdk._addresses import Address

    Target = Union[str, "tuple[Any, ...]"]

UNIX_LIMIT = 8192
UDP_LIMIT = 1400


class Channel:
    """
    One open socket and where it sends to.

    It is not connected: a path is looked up at every send, so that an agent
    that comes back under the same name is found again.

    Args:
        sock: A datagram socket that does not block.
        target: What ``sendto`` takes.
        limit: The longest datagram, in bytes.
    """

    __slots__ = ("_sock", "_target", "limit")

    def __init__(self, sock: socket.socket, target: Target, limit: int) -> None:
        self._sock = sock
        self._target = target
        self.limit = limit

    def send(self, datagram: bytes) -> bool:
        """Send, or drop where the kernel would have us wait; tell which."""
        try:
            self._sock.sendto(datagram, self._target)
        except OSError as error:
            # Absent, frozen and full agents are normal life: the next message
            # carries the same state.
            debug("goodput-sdk: datagram dropped: %s", error)
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


def connect(addresses: list[Address]) -> Channel | None:
    """
    Return a channel to the first address that can be used now.

    Only the sender's thread calls this: a name lookup may take long. A socket
    that does not exist yet is the last resort, never a reason to give up.
    """
    for address in addresses:
        if address.path and os.path.exists(address.path):  # noqa: PTH110  # pathlib costs 10 ms
            return _unix(address)
        if address.host:
            channel = _udp(address)
            if channel is not None:
                return channel
    waiting = next((address for address in addresses if address.path), None)
    return None if waiting is None else _unix(waiting)


def _unix(address: Address) -> Channel:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setblocking(False)  # noqa: FBT003  # positional only
    return Channel(sock, address.path, UNIX_LIMIT)


def _udp(address: Address) -> Channel | None:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        debug("goodput-sdk: %s has no address now: %s", address.host, error)
        return None
    family, kind, protocol, _, target = found[0]
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)  # noqa: FBT003  # positional only
    return Channel(sock, target, UDP_LIMIT)
