"""Over HTTPS a reader knows whom it reads from, and nobody in between reads along."""

from __future__ import annotations

import re
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.fakes.station import Station, until
from tests.parts import require

pytestmark = pytest.mark.real


def test_a_program_with_a_certificate_serves_https_and_nothing_else(
    tmp_path: Path,
) -> None:
    """The address that it logs says so; plain HTTP is refused."""
    chain, key = issue(tmp_path)
    settings = {"HTTP_CERTIFICATE_FILE": str(chain), "HTTP_KEY_FILE": str(key)}
    station = Station(tmp_path, tmp_path, settings)
    process = station.launch()
    try:
        address = until(lambda: address_of(station), "the line that names the port")
        trusting = ssl.create_default_context(cafile=str(chain))

        page = fetch(f"{address}metrics", trusting)

        assert address.startswith("https://127.0.0.1:")
        assert "goodput_build_info" in page
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(f"{address}metrics", ssl.create_default_context())
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            fetch(f"{address}metrics".replace("https", "http"), trusting)
    finally:
        station.stop()

    assert process.returncode == 0


def issue(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine's loopback, signed by itself."""
    chain, key = folder / "tls.crt", folder / "tls.key"
    words = [str(require("openssl")), "req", "-x509", "-newkey", "ec", "-nodes"]
    words += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=exporter"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    words += ["-out", str(chain), "-keyout", str(key)]
    subprocess.run(words, check=True, capture_output=True, timeout=20)
    return chain, key


def address_of(station: Station) -> str | None:
    """Return the address that the program has logged, once it has."""
    found = re.search(r"message=listening page=(\S+)", "\n".join(station.lines()))
    return None if found is None else found[1]


def fetch(url: str, context: ssl.SSLContext) -> str:
    """Return what is at an address."""
    with urllib.request.urlopen(  # noqa: S310 - an address of our own
        url, timeout=10, context=context
    ) as answer:
        text: str = answer.read().decode()
        return text
