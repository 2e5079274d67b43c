"""The option --oracle of the command test: true IoUs in all that it measures and writes."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.structures import InstanceData

from msrcnn_mm.cli.test import parse_args
from msrcnn_mm.engine.adapters import metric as mask_score_metric
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import ScoreEvaluation
from tests.engine.adapters.test_metric import data_samples
from tests.support.plain_matching import plain_true_ious
from tests.support.scene_runs import ANNOTATIONS, CLASSES, DETECTIONS, IMAGES, metrics, write_run
from tests.support.tiny import tiny_config


@MODELS.register_module()
class SceneDetector(BaseModel):
    """A host that detects the scene's detections: masks as good as a trained model's."""

    def __init__(self, mask_scores: bool = True, masks: bool = True) -> None:
        super().__init__(dict(type="DetDataPreprocessor"))
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.fields = {"bboxes", "labels", "scores"} | ({"masks"} if masks else set())
        if mask_scores:
            self.fields |= {"mask_ious", "mask_scores"}
        found = data_samples(DETECTIONS, IMAGES)
        self.found = {sample["img_id"]: sample["pred_instances"] for sample in found}

    def forward(
        self, inputs: Any, data_samples: list[DetDataSample], mode: str
    ) -> list[DetDataSample]:
        assert mode == "predict"
        for sample in data_samples:
            found = self.found[sample.img_id]
            fields = {name: value.clone() for name, value in found.items() if name in self.fields}
            sample.pred_instances = InstanceData(**fields)
        return data_samples


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def scene_run(root: Path, metric: str = "MaskScoreMetric", **model: Any) -> tuple[str, str]:
    """Writes a config of the scene's detector, and a checkpoint."""
    config = tiny_config()
    config.model = dict(type="SceneDetector", **model)
    return write_run(config, root, metric)


def log() -> str:
    return max(Path("run").glob("*/*.log")).read_text()


@pytest.mark.parametrize("mask_scores", [True, False])
def test_the_aps_are_the_oracles_to_the_last_bit(
    root: Path, monkeypatch: pytest.MonkeyPatch, mask_scores: bool
) -> None:
    evaluations: list[ScoreEvaluation] = []

    def spy(*args: Any, **kwargs: Any) -> ScoreEvaluation:
        evaluations.append(evaluate_scores(*args, **kwargs))
        return evaluations[-1]

    monkeypatch.setattr(mask_score_metric, "evaluate_scores", spy)
    run = scene_run(root, mask_scores=mask_scores)
    plain, bound = metrics(run), metrics(run, "--oracle")
    usual, reached = (evaluation.rankings for evaluation in evaluations)
    assert 0 < usual["class_score"].ap["AP"] < usual["oracle"].ap["AP"]  # there is one to reach
    assert reached["mask_score"].ap == usual["oracle"].ap
    assert reached["mask_score"].ap_by_iou == usual["oracle"].ap_by_iou
    assert reached["class_score"].ap == usual["class_score"].ap
    assert bound["coco/segm_mAP"] == plain["coco/segm_mAP_oracle"] == bound["coco/segm_mAP_oracle"]
    # more than 1: the quality gap is without the false alarms, which the oracle knows
    assert bound["coco/recovered_share"] == round(usual["oracle"].recovered_share["AP"], 3) > 1
    boxes = {key: value for key, value in plain.items() if "bbox" in key}
    assert {key: value for key, value in bound.items() if "bbox" in key} == boxes != {}


def test_mmdetections_own_metric_measures_the_bound(root: Path) -> None:
    plain = metrics(scene_run(root), "--eval", "segm")
    run = scene_run(root, metric="CocoMetric", mask_scores=False)
    bound = metrics(run, "--oracle")
    assert bound["coco/segm_mAP"] == plain["coco/segm_mAP_oracle"] > metrics(run)["coco/segm_mAP"]


def test_the_log_says_that_it_is_no_result(root: Path) -> None:
    run = scene_run(root)
    metrics(run, "--oracle")
    before, after = log().split("coco/segm_mAP:")
    assert "oracle, not a result: mask_ious are the true IoUs" in before
    assert "above are those of the oracle, not a result of this model" in after


@pytest.mark.parametrize(
    "name", ["ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py", "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"]
)
def test_what_is_written_has_the_true_ious(root: Path, name: str) -> None:
    config = tiny_config(name)
    for head in config.model.roi_head.values():
        if "num_classes" in head:
            head.num_classes = len(CLASSES)
    config.model.test_cfg.rcnn.update(max_per_img=40, mask_thr_binary=0.001)
    run = write_run(config, root, "CocoMetric")
    metrics(run, "--oracle", "--out", "x.json", "--show-dir", "shown")
    detections = json.loads(Path("x.json").read_text())
    truth = plain_true_ious(detections, ANNOTATIONS)
    assert sum(iou > 0.01 for iou in truth) > 10, sorted(truth)  # of random weights, but masks
    assert [d["mask_iou"] for d in detections] == pytest.approx(truth, abs=1e-12)
    assert all(d["mask_score"] == d["score"] * d["mask_iou"] for d in detections)
    assert len(list(Path("shown").iterdir())) == IMAGES
    metrics(run, "--oracle", "--out", "x.pkl")
    first = pickle.loads(Path("x.pkl").read_bytes())[0]
    own = [d["mask_iou"] for d in detections if d["image_id"] == first["img_id"]]
    assert first["pred_instances"]["mask_ious"].tolist() == own


def test_scores_and_boxes_are_left_alone(root: Path) -> None:
    run = scene_run(root)
    metrics(run, "--out", "plain.json")
    metrics(run, "--oracle", "--out", "bound.json")
    plain, bound = (json.loads(Path(f"{name}.json").read_text()) for name in ("plain", "bound"))
    changed = {"mask_iou", "mask_score"}
    assert [d.keys() for d in bound] == [d.keys() for d in plain]
    for before, after in zip(plain, bound, strict=True):
        assert all(after[key] == before[key] for key in before.keys() - changed)


@pytest.mark.parametrize(
    ("args", "model", "evaluator", "says"),
    [
        (["--eval", "bbox"], {}, {}, "no mask is measured: add --eval segm"),
        ([], dict(masks=False), {}, "--oracle: the model predicts no masks"),
        ([], {}, dict(ann_file="images.json"), "images.json has no annotations, as files of test"),
    ],
)
def test_without_masks_or_ground_truth_it_is_one_line(
    root: Path, args: list[str], model: dict, evaluator: dict, says: str
) -> None:
    run = scene_run(root, mask_scores=False, **model)
    Path("images.json").write_text('{"images": [], "categories": []}')
    config = Config.fromfile(run[0])
    config.merge_from_dict(dict(test_evaluator=evaluator))
    config.dump(run[0])
    with pytest.raises(UserError, match=says) as caught:
        metrics(run, "--oracle", *args)
    assert "\n" not in str(caught.value)


def test_its_old_name_still_works_and_warns(capsys: pytest.CaptureFixture) -> None:
    assert parse_args(["a.py", "b.pth", "--upper-bound"]).oracle
    assert capsys.readouterr().err == "warning: --upper-bound is now called --oracle\n"
