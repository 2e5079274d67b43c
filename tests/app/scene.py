"""A stub of a model: it finds three masks in any image, with all scores."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
from PIL import Image

from msrcnn_mm.app.model import Found
from msrcnn_mm.app.server import PageServer

HEIGHT, WIDTH = 60, 80
BOXES = ((5, 5, 70, 50), (10, 10, 20, 20), (50, 30, 15, 15))  # the second and third on the first
CLASSES = (7, 3, 7)
SCORES = (0.9, 0.5, 0.2)
MASK_SCORES = (0.45, 0.48, 0.1)


def rows() -> list[dict[str, Any]]:
    """Returns the rows of the masks, which are boxes."""
    found = []
    for (x, y, width, height), category, score, mask_score in zip(
        BOXES, CLASSES, SCORES, MASK_SCORES, strict=True
    ):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
        mask[y : y + height, x : x + width] = 1
        rle = mask_utils.encode(mask)
        found.append(
            dict(
                image_id=1,
                category_id=category,
                bbox=[float(x), float(y), float(width), float(height)],
                segmentation={"size": [HEIGHT, WIDTH], "counts": rle["counts"].decode()},
                score=score,
                mask_iou=mask_score / score,
                mask_score=mask_score,
                foreground_prob=0.75,
            )
        )
    del found[2]["foreground_prob"]
    return found


class StubModel:
    """A model that finds the same masks in each image, as large as it wants them."""

    name = "stub"
    categories = (dict(id=3, name="<b>cell</b>"), dict(id=7, name="disk"))

    def __init__(self) -> None:
        self.files: list[Path] = []
        self.error: Exception | None = None
        self.go = threading.Event()
        self.go.set()

    def find(self, file: Path, name: str) -> Found:
        assert self.go.wait(60)
        self.files.append(file)
        if self.error is not None:
            raise self.error
        picture = np.asarray(Image.open(file).convert("RGB").resize((WIDTH, HEIGHT)))
        return Found(picture, rows(), [f"{name} was read."])


@contextmanager
def served(model: StubModel, **settings: Any) -> Iterator[PageServer]:
    """Serves a model in a thread."""
    server = PageServer(model, 0, **settings)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        model.go.set()
        server.shutdown()
        thread.join()
        server.server_close()
