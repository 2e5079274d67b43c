"""Checks of evaluators: their metrics and annotations."""

import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from msrcnn_mm.engine.checks.run import check_run
from msrcnn_mm.errors import UserError
from tests.support.checked_configs import check, edit, make_config, refusal


def test_an_evaluator_must_judge_by_the_images_of_the_test(root: Path) -> None:
    config = make_config(root)
    other = root / "other.json"
    other.write_text((root / "val.json").read_text())
    edit(other, lambda c: c["images"][0].update(id=50))
    edit(other, lambda c: [a.update(image_id=50) for a in c["annotations"] if a["image_id"] == 1])
    config.test_evaluator = dict(type="CocoMetric", ann_file=str(other), metric="segm")
    message = refusal(config)
    assert f"test_evaluator.ann_file is {other}" in message
    assert "1 of 2" in message
    config.test_evaluator.ann_file = "nowhere.json"
    assert "test_evaluator.ann_file: no such annotation file: nowhere.json" in refusal(config)


@pytest.mark.parametrize("kind", ["CocoMetric", "MaskScoreMetric"])
def test_what_an_evaluator_measures_by_default_counts(root: Path, kind: str) -> None:
    config = make_config(root)
    config.val_evaluator = dict(type=kind, ann_file=f"{root}/val.json")
    check(config)
    edit(root / "val.json", lambda c: c["annotations"][0].update(bbox=[1, 2, 3]))
    with pytest.raises(UserError, match=r"annotation 1 \(in 1.png\): bbox is \[1, 2, 3\]"):
        check_run(config, ("val",))


def test_boundary_iou_is_for_our_metric_to_measure(root: Path) -> None:
    config = make_config(root)
    config.test_evaluator = dict(type="CocoMetric", ann_file=f"{root}/val.json", metric="boundary")
    assert "test_evaluator: no metric ('boundary'); there are ('bbox', 'segm'" in refusal(config)
    config.test_evaluator.type = "MaskScoreMetric"
    check(config)


def renumber(content: dict[str, Any], by: int) -> None:
    for image in content["images"]:
        image["id"] += by
    for annotation in content["annotations"]:
        annotation["image_id"] += by
        annotation["id"] += by


def two_tests(root: Path, by: int, evaluator: str = "val.json") -> Config:
    """Returns a test on two folders of equal file names, the ids of the second ``by`` higher."""
    shutil.copytree(root / "val", root / "other")
    shutil.copy(root / "val.json", root / "other.json")
    edit(root / "other.json", lambda content: renumber(content, by))
    config = make_config(root)
    first = config.test_dataloader.dataset
    second = dict(deepcopy(first), ann_file="other.json", data_prefix=dict(img="other/"))
    config.test_dataloader.dataset = dict(type="ConcatDataset", datasets=[first, second])
    config.test_evaluator.ann_file = f"{root}/{evaluator}"
    return config


@pytest.mark.parametrize("several", [False, True])
def test_one_evaluator_cannot_tell_equal_ids_of_two_files_apart(root: Path, several: bool) -> None:
    config = two_tests(root, 0)
    if several:
        config.test_evaluator = [config.test_evaluator]
    message = refusal(config)
    assert message.startswith("test_evaluator measures test_dataloader.dataset.datasets[0] and")
    assert f"2 image ids are in both {root}/val.json and {root}/other.json" in message
    assert "test_evaluator = dict(type='MultiDatasetsEvaluator', metrics=[...], dataset" in message


def test_one_evaluator_may_measure_two_files_by_one_that_lists_all(root: Path) -> None:
    config = two_tests(root, 100, "all.json")
    first, second = (json.loads((root / f"{n}.json").read_text()) for n in ("val", "other"))
    for key in ("images", "annotations"):
        first[key] += second[key]
    (root / "all.json").write_text(json.dumps(first))
    check(config)
    config.test_evaluator.ann_file = f"{root}/val.json"
    message = refusal(config)
    assert "2 of 2 are not in it" in message
    assert "test_evaluator = dict(type='MultiDatasetsEvaluator', metrics=[...], dataset" in message


def test_a_metric_for_each_names_the_file_of_its_data_set(root: Path) -> None:
    config = two_tests(root, 0)
    metrics = [dict(config.test_evaluator, ann_file=f"{root}/{n}.json") for n in ("val", "other")]
    each = dict(type="MultiDatasetsEvaluator", metrics=metrics, dataset_prefixes=["a", "b"])
    config.test_evaluator = each
    check(config)
    config.test_evaluator = dict(each, metrics=metrics[::-1])
    message = refusal(config)
    assert f"the metric of test_dataloader.dataset.datasets[0] names {root}/other.json" in message
    assert f"name {root}/val.json, and order metrics as the data sets" in message
