"""A small client of Chromium's DevTools protocol: one browser, one page at a time."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

ANSWER_SECONDS: Final = 20
WAIT_MS: Final = 10_000

FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # CI runs as root, where Chromium's sandbox refuses to start
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)

# Polls inside the page, once per frame, so that nothing sleeps out here.
_WAIT: Final = """
new Promise((resolve, reject) => {
  const end = performance.now() + %d;
  const look = () => {
    const value = (() => { try { return %s; } catch { return false; } })();
    if (value) resolve(value);
    else if (performance.now() > end) reject(new Error("waited in vain"));
    else setTimeout(look, 20);
  };
  look();
})
"""


class PageError(Exception):
    """The browser refused a command, or a script in the page threw."""


class Page:
    """
    One tab.

    Args:
        socket: The browser's DevTools connection.
        session: The tab's session in it.
    """

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self._socket = socket
        self._session = session
        self._last_id = 100
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Send one command and return its result; events are kept aside."""
        self._last_id += 1
        request = {"id": self._last_id, "method": method, "params": params}
        self._socket.send(json.dumps({**request, "sessionId": self._session}))
        while True:
            message = json.loads(self._socket.recv(timeout=ANSWER_SECONDS))
            if message.get("id") == self._last_id:
                if "error" in message:
                    raise PageError(f"{method}: {message['error']['message']}")  # noqa: EM102, TRY003 - DevTools' own words
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    def open(self, url: str) -> None:
        """Go to *url* and wait until it and its parts are loaded."""
        seen = len(self.events)
        self.call("Page.navigate", url=url)
        while not any(_is_loaded(event) for event in self.events[seen:]):
            self.events.append(json.loads(self._socket.recv(timeout=ANSWER_SECONDS)))

    def run(self, script: str) -> Any:  # noqa: ANN401 - whatever the script returns
        """Evaluate an expression in the page and return its value."""
        answer = self.call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"].get("exception", {})
            raise PageError(f"{script[:200]}: {thrown.get('description')}")  # noqa: EM102, TRY003 - the page's own words
        return answer["result"].get("value")

    def wait(self, condition: str) -> Any:  # noqa: ANN401 - whatever it returns
        """Wait until a JavaScript expression is true, for ten seconds at most."""
        return self.run(_WAIT % (WAIT_MS, condition))

    def text(self, selector: str) -> str:
        """Return the visible text of the first element that matches."""
        found: str = self.run(
            f"document.querySelector({json.dumps(selector)}).innerText"
        )
        return found

    def press(self, key: str) -> None:
        """Press and release one key, such as ``Tab`` or ``ArrowLeft``."""
        codes = {"Tab": 9, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
        for kind in ("rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
            )

    def point(self, x: float, y: float) -> None:
        """Move the mouse to a place in the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def resize(self, width: int, height: int = 900) -> None:
        """Give the window a size, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, scheme: str) -> None:
        """Prefer ``light`` or ``dark``, as the reader's system would."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page, however long."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "scale": 1, **size}
        clip = {key: clip[key] for key in ("x", "y", "width", "height", "scale")}
        answer = self.call(
            "Page.captureScreenshot", clip=clip, captureBeyondViewport=True
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def complaints(self) -> list[str]:
        """Return every error in the console, thrown, logged or refused by policy."""
        self.run("0")
        return [text for event in self.events for text in _complaint(event)]

    def requested(self) -> list[str]:
        """Return every address that the page asked for."""
        self.run("0")
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]


@contextmanager
def browser(program: Path, profile: Path) -> Iterator[ClientConnection]:
    """
    Start Chromium with an empty profile and connect to it.

    Args:
        program: Chromium.
        profile: An empty folder for its profile.
    """
    with subprocess.Popen(
        [str(program), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr is not None
        drain = threading.Thread(target=deque, args=(process.stderr, 0), daemon=True)
        try:
            address = _address(process.stderr)
            drain.start()
            with connect(address, max_size=None, proxy=None) as socket:
                yield socket
        finally:
            process.terminate()
            process.wait(timeout=ANSWER_SECONDS)
        drain.join(timeout=ANSWER_SECONDS)


@contextmanager
def tab(socket: ClientConnection) -> Iterator[Page]:
    """Open a fresh tab with its own cookies and cache, and watch all that it does."""
    context = _command(socket, 1, "Target.createBrowserContext")["browserContextId"]
    target = _command(
        socket, 2, "Target.createTarget", url="about:blank", browserContextId=context
    )["targetId"]
    attached = _command(
        socket, 3, "Target.attachToTarget", targetId=target, flatten=True
    )
    page = Page(socket, attached["sessionId"])
    for domain in ("Page", "Runtime", "Network", "Log"):
        page.call(f"{domain}.enable")
    yield page
    _command(socket, 4, "Target.disposeBrowserContext", browserContextId=context)


def _address(errors: Iterable[str]) -> str:
    for line in errors:
        if line.startswith("DevTools listening"):
            return line.split()[-1]
    msg = "Chromium ended before it listened; start it by hand to see why"
    raise PageError(msg)


def _command(
    socket: ClientConnection, number: int, method: str, **params: object
) -> dict[str, Any]:
    socket.send(json.dumps({"id": number, "method": method, "params": params}))
    while True:
        message = json.loads(socket.recv(timeout=ANSWER_SECONDS))
        if message.get("id") == number and "sessionId" not in message:
            result: dict[str, Any] = message["result"]
            return result


def _is_loaded(event: dict[str, Any]) -> bool:
    return event.get("method") == "Page.loadEventFired"


def _complaint(event: dict[str, Any]) -> list[str]:
    params = event.get("params", {})
    match event.get("method"):
        case "Runtime.exceptionThrown":
            return [json.dumps(params["exceptionDetails"])]
        case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
            return [params["entry"]["text"]]
        case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning"}:
            return [json.dumps(params["args"])]
        case "Page.javascriptDialogOpening":
            return [f"dialog: {params['message']}"]
    return []
