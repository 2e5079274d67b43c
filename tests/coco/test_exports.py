"""Files as annotation tools export them: each object is read, or refused in one line."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError
from tests.support import exports

Content = dict[str, Any]


def read(content: Content) -> AnnotationFile:
    file = AnnotationFile("train.json", content)
    file.complete(masks=True)
    return file


@pytest.mark.parametrize(
    ("export", "objects", "note"),
    [
        (exports.cvat, 3, ""),
        (exports.label_studio, 1, "the annotation id 0"),
        (lambda: exports.label_studio(annotators=2), 2, "image files are listed more than once"),
        (exports.roboflow, 2, "the annotation id 0"),
        (exports.labelme2coco, 2, ""),
        (exports.labelme, 1, "the annotation id 0"),
        (exports.via, 2, ""),
        (exports.via_2_0_8, 1, "segmentation (from a flat list) in 1 entries"),
    ],
)
def test_every_object_is_read(export: Callable[[], Content], objects: int, note: str) -> None:
    file = read(export())
    assert len(file.annotations) == objects
    assert note in " ".join(file.notes)
    assert bool(note) == bool(file.notes)
    coco = file.coco()
    for entry in file.annotations:
        x, y, width, height = entry["bbox"]
        rows, columns = np.nonzero(coco.annToMask(entry))
        assert rows.size > 0
        assert x - 1 <= columns.min() <= columns.max() <= x + width + 1
        assert y - 1 <= rows.min() <= rows.max() <= y + height + 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (exports.cvat(rectangle=True), "annotation 4 (in cam1/0001.png): segmentation is []"),
        (exports.label_studio(rectangle=True), "annotation 1 (in images/1a2b3c4d-a.png): segme"),
        (exports.roboflow(boxes=True), "annotation 0 (in a_png.rf."),
        (exports.labelme2coco(rectangle=True), "annotation 3 (in data/mine/train/a.png): segmenta"),
        # a polygon of two corners, which pycocotools takes for a box x, y, width, height
        (
            exports.labelme(rectangle=True),
            "annotation 1 (in JPEGImages/a.jpg): segmentation has",
        ),
        (exports.via(point=True), "annotation 3 (in a.png): segmentation has no polygon of three"),
        (exports.via(twice=True), "the annotation id 1 occurs more than once: number them anew"),
        (exports.via_2_0_8(null_category=True), "no annotation is of an image and a category"),
    ],
)
def test_what_has_no_mask_or_class_is_one_line(content: Content, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(content)
    assert str(caught.value).startswith(f"train.json: {message}")
    assert "\n" not in str(caught.value)
