"""Tests of the YOLACT and YOLACT++ configs: changes, schedules, anchors, checkpoints of the zoo."""

import re
from pathlib import Path
from typing import Any

import mmdet
import pytest
import torch
from mmdet.models.dense_heads import YOLACTProtonet
from mmdet.registry import TASK_UTILS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from msrcnn_mm.models.weights import compare_weights
from tests.configs.config_files import (
    CONFIGS,
    HOOKS,
    OWN_KEYS,
    YOLACT,
    build,
    difference,
    load,
    plain,
)

ZOO = Path(mmdet.__file__).parent / ".mim" / "configs" / "yolact"
# tests/interop has the tests of the configs for converted checkpoints of the authors.
OURS = [name for name in YOLACT if "_authors" not in name]
SHARED = [path.name for path in sorted(ZOO.glob("*.py")) if f"yolact_plus/{path.name}" in YOLACT]

DCN = {
    "model.backbone.type": "DeformableResNet",
    "model.backbone.dcn": dict(type="DCNv2", deform_groups=1),
    "model.backbone.stage_with_dcn": (False, True, True, True),
}
ANCHORS = {"model.bbox_head.anchor_generator.scales_per_octave": 3}
RESCORING = {
    "model.mask_head.type": "MaskScoringYOLACTProtonet",
    "model.mask_head.mask_iou_head": dict(type="FastMaskIoUHead", num_classes=80),
}
ONE_CLASS = RESCORING | {
    "model.mask_head.mask_iou_head": dict(type="FastMaskIoUHead", num_classes=1)
}
EVERY_OTHER = DCN | {"model.backbone.dcn_interval": 2}
EVERY_THIRD = DCN | {"model.backbone.dcn_interval": 3}
# A config, another one, and the settings by which the first differs from it.
CHANGES: list[tuple[str, str, dict]] = []
for _schedule in ("1xb8-55e", "8xb8-55e", "1xb8-800k"):
    for _depth, _dcn in ((50, DCN), (101, EVERY_THIRD)):
        _twin = f"yolact_plus/yolact_r{_depth}_{_schedule}_coco"
        CHANGES.append((_twin.replace("t_r", "t-plus_r"), _twin, _dcn | ANCHORS | RESCORING))
        if _schedule == "1xb8-55e":
            CHANGES.append((_twin.replace("t_r", "t-rescoring_r"), _twin, RESCORING))
for _network, _dcn, _rescoring in (
    ("yolact_plus/yolact{}_r50_1xb8-800k_coco", DCN, RESCORING),
    ("yolact_plus/yolact{}_r101_1xb8-800k_coco", EVERY_THIRD, RESCORING),
    ("nuclei/yolact{}_r18_nuclei", EVERY_OTHER, ONE_CLASS),
):
    # The paper's ablation adds one change after the other.
    _steps = [_network.format(name) for name in ("", "-dcn", "-dcn-anchors", "-plus")]
    for _i, _change in enumerate((_dcn, ANCHORS, _rescoring)):
        CHANGES.append((_steps[_i + 1], _steps[_i], _change))


@pytest.mark.parametrize(("name", "base", "changes"), CHANGES)
def test_a_config_changes_what_its_name_says(name: str, base: str, changes: dict) -> None:
    assert plain(difference(load(f"{name}.py").to_dict(), load(f"{base}.py").to_dict())) == changes


def test_every_config_is_known() -> None:
    known = {f"{name}.py" for change in CHANGES for name in change[:2]}
    own = {"demo/yolact-plus_demo.py", "own_data/yolact-plus_r50_own-data.py"}
    assert set(OURS) == known | own


def test_the_page_links_to_every_config() -> None:
    page = (CONFIGS.parent / "docs" / "yolact.md").read_text()
    links = set(re.findall(r"\(\.\./configs/([^)]+\.py)\)", page))
    assert set(OURS) <= links
    assert all((CONFIGS / link).is_file() for link in links)


@pytest.mark.parametrize("name", SHARED)
def test_settings_are_those_of_mmdetections_config_of_the_name(name: str) -> None:
    ours = plain(load(f"yolact_plus/{name}").to_dict())
    theirs = plain(Config.fromfile(ZOO / name).to_dict())
    changed = {key for key in ours if ours[key] != theirs.get(key)}
    assert changed == OWN_KEYS
    for hook in HOOKS:
        del ours["default_hooks"][hook]
    assert ours["default_hooks"] == theirs["default_hooks"]


def of_mmdetection_2(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Renames weights of a YOLACT as in the checkpoints of MMDetection's zoo."""
    names = ("mask_head.segm_branch.segm_conv.", "segm_head.segm_conv.")
    return {key.replace(*names): value for key, value in weights.items()}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", [name for name in SHARED if "1xb8" in name])
def test_a_checkpoint_of_mmdetections_zoo_lacks_the_scorer_alone(name: str, old: bool) -> None:
    config = Config.fromfile(ZOO / name).model
    config.mask_head.type = YOLACTProtonet  # the name refers to our class
    theirs = build(config).state_dict()
    ours = build(load(f"yolact_plus/{name.replace('yolact_', 'yolact-rescoring_')}").model)
    weights = of_mmdetection_2(theirs) if old else theirs
    misfit = compare_weights(ours, weights)
    ours.load_state_dict(weights, strict=False)
    assert misfit.fitting == len(theirs)
    scorer = [k for k in ours.state_dict() if k.startswith("mask_head.mask_iou_head.")]
    assert len(scorer) == 12
    assert (misfit.missing, misfit.unexpected, misfit.reshaped) == (scorer, [], [])
    for key, value in theirs.items():
        assert torch.equal(ours.state_dict()[key], value), key


@pytest.mark.parametrize("name", [name for name in OURS if "800k" in name])
def test_schedule_is_the_authors(name: str) -> None:
    config = load(name)
    assert config.train_cfg.type == "IterBasedTrainLoop"
    assert config.train_cfg.max_iters == 800_000 and "max_epochs" not in config.train_cfg
    # COCO has 117,266 training images with an annotation; 8 a step are 54 epochs.
    assert int(800_000 * 8 / 117_266) == 54
    assert config.train_dataloader.batch_size == 8
    assert config.train_dataloader.sampler.type == "InfiniteSampler"
    assert config.optim_wrapper.optimizer == dict(
        type="SGD", lr=1e-3, momentum=0.9, weight_decay=5e-4
    )
    warmup, steps = config.param_scheduler
    assert not warmup.by_epoch and not steps.by_epoch
    assert (warmup.begin, warmup.end, warmup.start_factor) == (0, 500, 0.1)
    assert steps.milestones == [280_000, 600_000, 700_000, 750_000] and steps.gamma == 0.1
    assert not config.log_processor.by_epoch and not config.default_hooks.checkpoint.by_epoch


@pytest.mark.parametrize("name", [n for n in OURS if n.startswith("yolact_plus/")])
def test_images_are_of_550_pixels_and_the_tests_limits_are_the_authors(name: str) -> None:
    config = load(name)
    for loader in (config.train_dataloader, config.test_dataloader):
        (resize,) = (step for step in loader.dataset.pipeline if step.type == "Resize")
        assert resize == dict(type="Resize", scale=(550, 550), keep_ratio=False)
    test = config.model.test_cfg
    # The box head has no other NMS than Fast NMS.
    assert (test.iou_thr, test.top_k, test.max_per_img, test.score_thr) == (0.5, 200, 100, 0.05)


def anchors_at(name: str) -> list[torch.Tensor]:
    """Returns the anchors of each level at the first location of an image of 550 pixels."""
    init_default_scope("mmdet")
    generator = TASK_UTILS.build(load(name).model.bbox_head.anchor_generator)
    levels = generator.grid_priors([(n, n) for n in (69, 35, 18, 9, 5)], device="cpu")
    return [level[: generator.num_base_priors[0]] for level in levels]


# Width and height, in pixels, of the anchors of 24 pixels, computed by hand to 0.01: 24 times and
# divided by the square root of the ratio. OF_30 and OF_38 are the same for the sides
# 24 x 2^(1/3) = 30.24 and 24 x 2^(2/3) = 38.10.
OF_24 = [(33.94, 16.97), (24.00, 24.00), (16.97, 33.94)]
OF_30 = [(42.76, 21.38), (30.24, 30.24), (21.38, 42.76)]
OF_38 = [(53.88, 26.94), (38.10, 38.10), (26.94, 53.88)]


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("yolact_r50_1xb8-800k_coco", OF_24),
        ("yolact-plus_r50_1xb8-800k_coco", OF_24 + OF_30 + OF_38),
    ],
)
def test_anchors(name: str, by_hand: list[tuple[float, float]]) -> None:
    sides = (69, 35, 18, 9, 5)
    for level, found in enumerate(anchors_at(f"yolact_plus/{name}.py")):
        sizes = (found[:, 2:] - found[:, :2]) / 2**level  # 24, 48, 96, 192, 384
        expected = torch.tensor(by_hand)
        order = [sorted(map(tuple, (s * 100).round().int().tolist())) for s in (sizes, expected)]
        close = torch.tensor(order[0]) - torch.tensor(order[1])
        assert close.abs().max() <= 1 and len(found) == len(by_hand)
        # Their centre is that of the first cell.
        middle = (found[:, 2:] + found[:, :2]) / 2
        torch.testing.assert_close(middle, torch.full_like(middle, 550 / sides[level] / 2))


def test_the_demos_classes_and_nuclei_are_everywhere() -> None:
    """Checks num_classes where a config overrides the 80 classes of its base."""
    names: list[Any] = [("demo/yolact-plus_demo.py", 5), ("nuclei/yolact-plus_r18_nuclei.py", 1)]
    for name, count in names:
        model = load(name).model
        heads = (model.bbox_head, model.mask_head, model.mask_head.mask_iou_head)
        assert [head.num_classes for head in heads] == [count] * 3
