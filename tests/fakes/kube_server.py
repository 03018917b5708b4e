"""A Kubernetes API server on loopback: honest, until a story tells it not to be."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from threading import Condition, Event, Thread
from typing import Final, TypeAlias, cast
from urllib.parse import parse_qs, urlsplit

from tests.fakes.kube_clerk import Clerk, Json, status

BOOKMARK_S: Final = 0.05
"""The real server's minute, in the story's time."""
PATIENCE_S: Final = 20.0


@dataclass(frozen=True)
class Request:
    """What was asked: ``list``, ``watch`` or ``discover``, of which path."""

    verb: str
    path: str
    query: dict[str, str]
    token: str | None


@dataclass
class Collection:
    """The objects of one kind, and everything that happened to them."""

    kind: str
    objects: dict[str, Json] = field(default_factory=dict)
    log: list[tuple[int, str, Json]] = field(default_factory=list)
    forgotten: int = 0


Act: TypeAlias = "Callable[[Exchange], None]"


def refuse(code: int, reason: str = "", *, retry_after: str | None = None) -> Act:
    """Answer with an HTTP error and a Status."""

    def act(exchange: Exchange) -> None:
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        exchange.answer(code, json.dumps(status(code, reason)).encode(), headers)

    return act


def body(text: bytes) -> Act:
    """Answer 200 with a body."""
    return lambda exchange: exchange.answer(200, text)


def error(said: object) -> bytes:
    """Return the line of a watch that says an error."""
    return json.dumps({"type": "ERROR", "object": said}).encode() + b"\n"


def stream(*pieces: bytes, cut: bool = False) -> Act:
    """
    Answer a watch with exactly these bytes, a chunk each, then end it.

    Args:
        pieces: What to send.
        cut: End the connection without the last chunk, as a server that died.
    """

    def act(exchange: Exchange) -> None:
        exchange.begin()
        for piece in pieces:
            exchange.chunk(piece)
        if not cut:
            exchange.end()

    return act


def first(*pieces: bytes) -> Act:
    """Send these bytes at the head of an honest watch."""

    def act(exchange: Exchange) -> None:
        exchange.begin()
        for piece in pieces:
            exchange.chunk(piece)
        exchange.follow()

    return act


def nothing(exchange: Exchange) -> None:
    """Take the request, and never say anything: a black hole."""
    exchange.server.closing.wait(PATIENCE_S)


class KubeServer:
    """
    Objects, a log of what happened to them, and acts that a story puts in the way.

    Args:
        page: Objects per page at most, whatever is asked for.
    """

    def __init__(self, page: int = 500) -> None:
        self.turn = Condition()
        self.collections: dict[str, Collection] = {}
        self.requests: list[Request] = []
        self.closing = Event()
        self.bearer: str | None = None
        self.forbidden: set[str] = set()
        self.is_dark = False
        self.clerk = Clerk()
        self._page = page
        self._version = 100
        self._acts: dict[str, deque[Act]] = {}
        self._epoch = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.story = self
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def serving(self) -> Iterator[KubeServer]:
        """Serve for the length of the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self.end_watches()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def install(self, path: str, kind: str) -> None:
        """Serve a kind at a path, such as ``/api/v1/pods``."""
        with self.turn:
            self.collections[path] = Collection(kind)

    def put(self, path: str, made: Json) -> None:
        """Create an object, or change the one of its uid."""
        with self.turn:
            known = self.collections[path]
            self._version += 1
            metadata = made["metadata"] | {"resourceVersion": str(self._version)}
            saved = made | {"metadata": metadata}
            verb = "MODIFIED" if metadata["uid"] in known.objects else "ADDED"
            known.objects[metadata["uid"]] = saved
            known.log.append((self._version, verb, saved))
            self.turn.notify_all()

    def delete(self, path: str, uid: str) -> None:
        """Delete an object."""
        with self.turn:
            known = self.collections[path]
            self._version += 1
            gone = known.objects.pop(uid)
            metadata = gone["metadata"] | {"resourceVersion": str(self._version)}
            known.log.append((self._version, "DELETED", gone | {"metadata": metadata}))
            self.turn.notify_all()

    def forget(self, path: str) -> None:
        """Compact: whoever asks for what has happened so far gets 410."""
        with self.turn:
            self.collections[path].forgotten = self._version
            self.collections[path].log.clear()

    def end_watches(self) -> None:
        """End every watch, as a server does that is restarted in peace."""
        with self.turn:
            self._epoch += 1
            self.turn.notify_all()

    def darken(self, *, is_dark: bool) -> None:
        """Let every connection fall silent, or speak again."""
        with self.turn:
            self.is_dark = is_dark
            self.turn.notify_all()

    def next(self, verb: str, *acts: Act) -> None:
        """Answer the next requests of this verb in these ways, one each."""
        with self.turn:
            self._acts.setdefault(verb, deque()).extend(acts)

    def has_played(self, verb: str) -> bool:
        """Return whether no act waits for a request of this verb any more."""
        return not self._acts.get(verb)

    def pardon(self) -> None:
        """Be honest from now on: forget the acts that still wait."""
        with self.turn:
            self._acts.clear()

    def versions(self, path: str) -> dict[str, str]:
        """Return what a fresh list has: the version of each object, by uid."""
        with self.turn:
            if path not in self.collections:
                return {}
            objects = self.collections[path].objects
            return {
                uid: each["metadata"]["resourceVersion"]
                for uid, each in objects.items()
            }

    def asked(self, verb: str) -> list[Request]:
        """Return the requests of one verb so far."""
        return [request for request in list(self.requests) if request.verb == verb]

    def act_for(self, verb: str) -> Act | None:
        """Take the act that waits for a request of this verb."""
        with self.turn:
            acts = self._acts.get(verb)
            return acts.popleft() if acts else None

    def page_of(self, path: str, query: dict[str, str]) -> Json:
        """Return one page of an honest list."""
        with self.turn:
            known = self.collections[path]
            start, version = 0, self._version
            if "continue" in query:
                start, version = map(int, query["continue"].split(":"))
            rows = sorted(
                known.objects.values(), key=lambda row: row["metadata"]["uid"]
            )
            stop = start + min(self._page, int(query.get("limit", self._page)))
            metadata: Json = {"resourceVersion": str(version)}
            if stop < len(rows):
                metadata["continue"] = f"{stop}:{version}"
            # as the real one: items of a list carry no kind
            return {
                "kind": f"{known.kind}List",
                "apiVersion": "v1",
                "metadata": metadata,
                "items": rows[start:stop],
            }

    def happened(self, path: str, after: int) -> Iterator[bytes]:
        """Yield what a watch says, until the watches are ended."""
        epoch = self._epoch
        while True:
            with self.turn:
                if self.is_dark:
                    self.turn.wait_for(lambda: not self.is_dark or self._is_over(epoch))
                if self._is_over(epoch):
                    return
                known = self.collections[path]
                if after < known.forgotten:
                    yield error(status(410, "Expired", "too old resource version"))
                    return
                news = [entry for entry in known.log if entry[0] > after]
                if not news:
                    self.turn.wait(BOOKMARK_S)
                    if self._is_over(epoch):
                        return
                    news = [entry for entry in known.log if entry[0] > after]
                kind, now = known.kind, self._version
            for version, verb, row in news:
                yield _line(verb, {"kind": kind, "apiVersion": "v1"} | row)
                after = version
            if not news and not self.is_dark:
                mark = {"metadata": {"resourceVersion": str(now)}, "spec": {}}
                yield _line("BOOKMARK", {"kind": kind, "apiVersion": "v1"} | mark)

    def _is_over(self, epoch: int) -> bool:
        return self._epoch != epoch or self.closing.is_set()


def _line(verb: str, row: Json) -> bytes:
    return json.dumps({"type": verb, "object": row}).encode() + b"\n"


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    story: KubeServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients of these stories hang up in the middle."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Write no line per request."""

    def do_GET(self) -> None:
        """Answer as the story says, or honestly."""
        Exchange(self, cast("_Server", self.server).story).run()

    def do_POST(self) -> None:
        """Answer likewise."""
        self.do_GET()

    def do_PUT(self) -> None:
        """Answer likewise."""
        self.do_GET()

    def do_PATCH(self) -> None:
        """Answer likewise."""
        self.do_GET()


class Exchange:
    """One request and its answer."""

    def __init__(self, handler: BaseHTTPRequestHandler, server: KubeServer) -> None:
        self._handler = handler
        self.server = server
        asked = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        verb = "watch" if "watch" in query else "list"
        parts = asked.path.strip("/").split("/")
        if len(parts) == {"api": 2, "apis": 3}.get(parts[0]):
            verb = "discover"
        if handler.command != "GET":
            verb = handler.command.lower()
        length = int(handler.headers.get("content-length", "0"))
        self.body: Json = json.loads(handler.rfile.read(length)) if length else {}
        self.request = Request(
            verb, asked.path, query, handler.headers.get("authorization")
        )

    def run(self) -> None:
        """Answer."""
        self.server.requests.append(self.request)
        if self.server.is_dark:
            with self.server.turn:
                self.server.turn.wait_for(
                    lambda: not self.server.is_dark or self.server.closing.is_set()
                )
        act = self.server.act_for(self.request.verb) or self._act_by_right()
        with suppress(OSError):
            act(self)

    def _act_by_right(self) -> Act:
        server, request = self.server, self.request
        if server.bearer is not None and request.token != f"Bearer {server.bearer}":
            return refuse(401, "Unauthorized")
        if request.verb == "discover":
            return Exchange.discover
        if request.path in server.forbidden:
            return refuse(403, "Forbidden")
        if request.path not in server.collections:
            return Exchange.ask_clerk
        if request.verb == "list":
            return lambda exchange: exchange.answer(
                200, json.dumps(server.page_of(request.path, request.query)).encode()
            )
        return first()

    def ask_clerk(self) -> None:
        """Answer what is about one object, or is no such thing."""
        request = self.request
        written = self.server.clerk.answer(request.verb, request.path, self.body)
        if written is None:
            self.answer(404, b"404 page not found\n")
        else:
            self.answer(written[0], json.dumps(written[1]).encode())

    def discover(self) -> None:
        """Say what a version of a group has."""
        prefix = f"{self.request.path}/"
        names = [
            path.removeprefix(prefix)
            for path in self.server.collections
            if path.startswith(prefix)
        ]
        if not names:
            self.answer(404, b"404 page not found\n")
            return
        rows = [{"name": name} for name in names]
        listed = {"kind": "APIResourceList", "resources": rows}
        self.answer(200, json.dumps(listed).encode())

    def answer(
        self, code: int, text: bytes, headers: dict[str, str] | None = None
    ) -> None:
        """Send a whole answer."""
        self._handler.send_response(code)
        for name, value in (headers or {}).items():
            self._handler.send_header(name, value)
        self._handler.send_header("Content-Length", str(len(text)))
        self._handler.end_headers()
        self._handler.wfile.write(text)

    def begin(self) -> None:
        """Send the head of a stream."""
        self._handler.send_response(200)
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()
        self._handler.close_connection = True

    def chunk(self, piece: bytes) -> None:
        """Send a piece of it."""
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def end(self) -> None:
        """Send its end."""
        self._handler.wfile.write(b"0\r\n\r\n")

    def follow(self) -> None:
        """Go on with an honest watch until the server ends it."""
        after = int(self.request.query["resourceVersion"])
        for line in self.server.happened(self.request.path, after):
            self.chunk(line)
        self.end()
