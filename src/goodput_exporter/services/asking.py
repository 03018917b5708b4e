"""How commands ask a running exporter: over HTTP or HTTPS, with a token if need be."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from goodput_exporter.config.settings import Http
from goodput_exporter.errors import BadInputError, ConfigError

ANYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
PEM_ENDS: Final = "-----END CERTIFICATE-----"
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of an answer; a page of 100,000 series has 20 MiB."""
NEEDS_TOKEN: Final = frozenset({401, 403})


class UnansweredError(BadInputError):
    """
    No exporter answered.

    Args:
        message: What happened, and what to check.
        refused: Nobody listens there at all.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Exporter:
    """
    A running exporter.

    Args:
        url: Its address without a slash at its end.
        tls: Whom to believe; None over plain HTTP.
        token: Shown to it; None is none.
        patience_seconds: How long it may take to answer.
    """

    url: str
    tls: ssl.SSLContext | None = None
    token: str | None = None
    patience_seconds: float = 5.0

    def get(self, path: str) -> tuple[int, str]:
        """
        Return the status and the text of what is at a path.

        Raises:
            UnansweredError: Nobody answers.
            BadInputError: It wants to see a token, or another one.
        """
        status, text = self._exchange(urllib.request.Request(self.url + path))  # noqa: S310 - see _exchange
        if status in NEEDS_TOKEN:
            msg = (
                f"{self.url}{path} is not shown ({status}): {detail_of(text)}; name a "
                "file with a token that may read: --token-file FILE"
            )
            raise BadInputError(msg)
        return status, text

    def post(self, path: str, body: Mapping[str, object]) -> tuple[int, str]:
        """
        Send JSON to a path; return the status and the text of the answer.

        Raises:
            UnansweredError: Nobody answers.
        """
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return self._exchange(
            urllib.request.Request(self.url + path, data, headers, method="POST")  # noqa: S310 - see _exchange
        )

    def _exchange(self, request: urllib.request.Request) -> tuple[int, str]:
        # Only HTTP gets here: ``exporter_at`` refuses every other scheme.
        if self.token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(  # noqa: S310 - see above
                request, timeout=self.patience_seconds, context=self.tls
            ) as answer:
                return int(answer.status), answer.read(MOST_BYTES).decode(
                    errors="replace"
                )
        except urllib.error.HTTPError as exc:
            return exc.code, exc.read(MOST_BYTES).decode(errors="replace")
        except OSError as exc:
            raise _unanswered(self.url, exc) from exc


def own_exporter(
    http: Http, tokens: Path | None, *, patience_seconds: float
) -> Exporter:
    """
    Return the exporter that listens where the settings of this machine say.

    Its certificate is the one of the settings and no other. So it need not name the
    address that is used here, which is often the loopback's.

    Args:
        http: Where it listens.
        tokens: A file with a token that it accepts; None is none.
        patience_seconds: How long it may take to answer.

    Raises:
        ConfigError: A file cannot be read.
    """
    # Where it listens on every address, this machine reaches it on its own.
    known = "127.0.0.1" if http.host in ANYWHERE else http.host
    shown = f"[{known}]" if ":" in known else known
    chain = http.certificate_file
    scheme = "http" if chain is None else "https"
    return Exporter(
        f"{scheme}://{shown}:{http.port}",
        None if chain is None else _pinned(chain),
        None if tokens is None else token_in(tokens, "http"),
        patience_seconds,
    )


def exporter_at(
    url: str, *, ca: Path | None, tokens: Path | None, patience_seconds: float
) -> Exporter:
    """
    Return the exporter at an address that a person names.

    Args:
        url: ``http://HOST:PORT`` or ``https://HOST:PORT``.
        ca: Who may have signed its certificate, in place of the system's.
        tokens: A file with a token that it accepts; None is none.
        patience_seconds: How long it may take to answer.

    Raises:
        ConfigError: The address is none of HTTP, or a file cannot be read.
    """
    if not url.startswith(("http://", "https://")):
        msg = f"--server {url!r}: write http://HOST:PORT or https://HOST:PORT"
        raise ConfigError(msg)
    if ca is not None and url.startswith("http://"):
        msg = f"--ca {ca}: {url} shows no certificate; write https://"
        raise ConfigError(msg)
    return Exporter(
        url.rstrip("/"),
        _trusting(ca) if url.startswith("https://") else None,
        None if tokens is None else token_in(tokens, "--token-file"),
        patience_seconds,
    )


def asked_exporter(
    said: Mapping[str, Any], http: Http, tokens: Path | None, patience_seconds: float
) -> Exporter:
    """
    Return the exporter that a command line is about.

    Args:
        said: ``server``, ``ca`` and ``token_file``, as a person gave them.
        http: Where the settings' own exporter listens, if no other is named.
        tokens: What it accepts; it is shown to no other exporter.
        patience_seconds: How long it may take to answer.

    Raises:
        ConfigError: The address is none, or a file cannot be read.
    """
    given = said.get("token_file")
    mine = tokens if given is None else Path(given)
    server, ca = said.get("server"), said.get("ca")
    if server is None:
        if ca is not None:
            msg = f"--ca {ca}: name the exporter, too: --server https://HOST:PORT"
            raise ConfigError(msg)
        return own_exporter(http, mine, patience_seconds=patience_seconds)
    return exporter_at(
        server,
        ca=None if ca is None else Path(ca),
        tokens=None if given is None else mine,
        patience_seconds=patience_seconds,
    )


def token_in(path: Path, whose: str) -> str | None:
    """
    Return the first token of a file with one per line; None where it has none.

    Args:
        path: The file.
        whose: Begins the message: the flag or the settings that name it.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        words = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as exc:
        msg = f"{whose}: {path} cannot be read ({exc}); check path and rights"
        raise ConfigError(msg) from exc
    return words[0] if words else None


def detail_of(text: str) -> str:
    """Return what an answer in JSON says is wrong, or the answer."""
    try:
        return str(json.loads(text)["detail"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:500]


def _unanswered(url: str, exc: OSError) -> UnansweredError:
    """Say why there is no answer, and what to change."""
    reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
    refused = isinstance(reason, ConnectionRefusedError)
    return UnansweredError(f"{url}: {_why(reason)}", refused=refused)


def _why(reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not believed ({reason.verify_message}); name the file "
            "of who signed it with --ca FILE, and the host that it was made for"
        )
    if isinstance(reason, ssl.SSLError):
        return f"it does not speak TLS as we do ({reason.reason}); is it http://?"
    if isinstance(reason, ConnectionError) and not isinstance(
        reason, ConnectionRefusedError
    ):
        return f"it hung up without an answer ({reason}); is it https://?"
    return str(getattr(reason, "strerror", None) or reason)


def _pinned(chain: Path) -> ssl.SSLContext:
    """Believe the very certificate that the server was given, whatever it names."""
    try:
        text = chain.read_text(encoding="ascii")
        first = text[: text.index(PEM_ENDS) + len(PEM_ENDS)]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=first + "\n")
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
        msg = f"http.certificate_file: {chain} is no certificate in PEM ({exc})"
        raise ConfigError(msg) from exc
    return context


def _trusting(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as exc:
        msg = f"--ca: {ca} holds no certificate in PEM ({exc})"
        raise ConfigError(msg) from exc
