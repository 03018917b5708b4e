"""Over HTTPS a reader knows whom it reads from, and nobody in between reads along."""

from __future__ import annotations

import re
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.fakes.node_agent import node_agent
from tests.fakes.station import Station, until
from tests.integration.test_prometheus import prometheus
from tests.parts import require

pytestmark = pytest.mark.real

NAME = "goodput-exporter-agent.goodput.svc"
"""What the chart's monitor asks the certificate of agents to name."""


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


def test_an_agent_shows_its_page_to_whom_it_was_told_to(tmp_path: Path) -> None:
    """Over HTTPS, to a token of the file; the kubelet's probes need none."""
    chain, key = issue(tmp_path)
    readers = tmp_path / "readers"
    readers.write_text("scraper\n", encoding="utf-8")
    settings = {
        "HTTP_CERTIFICATE_FILE": str(chain),
        "HTTP_KEY_FILE": str(key),
        "HTTP_READERS_FILE": str(readers),
    }
    trusting = ssl.create_default_context(cafile=str(chain))
    with node_agent(tmp_path / "agent", None, **settings) as agent:
        agent.launch()
        address = until(lambda: address_of(agent), "the line that names the port")

        page = fetch(f"{address}metrics", trusting, "scraper")
        health = fetch(f"{address}healthz", trusting)

        assert address.startswith("https://127.0.0.1:")
        assert "goodput_build_info" in page
        assert health == "ok\n"
        for path in ("metrics", "debug/capabilities"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                fetch(f"{address}{path}", trusting)


def test_prometheus_reads_an_agent_as_the_chart_s_monitor_tells_it_to(
    tmp_path: Path,
) -> None:
    """By the name in the certificate, not by the pod's address, and with the token."""
    chain, key = issue(tmp_path)
    readers, stranger = tmp_path / "readers", tmp_path / "stranger"
    readers.write_text("scraper\n", encoding="utf-8")
    stranger.write_text("someone\n", encoding="utf-8")
    settings = {
        "HTTP_CERTIFICATE_FILE": str(chain),
        "HTTP_KEY_FILE": str(key),
        "HTTP_READERS_FILE": str(readers),
    }

    def how(token: Path) -> dict[str, object]:
        return {
            "scheme": "https",
            "tls_config": {"ca_file": str(chain), "server_name": NAME},
            "authorization": {"credentials_file": str(token)},
        }

    with node_agent(tmp_path / "agent", None, **settings) as agent:
        agent.launch()
        address = until(lambda: address_of(agent), "the line that names the port")
        agent.url = address
        with prometheus(tmp_path, agent, **how(readers)) as welcome:
            until(lambda: welcome.query("up == 1"), "a scrape that is let in")
            seen = welcome.query("goodput_build_info")
        folder = tmp_path / "stranger's"
        folder.mkdir()
        with prometheus(folder, agent, **how(stranger)) as refused:
            until(lambda: refused.query("up == 0"), "a scrape that is refused")
            unseen = refused.query("goodput_build_info")

    assert (len(seen), unseen) == (1, [])


def test_a_standalone_exporter_asks_readers_for_a_token_too(tmp_path: Path) -> None:
    """The same setting means the same in every program."""
    readers = tmp_path / "readers"
    readers.write_text("scraper\n", encoding="utf-8")
    station = Station(tmp_path, tmp_path, {"HTTP_READERS_FILE": str(readers)})
    station.launch()
    try:
        address = until(lambda: address_of(station), "the line that names the port")
        plain = ssl.create_default_context()

        assert "goodput_build_info" in fetch(f"{address}metrics", plain, "scraper")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            fetch(f"{address}metrics", plain)
    finally:
        station.stop()


def issue(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine's loopback and NAME, signed by itself."""
    chain, key = folder / "tls.crt", folder / "tls.key"
    words = [str(require("openssl")), "req", "-x509", "-newkey", "ec", "-nodes"]
    words += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=exporter"]
    names = f"subjectAltName=IP:127.0.0.1,DNS:{NAME}"
    words += ["-addext", names, "-days", "1"]
    words += ["-out", str(chain), "-keyout", str(key)]
    subprocess.run(words, check=True, capture_output=True, timeout=20)
    return chain, key


def address_of(station: Station) -> str | None:
    """Return the address that the program has logged, once it has."""
    found = re.search(r"message=listening page=(\S+)", "\n".join(station.lines()))
    return None if found is None else found[1]


def fetch(url: str, context: ssl.SSLContext, token: str = "") -> str:
    """Return what is at an address; a reader may show a token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own
    with urllib.request.urlopen(  # noqa: S310 - an address of our own
        request, timeout=10, context=context
    ) as answer:
        text: str = answer.read().decode()
        return text
