"""Serves the page and its model to the browsers of this machine.

The standard library's server does: the page asks for one prediction an image and does the rest
itself, so that the threshold moves without a request.
"""

import json
import sys
import tempfile
import threading
import traceback
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msrcnn_mm.errors import UserError

from .content import about, content
from .model import Found, Model
from .uploads import MAX_BYTES, TOO_LARGE, check_image

ADDRESS = "127.0.0.1"
_NAMES = (ADDRESS, "localhost")  # of this machine, in the header Host
_FILES = {  # path -> package, file, type
    "/": ("msrcnn_mm.app", "page.html", "text/html"),
    "/page.css": ("msrcnn_mm.app", "page.css", "text/css"),
    "/page.js": ("msrcnn_mm.app", "page.js", "text/javascript"),
    "/report.css": ("msrcnn_mm.report", "page.css", "text/css"),
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_CHUNK = 1 << 20
_PATIENCE = 30  # seconds without a byte, after which a connection is closed


class PageServer(ThreadingHTTPServer):
    """A server of the page, for this machine only.

    It answers requests whose header ``Host`` is this machine, so that no name of another site can
    be bound to it, and takes images from its own page only, by the header ``Origin``. An uploaded
    image is a file for as long as its prediction takes. Images are predicted one after the other,
    in one thread. A new one takes the place of the one that waits, which the page has given up.

    Args:
        model: Finds the masks.
        port: 0 for any that is free.
        score: The score to start with; None for the first of rescored, mask and class score that
            there is.

    Attributes:
        folder: The temporary folder of uploads.
        newest: The latest prediction that was asked for; None before the first.
        closing: Whether the server ends, so that no further image is predicted.

    Raises:
        UserError: The port is in use or not allowed.
    """

    daemon_threads = True

    def __init__(self, model: Model, port: int, score: str | None = None) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="msrcnn_mm_", ignore_cleanup_errors=True)
        self.newest: Future[Found] | None = None
        self.closing = False
        self._asking = threading.Lock()
        self._worker = ThreadPoolExecutor(1)
        try:
            super().__init__((ADDRESS, port), _Handler)  # closes the server where it fails
        except OSError as error:
            raise UserError(
                f"--port {port}: {error.strerror}: name another, or 0 for any that is free"
            ) from error
        self.model = model
        self.score = score
        self.about = about(model)

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def find(self, file: Path, name: str) -> dict[str, Any]:
        """Returns the page's content on an image.

        Raises:
            UserError: The image cannot be read or predicted, or a newer one came while it waited,
                or the server ends.
        """
        check_image(file, name)
        with self._asking:
            if self.closing:
                raise UserError(f"{name} is not predicted: the page is closing")
            if self.newest is not None:
                self.newest.cancel()  # unless it runs or is done
            self.newest = own = self._worker.submit(self.model.find, file, name)
        try:
            found = own.result()
        except CancelledError as error:
            why = "the page is closing" if self.closing else "a newer image took its place"
            raise UserError(f"{name} is not predicted: {why}") from error
        return content(found, name, self.score)

    def server_close(self) -> None:
        """Waits for the prediction that runs, and deletes uploads, unfinished ones too."""
        with self._asking:
            self.closing = True
        super().server_close()
        self._worker.shutdown(cancel_futures=True)
        self.folder.cleanup()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Prints the traceback of a defect; a browser or server that ends too early is none."""
        if not (self.closing or isinstance(sys.exc_info()[1], ConnectionError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: PageServer
    timeout = _PATIENCE

    def do_GET(self) -> None:
        """Sends the page, one of its files, or what it shows before the first image."""
        path = urlsplit(self.path).path
        if not self._is_for_this_machine():
            return
        if path in _FILES:
            package, name, kind = _FILES[path]
            self._send(HTTPStatus.OK, files(package).joinpath(name).read_bytes(), kind)
        elif path == "/about":
            self._send_json(HTTPStatus.OK, self.server.about)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {path}")

    def do_POST(self) -> None:
        """Predicts the image that is the request's body; ``?name=`` is its name."""
        parts = urlsplit(self.path)
        length = self.headers.get("Content-Length", "")
        name = _printable(parse_qs(parts.query).get("name", [""])[0])
        if not self._is_for_this_machine():
            return
        if self.headers.get("Origin") != f"http://{self.headers['Host']}":
            self._refuse(HTTPStatus.FORBIDDEN, "only the page itself may send images")
        elif parts.path != "/find":
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {parts.path}")
        elif not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "the request does not say its Content-Length")
        elif int(length) > MAX_BYTES:
            for _ in self._body(int(length)):  # else the browser shows no answer but a broken line
                pass
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{name} {TOO_LARGE}")
        elif (answer := self._answer(name, int(length))) is not None:
            self._send_json(*answer)

    def _answer(self, name: str, length: int) -> tuple[HTTPStatus, Any] | None:
        """Returns what is found in the body, a file for that time; None if the browser has gone."""
        with tempfile.TemporaryDirectory(dir=self.server.folder.name) as folder:
            path = Path(folder, "image")
            with path.open("wb") as file:
                file.writelines(self._body(length))
            if path.stat().st_size < length:
                return None
            try:
                return HTTPStatus.OK, self.server.find(path, name)
            except UserError as error:
                return HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(error)}
            except Exception as error:
                if self.server.closing:  # the image is deleted
                    raise
                traceback.print_exc(file=sys.stderr)
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                where = "the terminal shows where it failed"
                message = f"{name} could not be predicted ({reason}): {where}"
                return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": message}

    def _body(self, length: int) -> Any:
        """Yields the body in pieces; less of it if the browser goes."""
        while length and (piece := self.rfile.read(min(length, _CHUNK))):
            length -= len(piece)
            yield piece

    def _is_for_this_machine(self) -> bool:
        """Returns whether the request was sent to this machine's name, and refuses it if not."""
        if self.headers.get("Host", "").partition(":")[0] in _NAMES:
            return True
        self._refuse(HTTPStatus.FORBIDDEN, f"open {self.server.url}")
        return False

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._send_json(status, {"error": message})

    def _send_json(self, status: HTTPStatus, value: Any) -> None:
        self._send(status, json.dumps(value, allow_nan=False).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing."""


def _printable(name: str) -> str:
    """Returns an image's name without what would change the terminal."""
    return "".join(letter for letter in name if letter.isprintable())[:100] or "the image"


def serve(server: PageServer) -> None:
    """Serves until Ctrl-C."""
    print(f"{server.model.name}: open {server.url} (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("stopped")
    finally:
        server.server_close()
