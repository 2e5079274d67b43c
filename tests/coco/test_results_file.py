"""Results files: what is written is what was found; what is wrong gets one line."""

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
import pytest
from mmdet.evaluation.metrics import CocoMetric

from msrcnn_mm.coco.annotation_file import load_annotations
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.engine.results.dump import DumpCocoResults
from msrcnn_mm.errors import UserError
from tests.engine.results.test_metric import data_samples, run
from tests.support.coco_scenes import (
    CATEGORIES,
    SIDE,
    annotation,
    as_coco,
    coco_dict,
    detection,
    encode,
    plain_pycocotools,
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


def test_evaluates_as_the_live_results_do(ann_file: Path, tmp_path: Path) -> None:
    annotations, detections = random_scene(4)
    samples = data_samples(detections, 3, mask_scores=False)
    written = dump(DumpCocoResults(tmp_path / "results.json", ann_file), samples)
    assert not any("mask_score" in entry for entry in written)
    live = run(CocoMetric(ann_file=str(ann_file), metric=["bbox", "segm"]), samples)
    for iou_type in ("bbox", "segm"):
        scores = [entry["score"] for entry in written]
        stats = plain_pycocotools(
            as_coco(annotations, 3), written, scores, (100, 300, 1000), iou_type
        )
        assert round(stats[0], 3) == live[f"{iou_type}_mAP"]


def test_labels_follow_the_order_of_the_annotations_not_of_the_classes(tmp_path: Path) -> None:
    """MMDetection's CocoDataset numbers labels so, whatever order the config's classes have."""
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
    assert load_results(tmp_path / "results.json") == []


def test_a_class_the_annotations_lack(ann_file: Path, tmp_path: Path) -> None:
    metric = DumpCocoResults(tmp_path / "results.json", ann_file)
    metric.dataset_meta = {"classes": ("ring", "comet")}
    metric.process({}, data_samples([], 1))
    with pytest.raises(UserError, match="has no category named comet"):
        metric.evaluate(1)


def test_a_write_that_fails_leaves_the_old_file(
    ann_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out" / "results.json"
    dump(DumpCocoResults(out, ann_file), data_samples([], 1))

    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(json, "dump", fail)
    with pytest.raises(UserError, match=r"cannot write .*results.json: No space left"):
        dump(DumpCocoResults(out, ann_file), data_samples(random_scene(4)[1], 3))
    assert out.read_text() == "[]"
    assert [path.name for path in out.parent.iterdir()] == ["results.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*instances.json: No such file"),
        ("{", "instances.json is not JSON"),
        ("[]", "has no 'images'"),
        ('{"images": [], "annotations": []}', "has no 'categories'"),
    ],
)
def test_bad_annotations_end_before_the_test(
    tmp_path: Path, content: str | None, message: str
) -> None:
    ann_file = tmp_path / "instances.json"
    if content is not None:
        ann_file.write_text(content)
    with pytest.raises(UserError, match=message):
        DumpCocoResults(tmp_path / "results.json", ann_file)


def test_loads_what_was_dumped(ann_file: Path, tmp_path: Path) -> None:
    annotations, detections = random_scene(4)
    written = dump(DumpCocoResults(tmp_path / "r.json", ann_file), data_samples(detections, 3))
    assert load_results(tmp_path / "r.json", as_coco(annotations, 3)) == written


def test_loads_uncompressed_rles(tmp_path: Path) -> None:
    entry = detection(10, rectangle(0, 0, 1, 120), 0.5)
    compressed = entry["segmentation"]
    entry["segmentation"] = {"size": [120, 120], "counts": [0, 120, 119 * 120]}
    (tmp_path / "r.json").write_text(json.dumps([entry]))
    (loaded,) = load_results(tmp_path / "r.json")
    assert loaded["segmentation"] == compressed
    assert mask_utils.decode(loaded["segmentation"])[:, 0].all()


GOOD = detection(10, rectangle(0, 0, 9, 9), 0.5)


def without(field: str) -> dict[str, Any]:
    return {k: v for k, v in GOOD.items() if k != field}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON"),
        ("\udcff\udcfe", "is not JSON"),
        ('{"annotations": []}', "is no list of detections"),
        ([3], "detection 0 is no object"),
        ([GOOD, without("image_id")], "detection 1 has no 'image_id'"),
        ([without("category_id")], "has no 'category_id'"),
        ([without("segmentation")], "has no 'segmentation'"),
        ([without("score")], "has no 'score'"),
        ([GOOD | {"score": float("nan")}], "a score that is not a finite number: nan"),
        ([GOOD | {"score": "0.5"}], "a score that is not a finite number: 0.5"),
        ([GOOD | {"score": None}], "a score that is not a finite number: None"),
        ([GOOD | {"mask_score": float("inf")}], "a mask_score that is not a finite number: inf"),
        ([GOOD | {"foreground_prob": None}], "a foreground_prob that is not a finite number: None"),
        ([GOOD | {"segmentation": [[0, 0, 9, 0, 9, 9]]}], "not a run-length encoding"),
        ([GOOD | {"segmentation": {"counts": "0"}}], "not a run-length encoding"),
        ([GOOD | {"segmentation": {"size": [-1, 9], "counts": "0"}}], "not a run-length encoding"),
        ([GOOD | {"image_id": 99}], "is of image 99, which the annotations do not have"),
        ([GOOD | {"image_id": [1]}], r"has no valid image_id: \[1\]"),
        ([GOOD | {"category_id": 1}], "is of category 1, which the annotations do not have"),
        (
            [GOOD | {"segmentation": {"size": [9, 120], "counts": [9 * 120]}}],
            r"a mask of height, width \[9, 120\], but its image 10 is \[120, 120\]",
        ),
        (
            [GOOD | {"segmentation": {"size": [120, 120], "counts": [7, 8]}}],
            r"has a damaged run-length encoding: its runs do not add up to \[120, 120\] pixels",
        ),
        (
            [GOOD | {"segmentation": {"size": [120, 120], "counts": ["a"]}}],
            "has a damaged run-length encoding",
        ),
    ],
)
def test_bad_results_get_one_line(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "results.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=message) as error:
        load_results(path, as_coco([], 1))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def counts_of(mask: np.ndarray) -> str:
    return encode(mask)["counts"]


BLOBS = rectangle(10, 10, 60, 50) | rectangle(5, 70, 100, 90)
HANGS = counts_of(BLOBS)[:-7]  # pycocotools.mask.iou takes more than ten minutes


def damaged(counts: str) -> list[dict[str, Any]]:
    return [GOOD, GOOD | {"segmentation": {"size": [SIDE, SIDE], "counts": counts}}]


@pytest.mark.parametrize("counts", [HANGS, "", "P", "0", "ä", "\n", "P" * 9 + "0", "O0P1"])
def test_damaged_masks_get_one_line(tmp_path: Path, counts: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(damaged(counts)))
    with pytest.raises(UserError, match="detection 1 has a damaged run-length encoding") as error:
        load_results(path)
    assert "\n" not in str(error.value)


def test_every_cut_of_a_mask_is_found(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    whole = counts_of(BLOBS)
    for end in range(len(whole)):
        path.write_text(json.dumps(damaged(whole[:end])))
        with pytest.raises(UserError, match="damaged run-length encoding"):
            load_results(path)


def test_a_damaged_mask_ends_the_command_at_once(tmp_path: Path) -> None:
    """In a process of its own, which can be stopped: pycocotools would not return."""
    (tmp_path / "results.json").write_text(json.dumps(damaged(HANGS)))
    content = coco_dict([annotation(1, 10, BLOBS)], 1)
    (tmp_path / "gt.json").write_text(json.dumps(content))
    tool = Path(__file__).parents[2] / "tools" / "draw_scores.py"
    paths = [tmp_path / name for name in ("results.json", "gt.json", "images", "out.png")]
    done = subprocess.run(
        [sys.executable, tool, *paths], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("its runs do not add up to [120, 120] pixels")


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"size": [SIDE, SIDE], "counts": HANGS}, "annotation 1 has a damaged run-length encoding"),
        ({"size": [9, 9], "counts": [81]}, r"annotation 1 has a mask of height, width \[9, 9\]"),
    ],
)
def test_damaged_annotations_get_one_line(
    tmp_path: Path, rle: dict[str, Any], message: str
) -> None:
    content = coco_dict([annotation(1, 10, BLOBS) | {"segmentation": rle}], 1)
    (tmp_path / "gt.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"gt.json: {message}"):
        load_annotations(tmp_path / "gt.json")


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("images", lambda e: e.pop("height"), "image 10 has no 'height'"),
        ("categories", lambda e: e.pop("name"), "category 3 has no 'name'"),
        ("annotations", lambda e: e.pop("segmentation"), "annotation 1 has no 'segmentation': add"),
        (
            "annotations",
            lambda e: e.update(segmentation=None),
            "annotation 1 has no 'segmentation'",
        ),
        ("images", lambda e: e.update(id=11), "two of image 11: number them anew"),
        ("annotations", lambda e: e.update(id=2), "two of annotation 2: number them anew"),
        ("categories", lambda e: e.update(id=7), "two of category 7: number them anew"),
    ],
)
def test_incomplete_annotations_get_one_line(
    tmp_path: Path, part: str, change: Callable[[dict], object], message: str
) -> None:
    content = coco_dict([annotation(1, 10, BLOBS), annotation(2, 10, BLOBS)], 2)
    change(content[part][0])
    (tmp_path / "gt.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"gt.json: {message}"):
        load_annotations(tmp_path / "gt.json")


def test_missing_file_and_folder_get_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*none\.json: No such file or directory"):
        load_results(tmp_path / "none.json")
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        load_results(tmp_path)
