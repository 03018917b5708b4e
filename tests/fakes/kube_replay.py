"""A process that replays synthesised bytes of a large cluster, as fast as it can."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.fakes.kube_objects import Json, job, node, pod

NAME: Final = "object-name-0000000"
UID: Final = "00000000-0000-4000-8000-000000000000"
VERSION: Final = b'"resourceVersion":"%s"'
POD_BYTES: Final = 8_000
GPU_SHARE: Final = 5
"""One pod in so many asks for GPUs, as in a cluster of 100,000 with 20,000."""
KINDS: Final = {"pods": "Pod", "nodes": "Node", "jobs": "Job"}


def padded(raw: Json) -> Json:
    """Return an object with what real ones carry and nobody reads: 8 KB of it."""
    names = [f"VARIABLE_{index}" for index in range(12)]
    keys = ['k:{"name":"%s"}' % name for name in names]  # noqa: UP031 - braces of its own
    fields: Json = {key: {".": {}, "f:name": {}, "f:value": {}} for key in keys}
    spec: dict[str, Any] = raw["spec"] | {
        "tolerations": [
            {"key": f"node.kubernetes.io/key-{index}", "operator": "Exists",
             "effect": "NoExecute", "tolerationSeconds": 300}
            for index in range(6)
        ],
        "volumes": [
            {"name": f"volume-{index}", "projected": {"defaultMode": 420, "sources": [
                {"configMap": {"name": "kube-root-ca.crt", "items": [
                    {"key": "ca.crt", "path": "ca.crt"}]}}]}}
            for index in range(4)
        ],
    }  # fmt: skip
    for container in spec.get("containers", ()):
        container["env"] = [{"name": name, "value": "x" * 40} for name in names]
    entries: list[Json] = []
    whole = raw | {
        "spec": spec,
        "metadata": raw["metadata"] | {"managedFields": entries},
    }
    entry = {"manager": "kubelet", "operation": "Update", "apiVersion": "v1",
             "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields}}  # fmt: skip
    while len(json.dumps(whole)) < POD_BYTES:
        entries.append(entry)
    return whole


def template(kind: str, *, gpus: bool = True) -> bytes:
    """Return an object's JSON with a name, a uid and a version to be replaced."""
    made = {"Pod": pod(NAME, UID, gpus=8 if gpus else None), "Node": node(NAME),
            "Job": job(NAME)}[kind]  # fmt: skip
    made["metadata"] |= {"uid": UID, "resourceVersion": UID}
    return json.dumps(padded(made), separators=(",", ":")).encode()


def one(text: bytes, number: int, version: int) -> bytes:
    """Return one object of its own."""
    return (
        text.replace(NAME.encode(), f"object-name-{number:07}".encode())
        .replace(VERSION % UID.encode(), VERSION % str(version).encode())
        .replace(UID.encode(), f"{number:08}-0000-4000-8000-000000000000".encode())
    )  # fmt: skip


class Replay:
    """
    What the process serves.

    Args:
        sizes: How many objects of each kind there are, by plural.
        events: How many pods change in the first watch of pods.
    """

    def __init__(self, sizes: dict[str, int], events: int) -> None:
        self._sizes, self._events = sizes, events
        self._texts = {plural: template(kind) for plural, kind in KINDS.items()}
        self._without_gpus = template("Pod", gpus=False)

    def page(self, plural: str, start: int, limit: int) -> bytes:
        """Return a page of a list."""
        stop = min(start + limit, self._sizes[plural])
        rows = b",".join(
            one(self._text(plural, number), number, 1) for number in range(start, stop)
        )
        token = f'"continue":"{stop}",' if stop < self._sizes[plural] else ""
        head = f'{{"kind":"{KINDS[plural]}List","apiVersion":"v1","metadata":{{{token}'
        return head.encode() + b'"resourceVersion":"1"},"items":[' + rows + b"]}"

    def _text(self, plural: str, number: int) -> bytes:
        is_other = plural == "pods" and number % GPU_SHARE
        return self._without_gpus if is_other else self._texts[plural]

    def lines(self) -> Iterator[bytes]:
        """Yield the changes of the first watch of pods."""
        for index in range(self._events):
            row = one(self._texts["pods"], index % 1000 * GPU_SHARE, index + 2)
            head = b'{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1",'
            yield head + row[1:] + b"}\n"

    def serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection, until the other side has enough."""
        with suppress(ConnectionError), connection, connection.makefile("rb") as asked:
            while line := asked.readline():
                while asked.readline().strip():
                    pass
                target = urlsplit(line.split()[1].decode())
                query = {name: rows[0] for name, rows in parse_qs(target.query).items()}
                plural = target.path.rpartition("/")[2]
                if "watch" in query:
                    self._watch(connection, plural)
                    return
                body = self.page(
                    plural, int(query.get("continue", 0)), int(query["limit"])
                )
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
                )

    def _watch(self, connection: socket.socket, plural: str) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        pending = b""
        for line in self.lines() if plural == "pods" else ():
            pending += b"%x\r\n%s\r\n" % (len(line), line)
            if len(pending) > 2**17:
                connection.sendall(pending)
                pending = b""
        connection.sendall(pending)
        connection.recv(1)  # a watch that stays open, until the other side goes


def main() -> None:
    """Serve until killed; print the port."""
    pods, nodes, jobs, events = map(int, sys.argv[1:5])
    replay = Replay({"pods": pods, "nodes": nodes, "jobs": jobs}, events)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)  # noqa: T201 - who started us reads it
        while True:
            connection, _ = listening.accept()
            Thread(target=replay.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
