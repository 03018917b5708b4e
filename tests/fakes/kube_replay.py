"""
A process that plays the API server of a large cluster, out of captured bytes.

Without a rate, the first watch of pods gets its events as fast as it reads them. With
one, watches of pods and nodes are silent until somebody asks for ``/go``; then they
get so many events a second together, for as long as ``events`` last. Some of those
are marks, whose effects somebody looks for: ``/marks`` says when each was sent, by
the machine's monotonic clock: nodes by name, jobs by uid.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from threading import Event, Thread
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tests.fakes.kube_captured import (
    CREW,
    HEAD,
    Captured,
    date,
    job_uid,
    node_name,
)

GPU_SHARE: Final = 5
"""One pod in so many asks for GPUs, as in a cluster of 100,000 with 20,000."""
KINDS: Final = {"pods": "Pod", "nodes": "Node", "jobs": "Job", "events": "Event"}
EVENTS: Final = 2_000
"""In the list of events, about which there is nothing else to say."""
NODES_SHARE: Final = 4
"""One event in so many is a node's."""
MARK_EVERY: Final = {"pods": 100, "nodes": 50}
"""Events between two marks; that of pods is four events, of a whole job."""
TURN_S: Final = 0.02
BOOKMARK_S: Final = 30.0


class Replay:
    """
    What the process serves.

    Args:
        sizes: How many objects of each kind there are, by plural.
        events: How many there will be.
        rate: Events a second; 0 is as fast as they are read.
    """

    def __init__(self, sizes: dict[str, int], events: int, rate: int = 0) -> None:
        self._sizes, self._events, self._rate = {"events": EVENTS} | sizes, events, rate
        self._captured = Captured(time.time())
        self._pending_from = sizes["jobs"] * 9 // 10
        self._going = Event()
        self.marks: dict[str, float] = {}
        self._at = {"pods": 0, "nodes": 0}

    def page(self, plural: str, start: int, limit: int) -> bytes:
        """Return a page of a list."""
        stop = min(start + limit, self._sizes[plural])
        rows = b",".join(self._listed(plural, number) for number in range(start, stop))
        token = f'"continue":"{stop}",' if stop < self._sizes[plural] else ""
        head = f'{{"kind":"{KINDS[plural]}List","apiVersion":"v1","metadata":{{{token}'
        return head.encode() + b'"resourceVersion":"1"},"items":[' + rows + b"]}"

    def _listed(self, plural: str, number: int) -> bytes:
        if plural == "nodes":
            return self._captured.node(number, 1)
        if plural == "jobs":
            return self._captured.job(number, 1, self._gpus(number))
        if plural == "events":
            return self._captured.event(number, 1)
        if number % GPU_SHARE:
            return self._captured.server("runs", number, 1)
        of_gpus = number // GPU_SHARE
        is_pending = of_gpus // CREW >= self._pending_from
        return self._trainer("begins" if is_pending else "runs", of_gpus, 1)

    def _gpus(self, job: int) -> int:
        """Return the GPUs of each of a job's pods; those yet to start are larger."""
        return 8 if job >= self._pending_from else 2

    def _trainer(self, how: str, number: int, version: int, at: str = "") -> bytes:
        node = node_name(number % self._sizes["nodes"])
        gpus = self._gpus(number // CREW)
        return self._captured.trainer(how, number, version, node=node, gpus=gpus, at=at)

    def lines(self) -> Iterator[bytes]:
        """Yield the changes of the first watch of pods, where there is no rate."""
        for index in range(self._events):
            how = ("unready", "runs")[index // 1000 % 2]
            yield modified(b"Pod", self._trainer(how, index % 1000, index + 2))

    def due(self, plural: str, index: int) -> tuple[bytes, str]:
        """Return the lines of a kind's index-th change, and its mark, if any."""
        at, version, turn = date(time.time()), index + 2, index // MARK_EVERY[plural]
        is_mark = index % MARK_EVERY[plural] == 0
        if plural == "nodes":
            # The marked nodes lose a GPU for good; the others only say that they live.
            number = turn if is_mark else -1 - index % (self._sizes["nodes"] // 2)
            number %= self._sizes["nodes"]
            row = self._captured.node(number, version, 7 if is_mark else 8, at)
            return modified(b"Node", row), node_name(number) if is_mark else ""
        job = self._pending_from + turn
        if is_mark and job < self._sizes["jobs"]:
            crew = range(job * CREW, (job + 1) * CREW)
            rows = (
                modified(b"Pod", self._trainer("runs", one, version, at))
                for one in crew
            )
            return b"".join(rows), job_uid(job)
        if index % GPU_SHARE:
            number = index % self._sizes["pods"]
            how = ("unready", "runs")[index // self._sizes["pods"] % 2]
            return modified(b"Pod", self._captured.server(how, number, version, at)), ""
        running = self._pending_from * CREW
        how = ("unready", "runs")[index // GPU_SHARE // running % 2]
        number = index // GPU_SHARE % running
        return modified(b"Pod", self._trainer(how, number, version, at)), ""

    def serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection, until the other side has enough."""
        with suppress(ConnectionError), connection, connection.makefile("rb") as asked:
            while line := asked.readline():
                while asked.readline().strip():
                    pass
                target = urlsplit(line.split()[1].decode())
                query = {name: rows[0] for name, rows in parse_qs(target.query).items()}
                plural = target.path.rpartition("/")[2]
                if "watch" in query and plural in self._sizes:
                    self._watch(connection, plural)
                    return
                answer(connection, *self._answer(plural, query))

    def _answer(self, plural: str, query: dict[str, str]) -> tuple[int, bytes]:
        if plural in self._sizes and "limit" in query:
            start, limit = int(query.get("continue", 0)), int(query["limit"])
            return 200, self.page(plural, start, limit)
        if plural == "go":
            self._going.set()
            return 200, b"{}"
        if plural == "marks":
            return 200, json.dumps(dict(self.marks)).encode()
        return 404, b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":404}'

    def _watch(self, connection: socket.socket, plural: str) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        if plural in self._at and self._rate:
            self._paced(connection, plural)
        elif plural == "pods":
            in_bulk(connection, self.lines())
        while True:
            time.sleep(BOOKMARK_S)
            connection.sendall(chunk(bookmark(KINDS[plural], self._events + 2)))

    def _paced(self, connection: socket.socket, plural: str) -> None:
        while not self._going.wait(BOOKMARK_S):
            connection.sendall(chunk(bookmark(KINDS[plural], 1)))
        nodes = self._rate // NODES_SHARE
        rate = nodes if plural == "nodes" else self._rate - nodes
        whole = self._events * rate // self._rate
        began, sent = time.monotonic(), self._at[plural]
        while self._at[plural] < whole:
            due = sent + int((time.monotonic() - began) * rate)
            while self._at[plural] < min(due, whole):
                line, mark = self.due(plural, self._at[plural])
                # A chunk per event, as the real server does it.
                for each in line.splitlines(keepends=True):
                    connection.sendall(chunk(each))
                if mark:
                    self.marks[mark] = time.monotonic()
                self._at[plural] += 1
            time.sleep(TURN_S)


def modified(kind: bytes, row: bytes) -> bytes:
    """Return the line of a watch about a changed object."""
    return b'{"type":"MODIFIED","object":' + HEAD % kind + row[1:] + b"}\n"


def bookmark(kind: str, version: int) -> bytes:
    """Return the line that says how far a watch has come."""
    meta = {"metadata": {"resourceVersion": str(version)}}
    found = {"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": "v1"} | meta}
    return json.dumps(found).encode() + b"\n"


def chunk(line: bytes) -> bytes:
    """Return a line as a chunk of HTTP."""
    return b"%x\r\n%s\r\n" % (len(line), line)


def in_bulk(connection: socket.socket, lines: Iterable[bytes]) -> None:
    """Send chunks in pieces as large as a socket takes."""
    pending = b""
    for line in lines:
        pending += chunk(line)
        if len(pending) > 2**17:
            connection.sendall(pending)
            pending = b""
    connection.sendall(pending)


def answer(connection: socket.socket, status: int, body: bytes) -> None:
    """Answer a request that is no watch."""
    connection.sendall(
        b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (status, len(body), body)
    )


def main() -> None:
    """Serve until killed; print the port."""
    pods, nodes, jobs, events, *rate = map(int, sys.argv[1:])
    sizes = {"pods": pods, "nodes": nodes, "jobs": jobs}
    replay = Replay(sizes, events, *rate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)  # noqa: T201 - who started us reads it
        while True:
            connection, _ = listening.accept()
            Thread(target=replay.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
