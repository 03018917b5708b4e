"""This node's pods, asked of its kubelet: names, addresses, and which are over."""

from __future__ import annotations

import logging
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.sources.identity import PodLook
from goodput_exporter.sources.kubelet_answers import records_of
from goodput_exporter.sources.pod_directory import PodDirectory

LOG: Final = logging.getLogger(__name__)

MOST_BYTES: Final = 64 * 2**20
"""A node has at most some hundred pods, of some 10 KiB each."""
SOONEST_SECONDS: Final = 1.0
"""However many new senders there are, the kubelet is asked no more often."""

Fetch = Callable[[], bytes]
"""Returns the kubelet's answer, or raises ``SourceUnavailableError``."""


class HttpKubelet:
    """
    Asks a kubelet over HTTP.

    Args:
        url: Such as ``https://10.0.0.1:10250/pods``.
        token_file: A bearer token, read again for each request; None sends none.
        ca_file: Who may have signed the kubelet's certificate; None is the system's.
        verify: Whether its certificate is looked at. Most kubelets sign their own.
        deadline_seconds: For the whole answer to begin.
    """

    def __init__(
        self,
        url: str,
        *,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        verify: bool = True,
        deadline_seconds: float = 5.0,
    ) -> None:
        self._url = url
        self._token_file = token_file
        self._deadline_seconds = deadline_seconds
        self._tls = ssl.create_default_context(
            cafile=None if ca_file is None else str(ca_file)
        )
        if not verify:
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE

    def __call__(self) -> bytes:
        """
        Return the answer.

        Raises:
            SourceUnavailableError: There is none.
        """
        try:
            headers = {}
            if self._token_file is not None:
                token = self._token_file.read_text(encoding="ascii").strip()
                headers["Authorization"] = f"Bearer {token}"
            asked = urllib.request.Request(self._url, headers=headers)  # noqa: S310  # the operator's own address
            with urllib.request.urlopen(  # noqa: S310  # the same
                asked, timeout=self._deadline_seconds, context=self._tls
            ) as answer:
                body: bytes = answer.read(MOST_BYTES + 1)
        except (OSError, ValueError) as exc:
            msg = (
                f"the kubelet does not tell its pods at {self._url} ({exc}); check the "
                "address, and that the token may get nodes/pods or nodes/proxy"
            )
            raise SourceUnavailableError(msg) from exc
        if len(body) > MOST_BYTES:
            msg = f"{self._url} answers more than {MOST_BYTES} bytes; is it a kubelet?"
            raise SourceUnavailableError(msg)
        return body


class KubeletPods:
    """
    Asks again and again in a thread; reading it never waits for a kubelet.

    Args:
        fetch: Asks the kubelet once.
        now_ns: The ledger's clock.
        interval_seconds: Between two answers, unless somebody new speaks.
    """

    def __init__(
        self, fetch: Fetch, now_ns: Callable[[], int], *, interval_seconds: float = 10.0
    ) -> None:
        self._fetch = fetch
        self._now_ns = now_ns
        self._interval_seconds = interval_seconds
        self._look = PodLook()
        self._wish = threading.Event()
        self._closing = threading.Event()
        self.trouble = ""
        self.look()
        self._thread = threading.Thread(target=self._keep, name="pods", daemon=True)
        self._thread.start()

    def read(self) -> PodLook:
        """Return the newest answer, at once."""
        return self._look

    def nudge(self) -> None:
        """Ask anew within a second."""
        self._wish.set()

    def look(self) -> None:
        """Ask once. The newest answer holds until there is a newer one."""
        # Dated before it is asked: what it does not know may be younger than that.
        asked_ns = self._now_ns()
        try:
            directory = PodDirectory(records_of(self._fetch()))
        except SourceUnavailableError as exc:
            if not self.trouble:
                LOG.warning("senders are not tied to pods now: %s", exc)
            self.trouble = str(exc)
            return
        if self.trouble:
            LOG.info("the kubelet tells its pods again")
        self.trouble = ""
        self._look = PodLook(directory, asked_ns)

    def close(self) -> None:
        """Stop asking, waiting 5 s at most for a question under way."""
        self._closing.set()
        self._wish.set()
        self._thread.join(timeout=5.0)

    def _keep(self) -> None:
        while not self._closing.wait(SOONEST_SECONDS):
            self._wish.wait(self._interval_seconds - SOONEST_SECONDS)
            self._wish.clear()
            if not self._closing.is_set():
                self.look()
