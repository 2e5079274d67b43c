"""Tests files of instances by reading them as the importers of annotation tools do."""

import json
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
import pytest

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.prelabels import instances
from tests.support.coco_scenes import SIDE, as_coco, detection, rectangle

CATEGORIES = [{3: "ring", 7: "star"}, {0: "ring", 1: "star"}]


def written(categories: dict[int, str]) -> dict[str, Any]:
    first, second = categories
    parts = rectangle(5, 5, 25, 30) | rectangle(60, 60, 64, 66)
    rows = [
        detection(10, rectangle(40, 50, 70, 90), 0.9) | {"category_id": first},
        detection(11, np.zeros((SIDE, SIDE), np.uint8), 0.8) | {"category_id": first},
        detection(11, parts, 0.7) | {"category_id": second, "bbox": [0.5, 0.5, 99.0, 99.0]},
    ]
    detections = Detections.from_rows(rows)
    coco = as_coco([], 3, categories)
    entries = {"score": detections.class_scores}
    content = instances(coco, detections, [2, 1, 0], [11, 10, 12], entries, first_id=5)
    return json.loads(json.dumps(content))  # type: ignore[no-any-return]


@pytest.mark.parametrize("categories", CATEGORIES)
def test_the_tools_find_what_they_read(categories: dict[int, str]) -> None:
    content = written(categories)
    names = {int(c["id"]): c["name"] for c in content["categories"]}
    assert [image["id"] for image in content["images"]] == [11, 10, 12]
    assert [a["id"] for a in content["annotations"]] == [5, 7]  # a mask of no pixel has none
    assert list(names.values()) == ["ring", "star"]
    for entry, label, area in zip(
        content["annotations"], ("star", "ring"), (524, 1200), strict=True
    ):
        assert names[entry["category_id"]] == label
        assert entry["category_id"] != 0  # Datumaro, in CVAT: no label
        assert entry["iscrowd"] == 0 and entry["area"] == area
        polygons = entry["segmentation"]
        mask = mask_utils.decode(mask_utils.merge(mask_utils.frPyObjects(polygons, SIDE, SIDE)))
        x, y, width, height = (round(v) for v in entry["bbox"])
        assert mask[y : y + height, x : x + width].sum() == mask.sum() == area  # FiftyOne
        points = list(zip(*[iter(polygons[0])] * 2, strict=True))  # Label Studio
        assert len(points) >= 4 and all(0 <= v <= SIDE for point in points for v in point)
    assert [a["score"] for a in content["annotations"]] == [0.7, 0.9]


def test_this_package_reads_the_file_without_a_note() -> None:
    file = AnnotationFile("accepted.json", written(CATEGORIES[0]))
    file.complete(masks=True)
    assert not file.notes and len(file.annotations) == 2
