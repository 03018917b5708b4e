"""Where the agent may be, as ``GOODPUT_ADDR`` says it; nothing is opened here."""

from __future__ import annotations

import os

LONGEST_UNIX_PATH = 107
HIGHEST_PORT = 65_535


class Address:
    """
    Where an agent may be: a Unix socket's path, or a host and a port.

    Args:
        path: Of the socket; empty for UDP.
        host: A name or an IP address; empty for Unix.
        port: From 1 to 65535; 0 for Unix.
    """

    __slots__ = ("host", "path", "port")

    def __init__(self, path: str = "", host: str = "", port: int = 0) -> None:
        self.path = path
        self.host = host
        self.port = port


def parse_addresses(text: str) -> list[Address]:
    """
    Return the addresses in *text*, separated by commas, in order of preference.

    Raises:
        ValueError: One of them is no ``unix://`` or ``udp://`` address.
    """
    return [_parse(part.strip()) for part in text.split(",") if part.strip()]


def _parse(text: str) -> Address:
    scheme, _, rest = text.partition("://")
    if scheme == "unix":
        return _parse_unix(text, rest)
    if scheme == "udp":
        return _parse_udp(text, rest)
    msg = (
        f"GOODPUT_ADDR: {text!r} has no known scheme; "
        "use unix:///run/goodput/agent.sock or udp://HOST:9099"
    )
    raise ValueError(msg)


def _parse_unix(text: str, path: str) -> Address:
    if not path.startswith("/") or len(os.fsencode(path)) > LONGEST_UNIX_PATH:
        msg = (
            f"GOODPUT_ADDR: {text!r} is no absolute path of at most "
            f"{LONGEST_UNIX_PATH} bytes; use unix:///run/goodput/agent.sock"
        )
        raise ValueError(msg)
    return Address(path=path)


def _parse_udp(text: str, rest: str) -> Address:
    host, _, port = rest.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    good_port = port.isascii() and port.isdigit() and 0 < int(port) <= HIGHEST_PORT
    if not host or not good_port or "$(" in host:
        msg = (
            f"GOODPUT_ADDR: {text!r} is no udp://HOST:PORT; if HOST is still a "
            "$(VARIABLE), define that variable above GOODPUT_ADDR in the pod"
        )
        raise ValueError(msg)
    return Address(host=host, port=int(port))
