"""What an agent answers, asked as a server asks an application."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from goodput_exporter.exposition.agent_app import App, Doors, Verdict, agent_app
from goodput_exporter.exposition.credentials import AuditRecord, Denied, MayRead

TOKEN = "let-me-in"  # noqa: S105 - a test's own
PAGE = b"# TYPE goodput_ticks_total counter\ngoodput_ticks_total 1\n"


@dataclass
class Node:
    """An agent whose every answer is arranged, and what it was asked to do."""

    verdict: Verdict = field(default_factory=lambda: Verdict(is_well=True))
    releases: bool | Exception = True
    asked: list[str] = field(default_factory=list)
    audited: list[AuditRecord] = field(default_factory=list)
    tokens: frozenset[str] = frozenset({TOKEN})
    may_read: MayRead | None = None

    def release(self) -> bool:
        """Do as arranged."""
        self.asked.append("release")
        if isinstance(self.releases, Exception):
            raise self.releases
        return self.releases

    def app(self) -> App:
        """Return the application on it."""
        doors = Doors(
            metrics=lambda: PAGE,
            metrics_gzip=lambda: gzip.compress(PAGE),
            alive=lambda: self.verdict,
            ready=lambda: self.verdict,
            capabilities=lambda: {"node": "n1"},
            release=self.release,
            resume=lambda: self.asked.append("resume"),
        )
        return agent_app(
            doors,
            tokens=self.tokens,
            audit=self.audited.append,
            may_read=self.may_read,
        )

    def ask(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request; return status, headers and body."""
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        raw = [
            (name.replace("_", "-").encode(), value.encode())
            for name, value in headers.items()
        ]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": raw,
            "client": ("10.0.0.1", 1),
        }
        asyncio.run(self.app()(scope, receive, send))  # type: ignore[arg-type]  # a coroutine, as an App returns
        head, tail = sent
        names = {name.decode(): value.decode() for name, value in head["headers"]}
        return head["status"], names, tail["body"]


def test_the_page_is_served_packed_or_not() -> None:
    """A scraper that takes gzip gets it; the type is the text format's."""
    plain, packed = (
        Node().ask("/metrics"),
        Node().ask("/metrics", accept_encoding="gzip"),
    )

    assert (plain[0], plain[2]) == (200, PAGE)
    assert plain[1]["content-type"].startswith("text/plain; version=0.0.4")
    assert packed[1]["content-encoding"] == "gzip"
    assert gzip.decompress(packed[2]) == PAGE


async def only_prometheus(token: str, path: str) -> Denied | None:
    """Know one reader, who may read one page."""
    if token != "scraper":  # noqa: S105 - a test's own
        return Denied(401, "nobody known")
    return None if path == "/metrics" else Denied(403, f"not {path}")


@pytest.mark.parametrize(
    ("path", "said", "status"),
    [
        ("/metrics", "Bearer scraper", 200),
        ("/metrics", "bearer scraper", 200),
        ("/metrics", "Basic scraper", 401),
        ("/metrics", "Bearer else", 401),
        ("/metrics", "", 401),
        ("/debug/capabilities", "Bearer scraper", 403),
        ("/healthz", "", 200),
        ("/readyz", "", 200),
    ],
)
def test_readers_are_asked_for_a_token_and_the_kubelet_is_not(
    path: str, said: str, status: int
) -> None:
    """Names of pods and GPUs are for those who were let in; health is for anyone."""
    answer = Node(may_read=only_prometheus).ask(path, authorization=said)

    assert answer[0] == status
    assert (answer[1].get("www-authenticate") == "Bearer") == (status == 401)
    assert (PAGE in answer[2]) == (path == "/metrics" and status == 200)


def test_a_reader_s_token_changes_nothing() -> None:
    """Writes have tokens of their own, and readers need none of those."""
    node = Node(may_read=only_prometheus)

    refused = node.ask("/v1/release", "POST", authorization="Bearer scraper")
    done = node.ask("/v1/release", "POST", authorization=f"Bearer {TOKEN}")

    assert (refused[0], done[0]) == (401, 200)
    assert node.asked == ["release"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_says_why_not(path: str) -> None:
    """Who reads the probe's answer knows what to look at."""
    sick = Node(Verdict(is_well=False, detail="7 of 8 GPUs answer"))

    assert Node().ask(path)[0] == 200
    assert sick.ask(path)[::2] == (503, b"7 of 8 GPUs answer\n")


def test_a_head_has_no_body() -> None:
    """Load balancers ask with HEAD."""
    status, headers, body = Node().ask("/readyz", "HEAD")

    assert (status, headers["content-length"], body) == (200, "3", b"")


def test_capabilities_are_json() -> None:
    """What a support case begins with."""
    status, headers, body = Node().ask("/debug/capabilities")

    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == {"node": "n1"}


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 404),
        ("/metrics", "POST", 405),
        ("/v1/release", "GET", 405),
        ("/v1/observations", "POST", 404),
    ],
)
def test_what_is_not_here_is_said(path: str, method: str, status: int) -> None:
    """A wrong address gets the right ones, a wrong method too."""
    node = Node()

    assert node.ask(path, method)[0] == status
    assert node.asked == []


@pytest.mark.parametrize(
    ("tokens", "said", "status"),
    [
        ({TOKEN}, "", 401),
        ({TOKEN}, "Bearer guess", 401),
        ({TOKEN}, f"Basic {TOKEN}", 401),
        (set(), f"Bearer {TOKEN}", 403),
    ],
)
def test_strangers_let_go_of_nothing(tokens: set[str], said: str, status: int) -> None:
    """Whoever may not is refused and written down."""
    node = Node(tokens=frozenset(tokens))

    assert node.ask("/v1/release", "POST", authorization=said)[0] == status
    assert node.asked == []
    [record] = node.audited
    assert (record.who, record.client, record.status) == (
        "anonymous",
        "10.0.0.1",
        status,
    )


def test_a_release_is_done_and_written_down() -> None:
    """Who holds a token may have the driver, and is known by the token's digest."""
    node = Node()

    status, _, body = node.ask("/v1/release", "POST", authorization=f"Bearer {TOKEN}")
    back = node.ask("/v1/resume", "POST", authorization=f"Bearer {TOKEN}")

    assert (status, json.loads(body)) == (200, {"released": True})
    assert back[0] == 200
    assert node.asked == ["release", "resume"]
    assert [record.path for record in node.audited] == ["/v1/release", "/v1/resume"]
    assert TOKEN not in str(node.audited)


def test_a_stuck_child_is_no_release() -> None:
    """Nobody resets a GPU on our word while a child of ours holds it."""
    status, _, body = Node(releases=False).ask(
        "/v1/release", "POST", authorization=f"Bearer {TOKEN}"
    )

    assert status == 504
    assert json.loads(body)["released"] is False


def test_an_attempt_that_fails_is_written_down() -> None:
    """The audit has what was tried, whatever came of it."""
    node = Node(releases=RuntimeError("a bug"))

    with pytest.raises(RuntimeError):
        node.ask("/v1/release", "POST", authorization=f"Bearer {TOKEN}")

    assert [record.status for record in node.audited] == [500]
