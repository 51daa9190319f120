"""A headless Chromium for tests of pages, driven by its DevTools protocol through two pipes.

Nothing but the browser is needed: Debian's package ``chromium``, or any Chrome on the path.
Tests take the fixture ``browser`` of ``conftest.py``; without one they are skipped and say so.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patience import HANG_SECONDS

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WHY_SKIPPED = (
    "no Chromium on the path: install Debian's package chromium (.ci/run does so where it may), "
    "or name a browser in COPICK_PICKER_TEST_BROWSER"
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
# The browser reads commands from descriptor 3 and writes answers to descriptor 4.
_LAUNCHER = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class BrowserError(Exception):
    """The browser refused a command, or a page threw."""


def found_browser() -> str | None:
    """Return the path of a browser; None where there is none."""
    named = os.environ.get("COPICK_PICKER_TEST_BROWSER")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def started(profile: Path) -> Iterator["Browser"]:
    """Start a browser with a new profile, yield it, and end it."""
    program = found_browser()
    if program is None:
        raise BrowserError(WHY_SKIPPED)
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with (profile.parent / f"{profile.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, str(theirs_in), str(theirs_out), *command],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    os.close(theirs_in)
    os.close(theirs_out)
    browser = Browser(ours_out, ours_in)
    try:
        browser.open_tab()
        yield browser
        browser.send("Browser.close", session=False)
    finally:
        os.close(ours_out)
        try:
            process.wait(timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(ours_in)


@dataclass
class Browser:
    """One tab of a headless browser.

    Attributes
    ----------
    complaints : list of str
        Console warnings and errors, and uncaught exceptions, of the pages since ``show``.
    requests : list of str
        Addresses that the page asked for since ``show``, its own and ``data:`` ones left out.
    """

    writing: int
    reading: int
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _session: str | None = None
    _number: int = 0
    _rest: bytes = b""
    _events: list[str] = field(default_factory=list)

    def open_tab(self) -> None:
        """Open the tab that everything else speaks to."""
        target = self.send("Target.createTarget", session=False, url="about:blank")
        attached = self.send(
            "Target.attachToTarget", session=False, targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def show(
        self,
        page: Path | str,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        phone: bool = False,
    ) -> None:
        """Load a file or an address in a window of a size, and wait until all of it is there."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        address = page if isinstance(page, str) else page.absolute().as_uri()
        self.complaints.clear()
        self.requests.clear()
        self._events.clear()
        self.send("Page.navigate", url=address)
        self._wait_for("Page.loadEventFired")
        self.requests[:] = [url for url in self.requests if url != address]

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression in the page (promises are awaited)."""
        answer = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"])[:500])
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click in the middle of the first element that a CSS selector means."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect(); "
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send(
                "Input.dispatchMouseEvent",
                type=kind,
                x=box[0],
                y=box[1],
                button="left",
                clickCount=1,
            )

    def picture(self, *, whole: bool = False) -> bytes:
        """Return a PNG of the window, or of the whole page."""
        extra: dict[str, Any] = {}
        if whole:
            size = self.send("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
            extra = {"clip": clip, "captureBeyondViewport": True}
        return base64.b64decode(self.send("Page.captureScreenshot", format="png", **extra)["data"])

    def pdf(self) -> bytes:
        """Return the page as it is printed."""
        return base64.b64decode(self.send("Page.printToPDF", printBackground=True)["data"])

    def send(self, method: str, *, session: bool = True, **parameters: Any) -> dict[str, Any]:
        """Send a command of the protocol and return its answer; take note of events meanwhile."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session and self._session:
            message["sessionId"] = self._session
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        limit = time.monotonic() + HANG_SECONDS
        while time.monotonic() < limit:
            answer = self._next()
            if answer.get("id") != self._number:
                continue
            if "error" in answer:
                msg = f"{method}: {answer['error']['message']}"
                raise BrowserError(msg)
            result: dict[str, Any] = answer["result"]
            return result
        msg = f"{method}: no answer"
        raise BrowserError(msg)

    def _wait_for(self, event: str) -> None:
        limit = time.monotonic() + HANG_SECONDS
        while event not in self._events:
            if time.monotonic() > limit:
                msg = f"waited in vain for {event}"
                raise BrowserError(msg)
            self._next()

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self.reading], [], [], HANG_SECONDS)
            data = os.read(self.reading, 1 << 20) if ready else b""
            if not data:
                msg = "the browser says no more; its log lies beside its profile"
                raise BrowserError(msg)
            self._rest += data
        line, self._rest = self._rest.split(b"\0", maxsplit=1)
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self._note(message["method"], message.get("params", {}))
        return message

    def _note(self, method: str, about: dict[str, Any]) -> None:
        self._events.append(method)
        if method == "Runtime.consoleAPICalled" and about["type"] in ("warning", "error", "assert"):
            words = [str(part.get("value", part.get("description"))) for part in about["args"]]
            self.complaints.append(" ".join(words))
        elif method == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            self.complaints.append(text)
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("warning", "error"):
            self.complaints.append(about["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url = about["request"]["url"]
            if not url.startswith("data:"):
                self.requests.append(url)
