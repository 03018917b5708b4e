"""Commands ask a running exporter over HTTP and HTTPS, and say what is wrong."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from goodput_exporter.config.settings import Http
from goodput_exporter.errors import BadInputError, ConfigError
from goodput_exporter.services.asking import (
    Exporter,
    UnansweredError,
    asked_exporter,
    exporter_at,
    own_exporter,
)
from tests.fakes.certificates import issue

PATIENCE = 20.0


class Told(BaseHTTPRequestHandler):
    """Answers with what it was asked, and asks for a token below ``/secret``."""

    def do_GET(self) -> None:
        """Answer a reading."""
        shown = self.headers.get("Authorization", "none")
        secret = self.path.startswith("/secret") and shown != "Bearer letmein"
        self._say(401 if secret else 200, f"{self.path} {shown}")

    def do_POST(self) -> None:
        """Answer with the body."""
        length = int(self.headers["Content-Length"])
        said = json.loads(self.rfile.read(length))
        self._say(409, json.dumps({"detail": said}))

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on a free port of the loopback; with a context, over TLS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving_https(folder: Path) -> Iterator[tuple[int, Path]]:
    """Serve over TLS with a certificate for another name, signed by itself."""
    certificate = issue(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with serving(context) as port:
        yield port, certificate[0]


def at(url: str, ca: Path | None = None, tokens: Path | None = None) -> Exporter:
    """Return the exporter that a person names."""
    return exporter_at(url, ca=ca, tokens=tokens, patience_seconds=PATIENCE)


def test_an_exporter_is_asked_over_http() -> None:
    """Status and text come back whatever they are."""
    with serving() as port:
        exporter = at(f"http://127.0.0.1:{port}/")

        assert exporter.get("/readyz") == (200, "/readyz none")
        assert exporter.post("/x", {"a": 1}) == (409, '{"detail": {"a": 1}}')


def test_the_exporter_of_the_settings_is_known_by_its_certificate(
    tmp_path: Path,
) -> None:
    """It is made for a service's name; on this machine the loopback is asked."""
    with serving_https(tmp_path) as (port, chain):
        http = Http(host="0.0.0.0", port=port, certificate_file=chain)  # noqa: S104 - what is tested

        exporter = own_exporter(http, None, patience_seconds=PATIENCE)

        assert exporter.url == f"https://127.0.0.1:{port}"
        assert exporter.get("/readyz") == (200, "/readyz none")


def test_another_exporter_with_that_name_is_not_believed(tmp_path: Path) -> None:
    """A certificate of the same name and another key is somebody else's."""
    other = tmp_path / "other"
    other.mkdir()
    theirs, _ = issue(other)
    with serving_https(tmp_path) as (port, _):
        http = Http(port=port, certificate_file=theirs)

        with pytest.raises(UnansweredError, match="is not believed"):
            own_exporter(http, None, patience_seconds=PATIENCE).get("/readyz")


def test_a_named_exporter_is_believed_by_who_signed_it(tmp_path: Path) -> None:
    """With ``--ca`` and its name; the system's authorities do not know it."""
    with serving_https(tmp_path) as (port, chain):
        assert at(f"https://localhost:{port}", chain).get("/a") == (200, "/a none")
        with pytest.raises(UnansweredError, match=r"not believed .*--ca FILE"):
            at(f"https://localhost:{port}").get("/a")
        with pytest.raises(UnansweredError, match="the host that it was made for"):
            at(f"https://127.0.0.1:{port}", chain).get("/a")


def test_the_wrong_scheme_is_said_in_words(tmp_path: Path) -> None:
    """Not as the library's own line of its source."""
    with serving() as port, pytest.raises(UnansweredError, match=r"is it http://\?"):
        at(f"https://localhost:{port}").get("/a")
    with (
        serving_https(tmp_path) as (port, _),
        pytest.raises(UnansweredError, match=r"is it https://\?"),
    ):
        at(f"http://127.0.0.1:{port}").get("/a")


def test_nobody_there_is_told_from_somebody_who_does_not_answer() -> None:
    """Only where nobody listens may a command go on without the exporter."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnansweredError, match="refused") as nobody:
        at(f"http://127.0.0.1:{port}").get("/a")
    with (
        serving() as alive,
        pytest.raises(UnansweredError) as somebody,
    ):
        at(f"https://127.0.0.1:{alive}").get("/a")

    assert (nobody.value.refused, somebody.value.refused) == (True, False)


def test_a_token_is_shown_to_the_exporter_it_belongs_to(tmp_path: Path) -> None:
    """The settings' token goes to the settings' exporter and to no other."""
    tokens = tmp_path / "tokens"
    tokens.write_text("letmein\nother\n", encoding="ascii")
    with serving() as port:
        http, url = Http(port=port), f"http://127.0.0.1:{port}"
        words = {"server": url, "token_file": str(tokens)}
        mine = asked_exporter({}, http, tokens, PATIENCE)
        theirs = asked_exporter({"server": url}, http, tokens, PATIENCE)
        named = asked_exporter(words, http, None, PATIENCE)

        assert mine.get("/secret")[1] == "/secret Bearer letmein"
        assert named.get("/secret")[1] == "/secret Bearer letmein"
        with pytest.raises(BadInputError, match=r"\(401\): .*--token-file FILE"):
            theirs.get("/secret")


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"server": "file:///etc"}, "--server 'file:///etc': write http://"),
        ({"server": "http://x", "ca": "a.pem"}, "--ca a.pem: .* write https://"),
        ({"server": "https://x", "ca": "none.pem"}, "--ca: none.pem holds no"),
        ({"ca": "a.pem"}, "--ca a.pem: name the exporter"),
        ({"server": "http://x", "token_file": "none"}, "--token-file: none cannot"),
    ],
)
def test_words_that_do_not_fit_are_refused(said: dict[str, str], wrong: str) -> None:
    """Each by its flag, with what to write."""
    with pytest.raises(ConfigError, match=wrong):
        asked_exporter(said, Http(), None, PATIENCE)


def test_a_certificate_of_the_settings_that_is_none_is_named(tmp_path: Path) -> None:
    """By its setting and its path."""
    chain = tmp_path / "tls.crt"
    chain.write_text("none", encoding="ascii")

    with pytest.raises(ConfigError, match=r"http\.certificate_file: .*tls\.crt is no"):
        own_exporter(Http(certificate_file=chain), None, patience_seconds=PATIENCE)


def test_an_address_of_version_six_stands_in_brackets() -> None:
    """As in every URL."""
    six = own_exporter(Http(host="::1"), None, patience_seconds=PATIENCE)
    wild = own_exporter(Http(host="::", port=77), None, patience_seconds=PATIENCE)

    assert six.url == "http://[::1]:9909"
    assert wild.url == "http://127.0.0.1:77"
