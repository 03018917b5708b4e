"""A certificate is checked at the start, and a renewed one is taken up by itself."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path

import pytest

from goodput_exporter.config.settings import Http
from goodput_exporter.errors import ConfigError
from goodput_exporter.services.tls import Certificate, Renewing, certificate_of
from tests.parts import require


def issue(folder: Path, number: int) -> Certificate:
    """Make a certificate in place of the one that is there."""
    made = Certificate(folder / "tls.crt", folder / "tls.key")
    words = [str(require("openssl")), "req", "-x509", "-newkey", "ec", "-nodes"]
    words += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=aggregator"]
    words += ["-set_serial", str(number), "-days", "1"]
    words += ["-out", str(made.chain), "-keyout", str(made.key)]
    subprocess.run(words, check=True, capture_output=True, timeout=20)
    # A file system may date two writes of one moment alike.
    for path in (made.chain, made.key):
        os.utime(path, ns=(number, number))
    return made


def served(context: ssl.SSLContext) -> int:
    """Return the serial number of the certificate that a new connection is shown."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    shown = client.getpeercert(binary_form=True)
    assert shown is not None
    text = subprocess.run(
        (require("openssl"), "x509", "-inform", "DER", "-noout", "-serial"),
        input=shown,
        capture_output=True,
        check=True,
        timeout=20,
    ).stdout
    return int(text.decode().partition("=")[2], 16)


def test_a_renewed_certificate_serves_the_next_connection(tmp_path: Path) -> None:
    """A Secret's files change under a program that runs for a year."""
    renewing = Renewing(issue(tmp_path, 1))
    before = served(renewing.context)
    unchanged = renewing.renew()
    issue(tmp_path, 2)

    assert renewing.renew()
    assert not unchanged
    assert (before, served(renewing.context)) == (1, 2)


def test_half_a_renewal_leaves_the_old_certificate_in_use(tmp_path: Path) -> None:
    """The chain is written before the key: between the two nothing may break."""
    certificate = issue(tmp_path, 1)
    renewing = Renewing(certificate)
    other = tmp_path / "other"
    other.mkdir()
    certificate.chain.write_bytes(issue(other, 2).chain.read_bytes())

    assert not renewing.renew()
    assert served(renewing.context) == 1


def test_files_that_are_no_certificate_are_refused_by_name(tmp_path: Path) -> None:
    """At the start, before anybody connects."""
    (tmp_path / "tls.crt").write_text("no certificate", encoding="ascii")
    bad = Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")

    with pytest.raises(ConfigError, match=r"http\.certificate_file: .*tls\.crt"):
        Renewing(bad)


def test_a_certificate_without_its_key_is_half_a_setting() -> None:
    """Plain HTTP in its place would be a surprise."""
    chain = Path("tls.crt")

    with pytest.raises(ConfigError, match="belong together"):
        certificate_of(Http(certificate_file=chain))
    assert certificate_of(Http()) is None
