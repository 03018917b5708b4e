"""What stands before every request: tokens, audit, host, size, headers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.config.settings import Http
from goodput_exporter.exposition.auth import (
    LOOPBACK_HOSTS,
    host_name,
)
from goodput_exporter.exposition.credentials import AuditRecord, identify
from tests.fakes.apps import TOKEN, app_with
from tests.fakes.asking import ask, get

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def writable(audited: list[AuditRecord], **options: object) -> FastAPI:
    """Return the application with one route that changes something."""
    tokens = options.get("tokens", frozenset({TOKEN}))
    assert isinstance(tokens, frozenset)
    app = app_with(audited=audited, tokens=tokens)

    @app.post("/change")
    async def change(request: Request) -> int:
        return len(await request.body())

    return app


def test_a_known_token_may_write_and_is_audited() -> None:
    """The audit names the token by its fingerprint, the request and its result."""
    audited: list[AuditRecord] = []
    answer = ask(writable(audited), "POST", "/change", headers=BEARER, content=b"abc")

    assert (answer.status_code, answer.text) == (200, "3")
    [record] = audited
    assert (record.method, record.path, record.status) == ("POST", "/change", 200)
    assert record.client == "127.0.0.1"
    assert record.who.startswith("token:")
    assert TOKEN not in record.who


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MADE-UP"])
@pytest.mark.parametrize("path", ["/change", "/", "/metrics", "/nowhere", "/static/x"])
def test_nobody_else_writes_anywhere(method: str, path: str) -> None:
    """Without a token every method that is not a read is refused, and audited."""
    audited: list[AuditRecord] = []
    answer = ask(writable(audited), method, path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert audited == [AuditRecord("anonymous", "127.0.0.1", method, path, 401)]


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic abc", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN],
)
def test_a_header_that_is_not_exactly_a_known_token_is_refused(header: str) -> None:
    """Neither a prefix, nor another scheme, nor an empty token lets anyone in."""
    answer = ask(writable([]), "POST", "/change", headers={"Authorization": header})

    assert answer.status_code == 401


def test_without_configured_tokens_writes_are_off() -> None:
    """An exporter without tokens refuses even what looks like one, with 403."""
    app = writable([], tokens=frozenset())
    answer = ask(app, "POST", "/change", headers=BEARER)

    assert answer.status_code == 403
    assert "no token is configured" in answer.json()["detail"]


def test_an_empty_token_is_never_accepted() -> None:
    """A setting with an empty line in it opens nothing."""
    assert identify("Bearer ", frozenset({""})) is None


@given(st.text(max_size=80))
def test_no_header_breaks_the_comparison(header: str) -> None:
    """Whatever comes in, it is compared and refused, never an error."""
    encodable = header.encode(errors="replace").decode()

    assert identify(encodable, frozenset({TOKEN})) is None


def test_a_failing_handler_is_audited_too() -> None:
    """What broke half-way may have changed something, so it is on record as 500."""
    audited: list[AuditRecord] = []
    app = app_with(audited=audited)

    @app.post("/break")
    async def broken() -> None:
        msg = "half-way"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="half-way"):
        ask(app, "POST", "/break", headers=BEARER)

    assert [record.status for record in audited] == [500]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9466", 200),
        ("localhost", 200),
        ("LOCALHOST.:9466", 200),
        ("[::1]:9466", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
    ],
)
def test_a_rebound_name_is_refused(host: str, status: int) -> None:
    """A loopback bind answers to loopback names only."""
    app = app_with(allowed_hosts=LOOPBACK_HOSTS)

    assert get(app, "/healthz", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("host", ["[::1]", "[::1]:9909", "gpu-7.example:9909"])
def test_a_host_is_allowed_however_the_settings_write_it(host: str) -> None:
    """The default settings write IPv6 with brackets, as the header does."""
    written = frozenset({*Http().allowed_hosts, "GPU-7.Example."})

    answer = get(app_with(allowed_hosts=written), "/healthz", headers={"Host": host})

    assert answer.status_code == 200


def test_a_host_is_read_without_port_and_brackets() -> None:
    """The port does not matter, nor does the case."""
    assert host_name("[FE80::1]:80") == "fe80::1"
    assert host_name("Node-A:9466") == "node-a"


@pytest.mark.parametrize("size", [65_536, 65_537])
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_is_bounded(size: int, announced: bool) -> None:  # noqa: FBT001 - a parameter of the story
    """One byte too many is refused, whether or not it was announced."""

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, size, 10_000):
            yield b"x" * min(10_000, size - start)

    content = b"x" * size if announced else stream()
    answer = ask(writable([]), "POST", "/change", headers=BEARER, content=content)

    assert answer.status_code == (200 if size == 65_536 else 413)


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/healthz", "/api/v1/runs", "/nowhere", "/static/page.js"]
)
def test_every_answer_carries_the_security_headers(path: str) -> None:
    """No inline script, no frame, no guess of types, no referrer; no CORS at all."""
    headers = get(app_with(), path, headers={"Origin": "http://evil.example"}).headers

    policy = headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert not [name for name in headers if name.startswith("access-control-")]


def test_refusals_carry_them_too() -> None:
    """A refused host or token is answered under the same policy."""
    app = app_with(allowed_hosts=LOOPBACK_HOSTS)
    wrong_host = get(app, "/", headers={"Host": "evil.example"})
    no_token = ask(app, "POST", "/")

    assert "content-security-policy" in wrong_host.headers
    assert "content-security-policy" in no_token.headers
