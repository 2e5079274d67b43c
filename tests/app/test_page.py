"""The page in a headless browser: a drop, a move of the threshold, a download, and bad input."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from msrcnn_mm.app.server import PageServer
from tests.support.browser import Browser, browser

from .scene import BOXES, HEIGHT, WIDTH, StubModel, rows, served

SHOWN = "return [...document.querySelectorAll('#masks path:not(.off)')].map((path) => path.id)"
RIGHT, ESCAPE = "\ue014", "\ue00c"  # keys of the protocol


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("downloads")) as started:
        yield started


@pytest.fixture
def model() -> StubModel:
    return StubModel()


@pytest.fixture
def server(model: StubModel, page: Browser) -> Iterator[PageServer]:
    """Serves the stub, and opens its page."""
    with served(model) as running:
        page.resize(1200, 800)
        page.open(running.url)
        yield running


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "cells.v2.png"
    Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 60)).save(path)
    return path


def drop(page: Browser, file: Path) -> None:
    """Drops an image and waits for its masks."""
    page.drop("#drop", file)
    page.wait(lambda: file.name in page.text("#ask"), "the image")


def move(page: Browser, threshold: float) -> list[str]:
    """Moves the threshold and returns the masks that are shown then."""
    page.run(
        """const slider = document.querySelector("#threshold");
        slider.value = arguments[0]; slider.dispatchEvent(new Event("input"))""",
        threshold,
    )
    return sorted(page.run(SHOWN))


def point_at(page: Browser, x: float, y: float) -> list[str]:
    """Points at a place of the image and returns the lines of the numbers that are shown."""
    left, top, scale = page.run(
        """const box = document.querySelector("#picture image").getBoundingClientRect();
        return [box.x, box.y, box.width / arguments[0]]""",
        WIDTH,
    )
    page.point(left + x * scale, top + y * scale)
    return page.text("#numbers").split("\n")


def saved(page: Browser, name: str) -> list[dict]:
    """Waits for a download, and reads it."""
    path = page.downloads / name
    page.wait(path.exists, name)
    return json.loads(path.read_text())


def test_drop_move_hover_download(page: Browser, server: PageServer, model: StubModel) -> None:
    image = page.downloads / "cells.v2.png"
    Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 60)).save(image)
    drop(page, image)
    assert page.text("#count") == "2 of 3 masks shown"
    assert page.text("#notes") == "cells.v2.png was read."
    assert " ".join(page.text("#classes").split()) == "Class shown of <b>cell</b> 1 1 disk 1 2"
    assert page.run("return document.querySelector('[name=score]:checked').value") == "mask_score"

    assert move(page, 0.46) == ["mask-1"]
    assert move(page, 0.48) == ["mask-1"]  # the threshold itself is kept
    assert move(page, 0.49) == []
    assert move(page, 0) == ["mask-0", "mask-1", "mask-2"]
    move(page, 0.46)
    page.click("[value=class_score]")
    assert sorted(page.run(SHOWN)) == ["mask-0", "mask-1"]
    assert page.text("#meaning").startswith("class score: the detector's confidence")
    assert len(model.files) == 1  # none of it asked the server

    lines = point_at(page, 40, 8)
    assert lines == [
        *("disk", "class score\t0.900", "mask IoU\t0.500", "mask score\t0.450"),
        *("maskness\t0.675", "foreground probability\t0.750", "area in pixels\t3,500"),
    ]
    x, y, width, height = BOXES[1]
    assert point_at(page, x + width / 2, y + height / 2)[0] == "<b>cell</b>"  # lies on the other
    assert point_at(page, 1, 1) == [""]

    page.click("#save-shown")
    assert saved(page, "cells.v2_shown.json") == rows()[:2]
    page.click("#save-all")
    assert saved(page, "cells.v2_all.json") == rows()
    assert page.errors() == []


def test_keyboard_and_phone(page: Browser, server: PageServer, image: Path) -> None:
    page.resize(360, 740)
    drop(page, image)
    assert page.run("return document.documentElement.scrollWidth") <= 360
    seen = []
    for _ in range(3):
        page.press("#picture", RIGHT)
        seen.append(page.run("return document.querySelector('[aria-selected=true]').ariaLabel"))
    # by falling mask score, then from the start again
    labels = ["<b>cell</b>, mask score 0.480", "disk, mask score 0.450"]
    assert seen == [*labels, labels[0]]
    box = page.run("return document.querySelector('#numbers').getBoundingClientRect().toJSON()")
    assert box["left"] >= 0 and box["right"] <= 360 and box["bottom"] <= 740
    page.press("#picture", ESCAPE)
    assert page.text("#numbers") == ""
    page.press("#threshold", RIGHT)
    assert page.text("#value") == "0.31"


def test_progress_and_bad_input(
    page: Browser, server: PageServer, model: StubModel, image: Path, tmp_path: Path
) -> None:
    model.go.clear()
    page.drop("#drop", image)
    page.wait(lambda: "cells.v2.png: the model runs, 0 s" in page.text("#busy"), "progress")
    model.go.set()
    page.wait(lambda: page.text("#count"), "the masks")
    assert page.text("#busy") == ""

    def says(*files: Path) -> str:
        page.drop("#drop", *files)
        return page.wait(lambda: page.text("#error"), "an error")

    large = tmp_path / "large.tif"
    with large.open("wb") as file:
        file.truncate(500_000_000)
    assert says(large).startswith("large.tif is larger than the 100 MB that are read: make it")
    text = tmp_path / "notes.txt"
    text.write_text("no image")
    page.run("document.querySelector('#error').textContent = ''")
    assert says(text).startswith("notes.txt is not an image of a known format: save it as")
    page.run("document.querySelector('#error').textContent = ''")
    assert says(tmp_path) == f"{tmp_path.name} cannot be read: drop a file, not a folder"
    assert page.text("#count") == "2 of 3 masks shown"  # those before are kept
    assert len(model.files) == 1

    page.drop("#drop", image, text)
    page.wait(lambda: "One image at a time" in page.text("#notes"), "a note")
    assert page.text("#error") == ""
    server.shutdown()
    server.server_close()
    page.errors()
    end = time.monotonic() + 10
    assert says(image) == "The server does not answer: is python -m msrcnn_mm app still running?"
    assert time.monotonic() < end
