"""The metric against MMDetection's own and against plain pycocotools."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
import pytest
import torch
from mmdet.evaluation.metrics import CocoMetric
from mmengine.logging import MMLogger

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.engine.adapters.dump import DumpCocoResults
from msrcnn_mm.engine.adapters.metric import MaskScoreMetric
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.summaries import metric_keys
from tests.support.coco_scenes import (
    CATEGORIES,
    SIDE,
    annotation,
    coco_dict,
    detection,
    random_scene,
    rectangle,
)

SCORES = ("class_score", "mask_score", "maskness")
OURS = {
    *(f"segm_mAP_{name}" for name in (*SCORES, "quality_oracle", "oracle", "tp_share")),
    *("oracle_gap", "quality_gap", "false_alarm_gap"),
    *("recovered_share", "recovered_share_maskness"),
    *(f"mask_iou_{name}" for name in ("mae", "bias", "pearson", "spearman", "auroc")),
    *(f"segm_{e}_{s}" for e in ("laece", "laace", "dece", "lrp", "olrp") for s in SCORES),
}

DEFAULT = {f"segm_mAP{size}" for size in ("", "_50", "_75", "_s", "_m", "_l")}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Collects the metric's log; mmengine's logger does not propagate its records."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO)
    yield caplog
    logger.removeHandler(caplog.handler)


def data_samples(
    detections: list[dict[str, Any]], num_images: int, mask_scores: bool = True
) -> list[dict[str, Any]]:
    """Makes a model's output of COCO detections; scores are float32, as a model's."""
    labels = {category_id: label for label, category_id in enumerate(CATEGORIES)}
    samples = []
    for image_id in range(10, 10 + num_images):
        own = [d for d in detections if d["image_id"] == image_id]
        boxes = np.array([d["bbox"] for d in own], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        masks = np.zeros((len(own), SIDE, SIDE), bool)
        for mask, d in zip(masks, own, strict=True):
            mask[:] = mask_utils.decode(d["segmentation"])
        prediction = {
            "bboxes": torch.from_numpy(boxes),
            "labels": torch.tensor([labels[d["category_id"]] for d in own], dtype=torch.long),
            "scores": torch.tensor([d["score"] for d in own], dtype=torch.float32),
            "masks": torch.from_numpy(masks),
        }
        if mask_scores:
            for field in ("mask_iou", "mask_score", "foreground_prob"):
                values = torch.tensor([d[field] for d in own], dtype=torch.float32)
                prediction[f"{field}s"] = values
        samples.append(
            {"img_id": image_id, "ori_shape": (SIDE, SIDE), "pred_instances": prediction}
        )
    return samples


def run(metric: CocoMetric, samples: list[dict[str, Any]], batch: int = 2) -> dict[str, float]:
    metric.dataset_meta = {"classes": tuple(CATEGORIES.values())}
    for start in range(0, len(samples), batch):
        metric.process({}, samples[start : start + batch])
    return {k.removeprefix("coco/"): v for k, v in metric.evaluate(len(samples)).items()}


@pytest.fixture
def ann_file(tmp_path: Path) -> Path:
    return tmp_path / "instances.json"


def write(path: Path, annotations: list[dict[str, Any]], num_images: int = 3) -> str:
    path.write_text(json.dumps(coco_dict(annotations, num_images)))
    return str(path)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mask_scores", [True, False])
def test_keeps_every_key_and_value_of_coco_metric(
    ann_file: Path, seed: int, mask_scores: bool
) -> None:
    annotations, detections = random_scene(seed)
    samples = data_samples(detections, 3, mask_scores)
    options = {
        "ann_file": write(ann_file, annotations),
        "metric": ["bbox", "segm", "proposal"],
        "classwise": True,
    }
    stock = run(CocoMetric(**options), samples)
    ours = run(MaskScoreMetric(**options), samples)
    assert {k: v for k, v in ours.items() if k not in OURS} == pytest.approx(stock, 0, 0, True)
    assert list(ours)[: len(stock)] == list(stock)
    assert ("segm_mAP_mask_score" in ours) == mask_scores
    ranked_by = "segm_mAP_mask_score" if mask_scores else "segm_mAP_class_score"
    assert ours["segm_mAP"] == ours[ranked_by]


def test_many_things_in_an_image(ann_file: Path, log: pytest.LogCaptureFixture) -> None:
    """130 instances, each detected twice: pycocotools' AP uses 100 detections only.

    More than 255 RLEs in one image, too: pycocotools.mask.area overflows there under numpy 2.
    """
    corners = [(4 * (i % 26), 4 * (i // 26)) for i in range(130)]
    masks = [rectangle(x, y, x + 3, y + 3) for x, y in corners]
    annotations = [annotation(i + 1, 10, mask) for i, mask in enumerate(masks)]
    detections = [detection(10, m, score, mask_iou=0.8) for score in (0.9, 0.4) for m in masks]
    options = {
        "ann_file": write(ann_file, annotations, 1),
        "metric": ["bbox", "segm"],
        "proposal_nums": (1, 10, 400),
    }
    samples = data_samples(detections, 1)
    stock = run(CocoMetric(**options), samples)
    assert stock["bbox_mAP"] == stock["segm_mAP"] == -1  # fixed here
    ours = run(MaskScoreMetric(**options), samples)
    for name in ("bbox_mAP", "segm_mAP", "segm_mAP_class_score", "segm_mAP_oracle"):
        assert ours[name] == 1
    assert {k: v for k, v in ours.items() if k in stock and not k.endswith("_mAP")} == {
        k: v for k, v in stock.items() if not k.endswith("_mAP")
    }
    assert "*_mAP is at 400 detections" in log.text


def test_at_most_100_detections_where_mmdetection_has_it_so(ann_file: Path) -> None:
    masks = [rectangle(i, 0, i + 1, 9) for i in range(120)]
    annotations = [annotation(i + 1, 10, mask) for i, mask in enumerate(masks)]
    samples = data_samples([detection(10, m, 0.9, mask_iou=0.8) for m in masks], 1)
    options = {"ann_file": write(ann_file, annotations, 1), "metric": "segm"}
    ours = run(MaskScoreMetric(**options), samples)
    assert (
        ours["segm_mAP"]
        == ours["segm_mAP_oracle"]
        == run(CocoMetric(**options), samples)["segm_mAP"]
    )
    assert ours["segm_mAP"] < 0.9 < ours["segm_mAP_50"] == 1


def test_one_table_in_the_log(ann_file: Path, log: pytest.LogCaptureFixture) -> None:
    annotations, detections = random_scene(4)
    options = {"ann_file": write(ann_file, annotations), "metric": ["bbox", "segm"]}
    ours = run(MaskScoreMetric(**options), data_samples(detections, 3))
    assert log.text.count("segm, ranked by") == 1
    assert f"quality gap: {100 * ours['quality_gap']:.1f} points" in log.text


def test_images_that_were_not_tested_are_told(
    ann_file: Path, log: pytest.LogCaptureFixture
) -> None:
    """With test_dataloader.dataset.indices their instances would count as missed, unreported."""
    annotations, detections = random_scene(4)
    metric = MaskScoreMetric(ann_file=write(ann_file, annotations), metric="segm")
    samples = data_samples(detections, 3)
    run(metric, samples)
    assert "not tested" not in log.text
    run(metric, samples[:2])
    assert "1 of the 3 annotated images were not tested" in log.text


def test_boxes_alone_add_nothing(ann_file: Path, log: pytest.LogCaptureFixture) -> None:
    annotations, detections = random_scene(4)
    options = {"ann_file": write(ann_file, annotations), "metric": "bbox"}
    ours = run(MaskScoreMetric(**options), data_samples(detections, 3))
    assert ours == run(CocoMetric(**options), data_samples(detections, 3))
    assert "ranked by" not in log.text


def test_no_detections_in_any_image(ann_file: Path, log: pytest.LogCaptureFixture) -> None:
    annotations, _ = random_scene(4)
    metric = MaskScoreMetric(ann_file=write(ann_file, annotations), metric=["bbox", "segm"])
    assert run(metric, data_samples([], 3)) == {}
    assert "no detection in any image" in log.text


def test_no_results(ann_file: Path, log: pytest.LogCaptureFixture) -> None:
    annotations, _ = random_scene(4)
    assert run(MaskScoreMetric(ann_file=write(ann_file, annotations), metric="segm"), []) == {}
    assert "no image was tested" in log.text


def test_no_ground_truth(ann_file: Path, log: pytest.LogCaptureFixture) -> None:
    _, detections = random_scene(4)
    options = {"ann_file": write(ann_file, []), "metric": ["bbox", "segm"]}
    ours = run(MaskScoreMetric(**options), data_samples(detections, 3))
    assert ours["segm_mAP"] == ours["segm_mAP_class_score"] == ours["segm_mAP_oracle"] == -1
    assert "oracle_gap" not in ours and "recovered_share" not in ours
    assert "undefined, there is no ground truth" in log.text


def test_results_without_masks(ann_file: Path) -> None:
    annotations, detections = random_scene(4)
    samples = data_samples(detections, 3, mask_scores=False)
    for sample in samples:
        del sample["pred_instances"]["masks"]
    metric = MaskScoreMetric(ann_file=write(ann_file, annotations), metric="segm")
    with pytest.raises(UserError, match="the results hold no masks"):
        run(metric, samples)


def test_ground_truth_from_the_data_set(log: pytest.LogCaptureFixture) -> None:
    """Without an annotation file MMDetection takes the instances in the samples."""
    mask = rectangle(10, 10, 50, 50)
    samples = data_samples([detection(10, mask, 0.9, mask_iou=0.5)], 1)
    rle = annotation(1, 10, mask)["segmentation"]
    samples[0]["instances"] = [{"bbox_label": 0, "bbox": [10, 10, 50, 50], "mask": rle}]
    ours = run(MaskScoreMetric(metric="segm"), samples)
    assert ours["segm_mAP_oracle"] == 1


def test_every_key_is_of_the_evaluation_from_files(ann_file: Path, tmp_path: Path) -> None:
    """The evaluation of live results is that of files."""
    annotations, detections = random_scene(4)
    path = write(ann_file, annotations)
    ours = run(MaskScoreMetric(ann_file=path, metric="segm"), data_samples(detections, 3))
    assert {key for key in ours if key not in DEFAULT} == OURS
    dumped = DumpCocoResults(tmp_path / "results.json", path)
    run(dumped, data_samples(detections, 3))
    coco = load_annotations(path)
    evaluation = evaluate_scores(coco, load_results(tmp_path / "results.json", coco))
    assert {key: ours[key] for key in OURS} == metric_keys(evaluation, ["segm"])
    assert ours["segm_olrp_mask_score"] == round(evaluation.lrp["mask_score"].optimal.error, 3)
    assert ours["mask_iou_mae"] == round(evaluation.mask_iou_quality.mean_absolute_error, 3)


def test_boundary_beside_the_others_or_alone(ann_file: Path, log: pytest.LogCaptureFixture) -> None:
    mask = rectangle(10, 10, 90, 90)
    loose = rectangle(14, 14, 86, 86)
    found = [detection(10, mask, 0.5, mask_iou=0.9), detection(11, loose, 0.9, mask_iou=0.5)]
    truth = [annotation(i + 1, 10 + i, mask) for i in range(2)]
    options = {"ann_file": write(ann_file, truth)}
    samples = data_samples(found, 3)
    both = run(MaskScoreMetric(metric=["segm", "boundary"], **options), samples)
    alone = run(MaskScoreMetric(metric="boundary", **options), samples)
    segm = run(MaskScoreMetric(metric="segm", **options), samples)
    assert {**segm, **alone} == both
    assert all(key.startswith("boundary_mAP") for key in alone)
    assert 0 < alone["boundary_mAP"] == alone["boundary_mAP_mask_score"] < segm["segm_mAP"]
    assert log.text.count("boundary, ranked by") == 2


def test_an_unknown_metric_item(ann_file: Path) -> None:
    with pytest.raises(UserError, match="metric_items: there is no mAP_60"):
        MaskScoreMetric(ann_file=write(ann_file, []), metric="segm", metric_items=["mAP_60"])


def test_recalls_by_their_names(ann_file: Path) -> None:
    annotations, detections = random_scene(4)
    options = {"ann_file": write(ann_file, annotations), "metric": ["bbox", "segm"]}
    options["metric_items"] = ["AR@100", "AR@300", "AR@1000", "AR_s@1000", "AR_m@1000", "mAP_75"]
    stock = run(CocoMetric(**options), data_samples(detections, 3))
    ours = run(MaskScoreMetric(**options), data_samples(detections, 3))
    assert {key: ours[key] for key in stock} == stock


def test_metric_items_choose_mmdetections_keys_only(ann_file: Path) -> None:
    annotations, detections = random_scene(4)
    options = {"ann_file": write(ann_file, annotations), "metric": "segm"}
    ours = run(MaskScoreMetric(metric_items=["mAP_50"], **options), data_samples(detections, 3))
    assert {"segm_mAP_50", "segm_mAP_oracle"} <= set(ours)
    assert "segm_mAP" not in ours


def test_format_only_writes_and_evaluates_nothing(ann_file: Path, tmp_path: Path) -> None:
    annotations, detections = random_scene(4)
    metric = MaskScoreMetric(
        ann_file=write(ann_file, annotations),
        metric="segm",
        format_only=True,
        outfile_prefix=str(tmp_path / "test"),
    )
    assert run(metric, data_samples(detections, 3)) == {}
    assert (tmp_path / "test.segm.json").exists()


def test_masks_that_are_encoded_already_are_not_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a detector with views; results files have its agreement."""
    annotations, detections = random_scene(4)
    truth = tmp_path / "gt.json"
    truth.write_text(json.dumps(coco_dict(annotations, 3)))
    metrics = [
        MaskScoreMetric(str(truth), metric="segm"),
        DumpCocoResults(tmp_path / "out.json", truth),
    ]
    expected = {}
    for encoded in (False, True):
        samples = data_samples(detections, 3)
        for sample in samples if encoded else ():
            prediction = sample["pred_instances"]
            own = [d for d in detections if d["image_id"] == sample["img_id"]]
            prediction["mask_rles"] = [d["segmentation"] for d in own]
            prediction["view_agreement"] = [{"views": ["mirrored"], "agreement": 0.5}] * len(own)
        for metric in metrics:
            metric.dataset_meta = {"classes": tuple(CATEGORIES.values())}
            metric.process({}, samples)
        found = metrics[0].evaluate(3)
        assert expected in ({}, found)
        expected = found
        metrics[1].evaluate(3)
        rows = json.loads((tmp_path / "out.json").read_text())
        assert len(rows) == len(detections)
        assert [row["segmentation"] for row in rows] == [d["segmentation"] for d in detections]
        for row in rows:
            assert ("view_agreement" in row) == encoded
        for module in (
            "mmdet.evaluation.metrics.coco_metric",
            "msrcnn_mm.engine.adapters.predictions",
        ):
            monkeypatch.delattr(f"{module}.encode_mask_results", raising=False)
