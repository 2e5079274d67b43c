"""What the page gets: every number, and outlines that cover the masks."""

import base64
import io

import numpy as np
import pycocotools.mask as mask_utils
from PIL import Image

from msrcnn_mm.app.content import content
from msrcnn_mm.app.model import Found

from .scene import BOXES, HEIGHT, MASK_SCORES, SCORES, WIDTH, rows

PICTURE = np.full((HEIGHT, WIDTH, 3), (200, 40, 90), np.uint8)


def test_scores_and_numbers() -> None:
    found = content(Found(PICTURE, rows(), ["odd"]), "a.png")
    assert found["score"] == "mask_score"
    assert content(Found(PICTURE, rows()), "a.png", "maskness")["score"] == "maskness"
    values = {key: score["values"] for key, score in found["scores"].items()}
    assert values == {
        "class_score": [*SCORES],
        "mask_score": [*MASK_SCORES],
        "maskness": [0.75 * SCORES[0], 0.75 * SCORES[1], SCORES[2]],  # without it the class score
    }
    numbers = dict(found["numbers"])
    assert list(numbers) == [
        *("class score", "mask IoU", "mask score", "maskness", "foreground probability"),
        "area in pixels",
    ]
    np.testing.assert_allclose(numbers["mask IoU"], np.divide(MASK_SCORES, SCORES))
    assert numbers["foreground probability"] == [0.75, 0.75, None]
    assert numbers["area in pixels"] == [width * height for _, _, width, height in BOXES]
    assert found["rows"] == rows()
    assert (found["width"], found["height"], found["notes"]) == (WIDTH, HEIGHT, ["odd"])


def test_outlines_and_picture_are_those_of_the_image() -> None:
    found = content(Found(PICTURE, rows()), "a.png")
    for polygons, row in zip(found["outlines"], rows(), strict=True):
        drawn = mask_utils.decode(mask_utils.frPyObjects(polygons, HEIGHT, WIDTH)).any(axis=2)
        np.testing.assert_array_equal(drawn, mask_utils.decode(row["segmentation"]))
    head, _, data = found["picture"].partition(",")
    assert head == "data:image/jpeg;base64"
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)
    assert abs(picture - PICTURE).max() <= 3


def test_without_masks() -> None:
    found = content(Found(PICTURE, []), "a.png", "mask_score")
    assert found["score"] == "class_score"
    assert (found["rows"], found["outlines"]) == ([], [])
    assert dict(found["numbers"]) == {"class score": [], "area in pixels": []}
