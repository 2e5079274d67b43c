"""Changes of a config by the options of a test."""

import json
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.engine.runs.testing import add_dump, add_views, check_rescorer, set_rescorer
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.rescorer_fit import fit_rescorer
from tests.support.coco_scenes import as_coco, coco_dict, random_scene

DATASET = dict(type="CocoDataset", data_root="data/", ann_file="test.json")


@pytest.mark.parametrize(
    ("evaluator", "dataset", "ann_file"),
    [
        (dict(type="CocoMetric", ann_file="own.json"), DATASET, "own.json"),
        ([dict(type="DumpDetResults"), dict(ann_file="own.json")], DATASET, "own.json"),
        (dict(type="DumpDetResults"), DATASET, "data/test.json"),
        (dict(type="CocoMetric", ann_file=None), DATASET, "data/test.json"),
        ([], dict(type="RepeatDataset", dataset=DATASET), "data/test.json"),
        (None, dict(DATASET, data_root=None), "test.json"),
    ],
)
def test_a_results_file_takes_category_ids_from_the_tests_annotations(
    evaluator: Any, dataset: dict, ann_file: str
) -> None:
    config = Config(dict(test_evaluator=evaluator, test_dataloader=dict(dataset=dataset)))
    add_dump(config, Path("out.json"))
    assert config.test_evaluator[-1].type == "DumpCocoResults"
    assert config.test_evaluator[-1].ann_file == ann_file
    assert all(metric is not None for metric in config.test_evaluator)


def test_without_annotations_it_is_one_line() -> None:
    several = dict(type="ConcatDataset", datasets=[DATASET, DATASET])
    config = Config(dict(test_evaluator=[], test_dataloader=dict(dataset=several)))
    with pytest.raises(UserError, match=r"--out out\.json: neither .* has an ann_file"):
        add_dump(config, Path("out.json"))


@pytest.mark.parametrize(
    "config",
    [
        {},
        dict(test_evaluator=None),
        dict(test_evaluator=[], test_dataloader=None),
        dict(test_evaluator=[], test_dataloader=[dict()]),
        dict(test_evaluator=[], test_dataloader=dict(dataset=[dict(ann_file="a.json")])),
        dict(test_evaluator=[], test_dataloader=dict(dataset=dict(ann_file=["a.json"]))),
    ],
)
def test_a_config_without_one_annotation_file_is_one_line(config: dict) -> None:
    with pytest.raises(UserError, match="has an ann_file"):
        add_dump(Config(config), Path("out.json"))


def test_views_leave_the_other_settings_of_a_model_where_they_are() -> None:
    config = Config(dict(model=dict(type="MaskRCNN", test_cfg=dict(rescorer="r.json"))))
    add_views(config, ["flip", 0.8], [("left", "right")])
    assert config.model == dict(
        type="MultiViewDetector",
        detector="MaskRCNN",
        views=["flip", 0.8],
        swap=[("left", "right")],
        test_cfg=dict(rescorer="r.json"),
    )
    with pytest.raises(UserError, match="--views: the config's model is a MultiViewDetector alrea"):
        add_views(config, ["flip"], [])


def test_a_rescorer_is_not_tested_on_images_it_was_fitted_on(tmp_path: Path) -> None:
    annotations, rows = random_scene(3, 12)
    file, truth = str(tmp_path / "r.json"), tmp_path / "gt.json"
    coco = as_coco(annotations, 12)
    fit_rescorer(Detections.from_rows(rows), coco, "fit_gt.json").write(file)
    config = Config(dict(model=dict(), test_evaluator=dict(ann_file=str(truth))))
    config.model.test_cfg = dict(calibration="old.json")
    set_rescorer(config, file)
    truth.write_text(json.dumps(coco_dict(annotations, 12)))
    results = len({row["image_id"] for row in rows})
    message = rf"{results} of the 12 images, .* that the re-scorer was fitted on \(fit_gt\.json\)"
    with pytest.raises(UserError, match=message):
        check_rescorer(config, same_images=False)
    check_rescorer(config, same_images=True)
    truth.write_text(json.dumps(coco_dict([], 5)))
    check_rescorer(config, same_images=False)


def test_views_of_a_detector_without_masks_are_refused_before_it_is_built() -> None:
    config = Config(dict(model=dict(type="FasterRCNN", roi_head=dict(bbox_head=dict()))))
    with pytest.raises(UserError, match="predicts no masks, its roi_head has no mask_head"):
        add_views(config, ["flip"], [])
