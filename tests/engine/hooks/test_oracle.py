"""The oracle's hook in configs and behind wrappers; its figures are in tests/cli/test_oracle.py."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmdet.models.test_time_augs import DetTTAModel
from mmengine.registry import HOOKS

from msrcnn_mm.engine.hooks.oracle import OracleHook
from msrcnn_mm.errors import UserError
from tests.engine.hooks.test_rescorer import Wrapper
from tests.support import tiny
from tests.support.coco_files import write_data_set
from tests.support.small_runs import CLASSES


@pytest.fixture
def ann_file(tmp_path: Path) -> Path:
    return write_data_set(tmp_path / "data", CLASSES) / "val.json"


def runner(model: Any) -> Any:
    meta = [dict(classes=CLASSES)] * 2  # of data sets that differ in something else
    dataset = SimpleNamespace(metainfo=meta)
    return SimpleNamespace(
        model=model, test_loop=SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    )


def test_predictions_of_a_model_in_a_wrapper_have_true_ious(ann_file: Path) -> None:
    hook = HOOKS.build(dict(type="OracleHook", ann_file=str(ann_file)))
    model = tiny.build(tiny.tiny_config()).eval()
    side = json.loads(ann_file.read_text())["images"][0]["height"]
    packed = tiny.demo_mm_inputs(
        2, image_shapes=[(3, side, side)] * 2, num_classes=len(CLASSES), with_mask=True
    )
    for image_id, sample in enumerate(packed["data_samples"], 1):
        sample.set_metainfo(dict(img_id=image_id))
    run = runner(Wrapper(model))
    hook.before_test(run)
    with torch.no_grad():
        results = run.model.test_step(packed)
        hook.after_test(run)
        after = run.model.test_step(packed)
    for sample, later in zip(results, after, strict=True):
        oracle = sample.pred_instances
        assert oracle.mask_ious.dtype == torch.float64  # and not the model's own in float32
        assert torch.equal(oracle.mask_scores, oracle.scores.double() * oracle.mask_ious)
        assert later.pred_instances.mask_ious.dtype == torch.float32


def test_test_time_augmentation_is_refused(ann_file: Path) -> None:
    config = tiny.tiny_config()
    model = DetTTAModel(module=tiny.build(config))
    with pytest.raises(UserError, match="--oracle: test-time augmentation merges boxes"):
        OracleHook(ann_file).before_test(runner(model))
