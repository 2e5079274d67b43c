"""Annotations, results and images in a folder, and the report on them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from msrcnn_mm.cli import report as score_report
from tests.support.coco_scenes import SIDE, coco_dict, random_scene
from tests.support.report.reading import Page, read

IMAGES = 8


class Files:
    """Annotations, results and images in a folder, and the report on them."""

    def __init__(self, folder: Path, scene: Any, categories: dict[int, str]) -> None:
        self.folder = folder
        self.annotations, self.results = folder / "gt.json", folder / "results.json"
        self.images, self.out = folder / "images", folder / "new" / "report"
        annotations, detections = scene
        self.annotations.write_text(json.dumps(coco_dict(annotations, IMAGES, categories)))
        self.results.write_text(json.dumps(detections))
        self.images.mkdir()
        for i in range(IMAGES):
            image = np.full((SIDE, SIDE, 3), 90 + 10 * i, np.uint8)
            cv2.imwrite(str(self.images / f"{i}.png"), image)

    def report(self, *options: str) -> Page:
        paths = (self.results, self.annotations, self.out)
        score_report.main([*(str(path) for path in paths), *options])
        return read(self.out / "report.html")

    def data(self) -> dict[str, Any]:
        return json.loads((self.out / "report.json").read_text())

    def rewrite(self, change: Any) -> None:
        content = json.loads(self.results.read_text())
        self.results.write_text(json.dumps([change(d) for d in content]))

    def annotate(self, change: Any) -> None:
        content = json.loads(self.annotations.read_text())
        change(content)
        self.annotations.write_text(json.dumps(content))


def scene() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns random annotations, and detections with the scores of a detector."""
    annotations, detections = random_scene(5, IMAGES)
    for i, d in enumerate(detections):
        d["foreground_prob"] = 0.5 + 0.4 * ((i * 7) % 10) / 10
    return annotations, detections
