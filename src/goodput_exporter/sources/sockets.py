"""The two sockets that heartbeats arrive on, opened with care for who was there."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path
from typing import Final

from goodput_exporter.errors import SourceUnavailableError

# Jobs run as other users and must reach the socket; who they are is the
# kernel's word, so opening it to all gives nobody another one's identity.
SOCKET_MODE: Final = 0o666
DIRECTORY_MODE: Final = 0o755
# The kernel keeps about 166 datagrams by default; this is some 4,000.
UDP_BUFFER_BYTES: Final = 4 * 2**20


class UnixSocket:
    """
    A bound Unix datagram socket that removes its file when closed.

    Args:
        path: Where; a socket file that nobody answers on is replaced.
        mode: Of the socket file.
        directory_mode: Of its directory, if that must be made.

    Raises:
        SourceUnavailableError: The path is taken, or cannot be bound.
    """

    def __init__(
        self, path: Path, mode: int = SOCKET_MODE, directory_mode: int = DIRECTORY_MODE
    ) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._bind(mode, directory_mode)
        except OSError as exc:
            self.socket.close()
            msg = (
                f"heartbeat socket {path} cannot be bound ({exc}); check that its "
                "directory can be written, or set another path of at most 107 bytes"
            )
            raise SourceUnavailableError(msg) from exc
        except SourceUnavailableError:
            self.socket.close()
            raise

    def _bind(self, mode: int, directory_mode: int) -> None:
        self.path.parent.mkdir(mode=directory_mode, parents=True, exist_ok=True)
        clear_stale(self.path)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(os.fspath(self.path))
        self.path.chmod(mode)
        self.socket.settimeout(0)
        self._inode = self.path.stat().st_ino

    def close(self) -> None:
        """Close it, and remove its file unless another program replaced it."""
        self.socket.close()
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()


def clear_stale(path: Path) -> None:
    """
    Remove a socket file that a dead exporter left behind.

    Raises:
        SourceUnavailableError: Something else is there, or somebody answers.
    """
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        msg = (
            f"heartbeat socket {path}: a file that is no socket is in the way; "
            "move it, or set another path for the heartbeat socket"
        )
        raise SourceUnavailableError(msg)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0)
        code = probe.connect_ex(os.fspath(path))
    # EPROTOTYPE: a stream socket is listening there.
    if code in {0, errno.EPROTOTYPE, errno.EAGAIN}:
        msg = (
            f"heartbeat socket {path}: another program answers there; stop the "
            "other exporter, or set another path for the heartbeat socket"
        )
        raise SourceUnavailableError(msg)
    if code == errno.ECONNREFUSED:
        path.unlink(missing_ok=True)


def open_udp(host: str, port: int) -> socket.socket:
    """
    Bind a UDP socket; port 0 lets the kernel choose.

    Raises:
        SourceUnavailableError: The address is taken or is not ours.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, proto)
    except OSError as exc:
        raise _udp_error(host, port, exc) from exc
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_BYTES)
        sock.bind(address)
    except OSError as exc:
        sock.close()
        raise _udp_error(host, port, exc) from exc
    sock.settimeout(0)
    return sock


def _udp_error(host: str, port: int, exc: OSError) -> SourceUnavailableError:
    msg = (
        f"heartbeats: udp {host}:{port} cannot be bound ({exc}); if another program "
        "holds the port, stop it or set another heartbeats.udp_port; else check that "
        "heartbeats.udp_host is an address of this machine"
    )
    return SourceUnavailableError(msg)
