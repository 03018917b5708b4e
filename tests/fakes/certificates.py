"""Certificates for the loopback's name, signed by themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.parts import require


def issue(folder: Path, names: str = "DNS:localhost") -> tuple[Path, Path]:
    """
    Make a certificate and its key in a folder, and return where they are.

    Args:
        folder: Takes both.
        names: Whom the certificate names, as OpenSSL writes it.
    """
    chain, key = folder / "tls.crt", folder / "tls.key"
    words = [str(require("openssl")), "req", "-x509", "-newkey", "ec", "-nodes"]
    words += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=exporter"]
    words += ["-addext", f"subjectAltName={names}", "-days", "1"]
    words += ["-out", str(chain), "-keyout", str(key)]
    subprocess.run(words, check=True, capture_output=True, timeout=20)
    return chain, key
