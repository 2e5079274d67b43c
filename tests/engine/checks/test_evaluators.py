"""Checks of evaluators: their metrics and annotations."""

from pathlib import Path

import pytest

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
