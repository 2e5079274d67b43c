"""Tests of the results file that a test run writes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.engine.adapters.dump import DumpCocoResults
from msrcnn_mm.errors import UserError
from tests.engine.adapters.test_metric import data_samples
from tests.support.coco_scenes import (
    CATEGORIES,
    coco_dict,
    detection,
    random_scene,
    rectangle,
)


@pytest.fixture
def ann_file(tmp_path: Path) -> Path:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(coco_dict(random_scene(4)[0], 3)))
    return path


def dump(metric: DumpCocoResults, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    metric.dataset_meta = {"classes": tuple(CATEGORIES.values())}
    metric.process({}, samples)
    assert metric.evaluate(len(samples)) == {}
    return json.loads(metric.out_file.read_text())


def test_writes_every_detection(ann_file: Path, tmp_path: Path) -> None:
    _, detections = random_scene(4)
    out = tmp_path / "new" / "results.json"
    written = dump(DumpCocoResults(out, ann_file), data_samples(detections, 3))
    assert len(written) == len(detections)
    for entry, source in zip(written, detections, strict=True):
        assert entry["image_id"] == source["image_id"]
        assert entry["category_id"] == source["category_id"]
        assert entry["bbox"] == source["bbox"]
        assert entry["segmentation"] == source["segmentation"]
        for field in ("score", "mask_iou", "mask_score", "foreground_prob"):
            assert entry[field] == np.float32(source[field])
    assert [path.name for path in out.parent.iterdir()] == ["results.json"]  # nothing half-done
    assert load_results(out).to_rows() == written


def test_labels_follow_the_order_of_the_annotations_not_of_the_classes(tmp_path: Path) -> None:
    """MMDetection's CocoDataset numbers labels so, whatever the order of the config's classes."""
    ann_file = tmp_path / "instances.json"
    ann_file.write_text(json.dumps(coco_dict([], 1, {9: "star", 4: "moon", 2: "ring"})))
    metric = DumpCocoResults(tmp_path / "results.json", ann_file)
    samples = data_samples(
        [detection(10, rectangle(0, 0, 9, 9), 0.5, category_id) for category_id in (3, 7)],
        1,
        mask_scores=False,
    )
    assert [entry["category_id"] for entry in dump(metric, samples)] == [9, 2]


def test_boxes_alone(ann_file: Path, tmp_path: Path) -> None:
    samples = data_samples(random_scene(4)[1], 3, mask_scores=False)
    for sample in samples:
        del sample["pred_instances"]["masks"]
    written = dump(DumpCocoResults(tmp_path / "results.json", ann_file), samples)
    assert set(written[0]) == {"image_id", "category_id", "bbox", "score"}


def test_no_detections_are_an_empty_list(ann_file: Path, tmp_path: Path) -> None:
    assert dump(DumpCocoResults(tmp_path / "results.json", ann_file), data_samples([], 3)) == []
    assert len(load_results(tmp_path / "results.json")) == 0


def test_a_class_the_annotations_lack(ann_file: Path, tmp_path: Path) -> None:
    metric = DumpCocoResults(tmp_path / "results.json", ann_file)
    metric.dataset_meta = {"classes": ("ring", "comet")}
    metric.process({}, data_samples([], 1))
    with pytest.raises(UserError, match="has no category named comet"):
        metric.evaluate(1)


def test_bad_annotations_end_before_the_test(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such annotation file: .*instances.json"):
        DumpCocoResults(tmp_path / "results.json", tmp_path / "instances.json")
