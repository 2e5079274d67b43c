"""The server: what it answers, what it refuses, and that it keeps nothing."""

import http.client
import io
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from msrcnn_mm.app import server as server_module
from msrcnn_mm.app.server import PageServer, serve
from msrcnn_mm.errors import UserError

from .scene import StubModel, rows, served


@pytest.fixture
def model() -> StubModel:
    return StubModel()


@pytest.fixture
def server(model: StubModel) -> Iterator[PageServer]:
    with served(model) as running:
        yield running


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (1, 2, 3)).save(file, "PNG")
    return file.getvalue()


def ask(server: PageServer, method: str, path: str, body: bytes | None = None, **headers: str):
    """Sends a request; headers are as the page's own unless given."""
    own = f"127.0.0.1:{server.server_port}"
    headers = {"Host": own, **({"Origin": f"http://{own}"} if method == "POST" else {}), **headers}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def said(answer: Any) -> tuple[int, str]:
    response, content = answer
    message = json.loads(content)["error"]
    assert "\n" not in message
    return response.status, message


def test_page_loads_nothing_from_elsewhere(server: PageServer) -> None:
    kinds = {"/": "text/html", "/page.css": "text/css", "/report.css": "text/css"}
    for path, kind in {**kinds, "/page.js": "text/javascript"}.items():
        response, content = ask(server, "GET", path)
        assert (response.status, response.headers.get_content_type()) == (200, kind)
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert set(re.findall(r"\w+://[\w.]*", content.decode())) <= {"http://www.w3.org"}
    about = json.loads(ask(server, "GET", "/about")[1])
    assert about["model"] == "stub"
    assert about["categories"] == [*StubModel.categories]
    assert said(ask(server, "GET", "/../server.py")) == (404, "there is no /../server.py")


def test_an_image_is_predicted_and_not_kept(server: PageServer, model: StubModel) -> None:
    response, content = ask(server, "POST", "/find?name=%1B%5B2Ja%2Fb.png", png())
    assert response.status == 200
    found = json.loads(content)
    assert found["rows"] == rows()
    assert found["name"] == "[2Ja/b.png"  # without the code that would clear the terminal
    (file,) = model.files
    assert not file.parent.exists()


def test_other_names_and_sites_are_refused(server: PageServer, model: StubModel) -> None:
    port = server.server_port
    for host in (f"evil.example:{port}", "", "127.0.0.1.evil.example", "[::1", "localhost@evil"):
        assert said(ask(server, "GET", "/about", Host=host))[0] == 403
        own = {"Host": host, "Origin": f"http://{host}"}
        assert said(ask(server, "POST", "/find", png(), **own))[0] == 403
    for origin in (
        "http://evil.example",
        "null",
        "",
        f"https://127.0.0.1:{port}",
        "http://127.0.0.1",
    ):
        answer = said(ask(server, "POST", "/find", png(), Origin=origin))
        assert answer == (403, "only the page itself may send images")
    assert not model.files
    # through a tunnel the port is another
    tunnel = {"Host": "localhost:9", "Origin": "http://localhost:9"}
    assert ask(server, "POST", "/find", png(), **tunnel)[0].status == 200


def test_bad_uploads(server: PageServer, model: StubModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(ask(server, "POST", "/find?name=a.pdf", b"%PDF")) == (
        422,
        "a.pdf is not an image of a known format: save it as BMP, GIF, JPEG, JPEG2000, PNG,"
        " PPM, TIFF, WEBP",
    )
    assert said(ask(server, "POST", "/find", b""))[1] == "the image is empty: choose an image"
    assert said(ask(server, "POST", "/other", png())) == (404, "there is no /other")
    missing = said(ask(server, "POST", "/find", b"", **{"Content-Length": "-1"}))
    assert missing == (411, "the request does not say its Content-Length")
    monkeypatch.setattr(server_module, "MAX_BYTES", 5_000_000)
    status, message = said(ask(server, "POST", "/find?name=big.tif", bytes(9_000_000)))
    assert status == 413
    assert message.startswith("big.tif is larger than the 100 MB that are read: make it smaller")
    assert not model.files


def test_errors_of_the_model(
    server: PageServer, model: StubModel, capsys: pytest.CaptureFixture[str]
) -> None:
    model.error = UserError("the pipeline fails")
    assert said(ask(server, "POST", "/find?name=a.png", png())) == (422, "the pipeline fails")
    assert capsys.readouterr().err == ""
    model.error = KeyError("no\nsuch")
    status, message = said(ask(server, "POST", "/find?name=a.png", png()))
    assert status == 500
    assert message.startswith("a.png could not be predicted (KeyError: ")
    assert "Traceback" in capsys.readouterr().err
    model.error = None
    assert ask(server, "POST", "/find?name=a.png", png())[0].status == 200


def test_a_browser_that_goes_is_no_error(
    server: PageServer, model: StubModel, capsys: pytest.CaptureFixture[str]
) -> None:
    own = f"127.0.0.1:{server.server_port}"
    head = f"POST /find HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\n"
    with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\nonly this".encode())
    assert ask(server, "POST", "/find", png())[0].status == 200
    assert len(model.files) == 1
    assert capsys.readouterr().err == ""


def wait(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_of_the_images_that_wait_the_newest_is_predicted(
    server: PageServer, model: StubModel
) -> None:
    model.go.clear()
    answers = []
    with ThreadPoolExecutor() as browsers:
        for number in range(3):
            last = server.newest
            path = f"/find?name={number}.png"
            answers.append(browsers.submit(ask, server, "POST", path, png()))
            wait(lambda last=last: server.newest is not last)
            wait(lambda number=number: number or server.newest.running())
        replaced = "1.png is not predicted: a newer image took its place"
        assert said(answers[1].result()) == (422, replaced)
        model.go.set()
        assert [answers[number].result()[0].status for number in (0, 2)] == [200, 200]
    assert len(model.files) == 2


def test_an_image_that_waits_when_the_server_ends(server: PageServer, model: StubModel) -> None:
    model.go.clear()
    with ThreadPoolExecutor() as threads:
        first = threads.submit(ask, server, "POST", "/find?name=0.png", png())
        wait(lambda: server.newest is not None and server.newest.running())
        running = server.newest
        second = threads.submit(ask, server, "POST", "/find?name=1.png", png())
        wait(lambda: server.newest is not running)
        server.shutdown()
        closed = threads.submit(server.server_close)
        assert said(second.result()) == (422, "1.png is not predicted: the page is closing")
        model.go.set()
        assert first.result()[0].status == 200
        closed.result()


def test_an_unfinished_upload_is_deleted_when_the_server_ends(
    server: PageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    own = f"127.0.0.1:{server.server_port}"
    head = f"POST /find HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\n"
    folder = Path(server.folder.name)
    with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\nonly this".encode())
        wait(lambda: [*folder.rglob("image")])
        server.shutdown()
        server.server_close()
        assert not folder.exists()
        connection.sendall(bytes(1000))
        while connection.recv(100):  # until the handler is done
            pass
    assert capsys.readouterr().err == ""


def test_port_in_use_and_end(
    server: PageServer,
    model: StubModel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(UserError, match=rf"--port {server.server_port}: .*: name another, or 0"):
        PageServer(model, server.server_port)
    other = PageServer(model, 0)

    def interrupt(self: PageServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PageServer, "serve_forever", interrupt)
    serve(other)
    assert capsys.readouterr().out == f"stub: open {other.url} (Ctrl-C ends it)\nstopped\n"
    assert other.fileno() == -1  # closed
    assert not Path(other.folder.name).exists()
