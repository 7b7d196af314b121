"""A headless Chromium, driven over a pipe: pages as wide as asked, light or dark, and in print."""

from __future__ import annotations

import base64
import itertools
import json
import os
import selectors
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
DEADLINE_S = 120
SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--hide-scrollbars"),
    "--remote-debugging-pipe",
)


def program() -> str | None:
    """Return the Chromium that this machine has, if it has one."""
    named = os.environ.get("BROWSER", "")
    if named and "firefox" not in named:
        return named
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """A browser with one page; leaving its `with` block ends all its processes."""

    def __init__(self, path: str, profile: Path) -> None:
        their_input, self._out = os.pipe()
        self._in, their_output = os.pipe()
        self._numbers = itertools.count(1)
        self._read = b""
        # It reads from descriptor 3, and writes to 4.
        shell = f'exec "$@" 3<&{their_input} 4>&{their_output}'
        command = ["/bin/bash", "-c", shell, "bash", path, *SWITCHES, f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            [*command, "about:blank"],
            pass_fds=(their_input, their_output),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(their_input)
        os.close(their_output)

    def __enter__(self) -> Self:
        try:
            pages = self._call("Target.getTargets")["targetInfos"]
            (target,) = [one["targetId"] for one in pages if one["type"] == "page"]
            attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            self.call("Page.enable")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and all its processes."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(DEADLINE_S)
        os.close(self._out)
        os.close(self._in)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Have the page do something; return what it answers."""
        return self._call(method, session=self._session, **parameters)

    def _call(
        self, method: str, *, session: str | None = None, **parameters: Any
    ) -> dict[str, Any]:
        number = next(self._numbers)
        request = {"id": number, "method": method, "params": parameters}
        if session:
            request["sessionId"] = session
        os.write(self._out, json.dumps(request).encode() + b"\0")
        while (answer := self._message()).get("id") != number:
            pass  # events, which nothing here waits for
        if "error" in answer:
            raise AssertionError(f"{method} failed: {answer['error']}")
        found: dict[str, Any] = answer["result"]
        return found

    def _message(self) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_READ)
            while b"\0" not in self._read:
                if not selector.select(deadline - time.monotonic()):
                    raise AssertionError(f"the browser said nothing within {DEADLINE_S} s")
                more = os.read(self._in, 1 << 20)
                if not more:
                    raise AssertionError("the browser ended")
                self._read += more
        first, _, self._read = self._read.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message

    def look(self, width: int, *, dark: bool = False, media: str = "screen") -> None:
        """Have the page so wide, and light or dark, or as it is printed."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def open(self, path: Path) -> None:
        """Load a file, and return when it is there."""
        self.call("Page.navigate", url=path.absolute().as_uri())
        self.evaluate(
            "new Promise(done => document.readyState === 'complete' ? done() : "
            "addEventListener('load', () => done()))"
        )

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        done = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in done:
            raise AssertionError(f"{script!r} failed: {done['exceptionDetails']}")
        return done["result"].get("value")

    def picture(self, path: Path, most_px: int | None = None) -> None:
        """Write the page as a PNG, whole or as far as so many pixels from its top."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        height = min(size["height"], most_px or size["height"])
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1}
        done = self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip
        )
        path.write_bytes(base64.b64decode(done["data"]))

    def print(self, path: Path) -> None:
        """Write the page as a PDF on A4."""
        done = self.call(
            "Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False
        )
        path.write_bytes(base64.b64decode(done["data"]))
