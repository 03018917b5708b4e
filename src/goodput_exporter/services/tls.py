"""The server's certificate: checked at the start, and taken up again when renewed."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from goodput_exporter.config.settings import Http
from goodput_exporter.errors import ConfigError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Certificate:
    """
    Where a certificate and its key are, in PEM.

    Args:
        chain: The certificate, and those between it and its authority.
        key: Its private key, without a password.
    """

    chain: Path
    key: Path

    def changed_ns(self) -> tuple[int, int]:
        """Return when the files last changed; a Secret's are links that move."""
        return self.chain.stat().st_mtime_ns, self.key.stat().st_mtime_ns


def certificate_of(http: Http) -> Certificate | None:
    """
    Return the certificate that the settings name; None serves plain HTTP.

    Raises:
        ConfigError: One of certificate and key is missing.
    """
    if http.certificate_file is None and http.key_file is None:
        return None
    if http.certificate_file is None or http.key_file is None:
        msg = (
            "http.certificate_file and http.key_file belong together, and one of them "
            "is not set"
        )
        raise ConfigError(msg)
    return Certificate(http.certificate_file, http.key_file)


class Renewing:
    """
    A TLS context that takes up a renewed certificate for the connections to come.

    Args:
        certificate: Where it is.

    Raises:
        ConfigError: It cannot be used now.
    """

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self._load()
        except OSError as exc:  # ssl.SSLError is one
            msg = (
                f"http.certificate_file: {certificate.chain} and {certificate.key} "
                f"are no certificate with its key ({exc})"
            )
            raise ConfigError(msg) from exc

    def renew(self) -> bool:
        """
        Take up the files if they have changed; return whether they were.

        Files that cannot be used leave the old certificate in use: half a renewal
        must not end the service.
        """
        try:
            if self._certificate.changed_ns() == self._loaded_ns:
                return False
            self._load()
        except OSError as exc:
            _log.warning("the renewed certificate cannot be used yet: %s", exc)
            return False
        _log.info("the certificate was renewed")
        return True

    def _load(self) -> None:
        changed_ns = self._certificate.changed_ns()
        chain, key = self._certificate.chain, self._certificate.key
        # Into a context of its own first: a chain that does not fit its key would
        # otherwise replace half of what is in use.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key)
        self.context.load_cert_chain(chain, key)
        self._loaded_ns = changed_ns
