"""Drives a headless Chromium by WebDriver's protocol (W3C), which is JSON over HTTP."""

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's key of an element
_PATIENCE = 60  # seconds


class Browser:
    """A page of a browser.

    Args:
        address: That of the driver.
        downloads: The folder of downloaded files.
    """

    def __init__(self, address: str, downloads: Path) -> None:
        self._address = address
        self.downloads = downloads
        arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        options = {
            "args": [*arguments, "--force-color-profile=srgb"],
            "prefs": {"download.default_directory": str(downloads)},
        }
        capabilities = {"browserName": "chrome", "goog:chromeOptions": options}
        answer = self._post("/session", {"capabilities": {"alwaysMatch": capabilities}})
        self._address += f"/session/{answer['sessionId']}"

    def _post(self, path: str, content: Any) -> Any:
        request = urllib.request.Request(self._address + path, json.dumps(content).encode())
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from error

    def close(self) -> None:
        request = urllib.request.Request(self._address, method="DELETE")
        urllib.request.urlopen(request, timeout=_PATIENCE).close()

    def open(self, url: str) -> None:
        self._post("/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """Runs the body of a JavaScript function in the page and returns its result."""
        return self._post("/execute/sync", {"script": script, "args": arguments})

    def devtools(self, command: str, **parameters: Any) -> Any:
        """Runs a command of Chromium's own protocol."""
        return self._post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def resize(self, width: int, height: int) -> None:
        """Sets the size of what the page is seen through."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            **dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 600),
        )

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Waits until a condition holds, and returns what it returns."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.05)
        raise AssertionError(f"waited in vain for {what}")

    def text(self, selector: str) -> str:
        """Returns the visible text of an element; nothing of a hidden one."""
        script = """const found = document.querySelector(arguments[0]);
            return found.checkVisibility() ? found.innerText : "" """
        return self.run(script, selector)

    def middle(self, selector: str) -> tuple[float, float]:
        """Returns the middle of an element in the window."""
        script = """const box = document.querySelector(arguments[0]).getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2]"""
        x, y = self.run(script, selector)
        return x, y

    def drop(self, selector: str, *files: Path) -> None:
        """Drags files from outside onto an element, as the browser itself gets them."""
        x, y = self.middle(selector)
        data = dict(items=[], files=[str(file) for file in files], dragOperationsMask=1)
        for kind in ("dragEnter", "dragOver", "drop"):
            self.devtools("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def point(self, x: float, y: float) -> None:
        """Moves the mouse."""
        self.devtools("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        element = self._post("/element", {"using": "css selector", "value": selector})[_ELEMENT]
        self._post(f"/element/{element}/click", {})

    def press(self, selector: str, keys: str) -> None:
        """Focuses an element and presses keys; those without a letter have codes from U+E000 on."""
        element = self._post("/element", {"using": "css selector", "value": selector})[_ELEMENT]
        self._post(f"/element/{element}/value", {"text": keys})

    def errors(self) -> list[str]:
        """Returns what the page has written to the console, errors of scripts among it."""
        return [entry["message"] for entry in self._post("/se/log", {"type": "browser"})]

    def picture(self, path: Path) -> None:
        """Saves what is seen."""
        path.write_bytes(base64.b64decode(self.devtools("Page.captureScreenshot")["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Starts a browser whose files are in a folder; skips the test without one."""
    driver = shutil.which("chromedriver")
    if driver is None or not (shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = next(
            line.rpartition(" ")[2].strip(".\n")
            for line in process.stdout
            if "successfully on port" in line
        )
        page = Browser(f"http://127.0.0.1:{port}", folder)
        try:
            yield page
        finally:
            page.close()
    finally:
        process.terminate()
        process.wait()
