"""Checks of training pipelines, against what each transform does to boxes and masks."""

import inspect
import random
from pathlib import Path
from typing import Any

import mmdet
import numpy as np
import pytest
from mmdet.datasets import transforms
from mmdet.registry import TRANSFORMS
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.config import Config
from mmengine.registry import init_default_scope

from msrcnn_mm.engine.checks.pipelines import check_pipelines
from msrcnn_mm.errors import UserError

HEIGHT, WIDTH = 96, 128
LOAD = dict(type="LoadAnnotations", with_bbox=True, with_mask=True)
POLYGONS = dict(LOAD, poly2mask=False)
MOSAIC = dict(type="Mosaic", img_scale=(96, 96))
MOVED = dict(type="Rotate", prob=1.0, level=8)
CACHE = dict(img_scale=(96, 96), max_cached_images=5, random_pop=False)
GEOMETRIC: dict[str, dict] = {
    "AutoAugment": dict(policies=[[dict(type="TranslateX", prob=1.0, level=8)]]),
    "CachedMixUp": CACHE,
    "CachedMosaic": CACHE,
    "CenterCrop": dict(crop_size=(60, 60)),
    "CopyPaste": {},
    "CutOut": dict(n_holes=2, cutout_ratio=(0.2, 0.2)),
    "Expand": dict(prob=1.0),
    "FixScaleResize": dict(scale=(64, 64)),
    "FixShapeResize": dict(width=64, height=64),
    "MinIoURandomCrop": {},
    "MixUp": dict(img_scale=(96, 96)),
    "Mosaic": dict(img_scale=(96, 96)),
    "Pad": dict(size=(160, 160)),
    "RandomAffine": {},
    "RandomCenterCropPad": dict(
        crop_size=(60, 60),
        ratios=(1.0,),
        mean=[0] * 3,
        std=[1] * 3,
        to_rgb=True,
        test_pad_mode=None,
    ),
    "RandomChoiceResize": dict(scales=[(50, 50), (90, 90)], keep_ratio=True),
    "RandomCrop": dict(crop_size=(60, 60)),
    "RandomErasing": dict(n_patches=2, ratio=0.3),
    "RandomFlip": dict(prob=1.0),
    "RandomResize": dict(scale=[(50, 50), (90, 90)], keep_ratio=True),
    "RandomShift": dict(prob=1.0),
    "Resize": dict(scale=(64, 64)),
    "ResizeShortestEdge": dict(scale=50, max_size=100),
    "Rotate": dict(prob=1.0, level=8),
    "ShearX": dict(prob=1.0, level=8),
    "ShearY": dict(prob=1.0, level=8),
    "TranslateX": dict(prob=1.0, level=8),
    "TranslateY": dict(prob=1.0, level=8),
}
# these write boxes and change no place of any, need another package, or are of other tasks
NOT_GEOMETRIC = {
    "Albu",
    "FilterAnnotations",
    "GTBoxSubOne_GLIP",
    "GeomTransform",
    "InferencerLoader",
    "LoadAnnotations",
    "LoadEmptyAnnotations",
    "LoadPanopticAnnotations",
    "LoadTrackAnnotations",
    "PackDetInputs",
    "PackTrackInputs",
    "ProposalBroadcaster",
    "RandomFlip_GLIP",
    "RandomSamplingNegPos",
}


@TRANSFORMS.register_module()
class PlainMosaic(transforms.Mosaic):
    """Differs from Mosaic in nothing that it does."""


@TRANSFORMS.register_module()
class MaskMosaic(transforms.Mosaic):
    """Does something of its own."""

    def transform(self, results: dict) -> dict:
        return results


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope("mmdet")


def make_config(*steps: dict, model: dict | None = None, **dataset: Any) -> Config:
    pipeline = [dict(type="LoadImageFromFile"), *steps, dict(type="PackDetInputs")]
    data = dict(type="CocoDataset", pipeline=pipeline)
    if dataset:
        data = {**dataset, "dataset": data}
    return Config(dict(model=model or dict(type="RetinaNet"), train_dataloader=dict(dataset=data)))


def refusal(config: Config) -> str:
    with pytest.raises(UserError) as caught:
        check_pipelines(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def sample(seed: int, polygons: bool) -> dict:
    """Makes an image of three disks, as the loading steps give it."""
    rng = np.random.default_rng(seed)
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outlines = []
    for left in (20, 60, 100):
        x, y = left + rng.integers(-4, 5), rng.integers(20, HEIGHT - 20)
        radius = rng.integers(8, 14)
        outline = np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], 1)
        outlines.append([outline.reshape(-1)])
    masks = PolygonMasks(outlines, HEIGHT, WIDTH)
    if not polygons:
        masks = BitmapMasks(masks.to_ndarray().astype(np.uint8), HEIGHT, WIDTH)
    return dict(
        img=np.zeros((HEIGHT, WIDTH, 3), np.float32),
        img_shape=(HEIGHT, WIDTH),
        scale_factor=(1.0, 1.0),
        gt_bboxes=masks.get_bboxes("hbox"),
        gt_bboxes_labels=np.arange(3),
        gt_ignore_flags=np.zeros(3, bool),
        gt_masks=masks,
    )


def masks_lie_in_their_boxes(results: dict) -> bool:
    boxes, masks = results["gt_bboxes"], results["gt_masks"]
    if len(boxes) != len(masks) or (masks.height, masks.width) != results["img"].shape[:2]:
        return False
    outer, inner = boxes.tensor.numpy(), masks.get_bboxes("hbox").tensor.numpy()
    beyond = np.concatenate([outer[:, :2] - inner[:, :2], inner[:, 2:] - outer[:, 2:]], 1)
    return bool((beyond[np.asarray(masks.areas) > 4] < 3).all())


def keeps_masks(name: str, polygons: bool) -> bool:
    """Returns whether masks are beside their boxes after a transform, on ten images."""
    for seed in range(10):
        random.seed(seed)
        np.random.seed(seed)
        transform = TRANSFORMS.build(dict(type=name, **GEOMETRIC[name]))
        try:
            if name.startswith("Cached"):
                for other in range(4):
                    transform(sample(100 + other, polygons))
            results = sample(seed, polygons)
            others = range(200, 203 if name == "Mosaic" else 201)
            results["mix_results"] = [sample(seed + other, polygons) for other in others]
            results = transform(results)
        except Exception:
            return False
        if not masks_lie_in_their_boxes(results):
            return False
    return True


@pytest.mark.parametrize("polygons", [False, True])
@pytest.mark.parametrize("name", GEOMETRIC)
def test_just_the_transforms_that_lose_masks_are_refused(name: str, polygons: bool) -> None:
    step = dict(type=name, **GEOMETRIC[name])
    # of a mixed data set, from which some transforms take other images
    config = make_config(
        POLYGONS if polygons else LOAD, type="MultiImageMixDataset", pipeline=[step]
    )
    if keeps_masks(name, polygons):
        check_pipelines(config)
    else:
        assert f"train_dataloader.dataset.pipeline[0] is a {name}, which" in refusal(config)


def test_every_transform_that_changes_boxes_is_tried() -> None:
    changing = {
        name
        for name, cls in TRANSFORMS.module_dict.items()
        if cls.__module__.startswith("mmdet.") and "'gt_bboxes'" in inspect.getsource(cls)
    }
    assert changing - NOT_GEOMETRIC <= set(GEOMETRIC)
    with pytest.raises(NotImplementedError, match="only supports BitMap masks"):
        transforms.Albu._preprocess_results(None, dict(masks=PolygonMasks([], 4, 4)))


def test_the_replacement_is_named() -> None:
    assert "use CachedMosaic in the data set's own pipeline" in refusal(make_config(LOAD, MOSAIC))


@pytest.mark.parametrize(
    ("step", "inside"),
    [
        (dict(type="RandomApply", transforms=[MOSAIC]), ".transforms[0]"),
        (dict(type="RandomApply", transforms=MOSAIC), ".transforms"),
        (dict(type="RandomChoice", transforms=[[dict(type="CutOut")], [MOSAIC]]), "[1][0]"),
        (dict(type="RandomOrder", transforms=[dict(type="CutOut"), MOSAIC]), ".transforms[1]"),
        (dict(type="MultiBranch", branch_field=["a"], a=[MOSAIC]), ".a[0]"),
        (dict(type=transforms.Mosaic, img_scale=(96, 96)), "[2]"),
    ],
)
def test_transforms_inside_others(step: dict, inside: str) -> None:
    message = refusal(make_config(LOAD, step))
    assert message.startswith("train_dataloader.dataset.pipeline[2]")
    assert f"{inside} is a Mosaic" in message


def test_pipelines_of_every_data_set() -> None:
    good, bad = (make_config(LOAD, *s).train_dataloader.dataset for s in ([], [MOSAIC]))
    both = dict(type="ConcatDataset", datasets=[good, bad])
    config = make_config()
    config.train_dataloader.dataset = dict(type="RepeatDataset", times=2, dataset=both)
    assert "dataset.dataset.datasets[1].pipeline[2] is a Mosaic" in refusal(config)
    mixed = dict(type="MultiImageMixDataset", dataset=both, pipeline=[dict(type="RandomShift")])
    both.update(datasets=[good, good])
    config.train_dataloader.dataset = mixed
    assert "train_dataloader.dataset.pipeline[0] is a RandomShift" in refusal(config)


@pytest.mark.parametrize(
    ("trained", "tested", "equal"),
    [
        (dict(scale=(64, 48), keep_ratio=True), dict(scale=[48, 64], keep_ratio=True), True),
        (dict(scale=64), dict(scale=(64, 64)), True),
        (dict(scale_factor=2.0, keep_ratio=True), dict(scale_factor=(2.0, 2.0)), True),
        (None, None, True),
        (dict(scale=(64, 48)), dict(scale=(48, 64)), False),
        (dict(scale=(64, 48)), dict(scale=(64, 48), keep_ratio=True), False),
        (dict(scale=(2, 2)), dict(scale_factor=2.0), False),
        (dict(type="FixShapeResize", width=64, height=64), dict(scale=128), False),
        (dict(scale=(64, 48)), None, False),
        (None, dict(scale=(64, 48)), False),
    ],
)
def test_a_frozen_host_learns_from_images_of_the_tests_size(
    trained: dict | None, tested: dict | None, equal: bool
) -> None:
    def config_of(size: dict | None) -> Config:
        steps = [] if size is None else [dict(type="Resize") | size]
        return make_config(*steps, LOAD, model=dict(type="FrozenHost"))

    config = config_of(trained)
    check_pipelines(config)
    config.val_dataloader = config_of(dict(scale=9)).train_dataloader
    config.test_dataloader = config_of(tested).train_dataloader
    if equal:
        check_pipelines(config)
    else:
        message = "train_dataloader.dataset.pipeline resizes otherwise than the test"
        assert refusal(config).startswith(message)


@pytest.mark.parametrize("step", [dict(LOAD, with_mask=False), dict(type="Resize", scale=9)])
def test_a_frozen_host_learns_from_masks(step: dict) -> None:
    message = refusal(make_config(step, model=dict(type="FrozenHost")))
    assert "loads no masks, and model.scorer learns from them" in message


def test_images_are_turned_with_their_masks() -> None:
    flip = dict(type="RandomFlip", prob=0.5)
    assert "flips images before their masks are loaded" in refusal(make_config(flip, LOAD))
    check_pipelines(make_config(LOAD, flip))


@pytest.mark.parametrize("name", ["RandomFlip", "RandomCrop", "PhotoMetricDistortion"])
def test_a_frozen_host_learns_from_images_as_they_are_tested(name: str) -> None:
    step = dict(type=name, **GEOMETRIC.get(name, {}))
    config = make_config(LOAD, step, model=dict(type="FrozenHost"))
    message = refusal(config)
    assert message.startswith(f"train_dataloader.dataset.pipeline[2] is a {name}, ")
    check_pipelines(make_config(dict(type="Resize"), LOAD, model=dict(type="FrozenHost")))
    config.test_dataloader = config.train_dataloader
    check_pipelines(config)
    hook = dict(type="PipelineSwitchHook", switch_epoch=1, switch_pipeline=[LOAD, MOVED])
    config.custom_hooks = [hook]
    assert "switch_pipeline[1] is a Rotate, " in refusal(config)


def test_a_pipeline_that_a_hook_switches_to() -> None:
    config = make_config(LOAD)
    hook = dict(type="PipelineSwitchHook", switch_epoch=1, switch_pipeline=[LOAD, MOSAIC])
    config.custom_hooks = [dict(type="EMAHook"), hook]
    assert "custom_hooks[1].switch_pipeline[1] is a Mosaic" in refusal(config)


def test_a_switched_pipeline_that_nobody_reads_is_said(capsys: pytest.CaptureFixture) -> None:
    config = make_config(LOAD, type="RepeatDataset", times=2)
    config.custom_hooks = [dict(type="PipelineSwitchHook", switch_epoch=1, switch_pipeline=[LOAD])]
    check_pipelines(config)
    message = "warning: custom_hooks[0] will change nothing: it sets the pipeline of "
    assert capsys.readouterr().err.startswith(message)


def test_subclasses() -> None:
    assert "is a PlainMosaic" in refusal(make_config(LOAD, dict(MOSAIC, type="PlainMosaic")))
    check_pipelines(make_config(LOAD, dict(MOSAIC, type="MaskMosaic")))


def test_a_detector_of_boxes_may_use_them() -> None:
    check_pipelines(make_config(dict(type="LoadAnnotations", with_bbox=True), MOSAIC))


def test_default_policies_turn_polygons() -> None:
    message = refusal(make_config(POLYGONS, dict(type="AutoAugment")))
    assert ".policies[" in message and "is a Rotate, which cannot change polygons" in message
    assert ".aug_space[" in refusal(make_config(POLYGONS, dict(type="RandAugment")))
    check_pipelines(make_config(LOAD, dict(type="AutoAugment")))


def test_names_of_albumentations_are_not_mmdetections() -> None:
    albu = dict(type="Albu", transforms=[dict(type="CenterCrop"), dict(type="RandomAffine")])
    check_pipelines(make_config(LOAD, albu))
    assert "is a Albu" in refusal(make_config(POLYGONS, albu))


def test_copies_come_from_a_mixed_data_set() -> None:
    message = refusal(make_config(LOAD, dict(type="CopyPaste")))
    assert "pipeline[2] is a CopyPaste, which needs a second image" in message


MASK_RCNN = dict(
    type="MaskRCNN", roi_head=dict(type="StandardRoIHead", mask_head=dict(type="FCNMaskHead"))
)


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (MASK_RCNN, "model.roi_head.mask_head"),
        (dict(type="YOLACT", mask_head=dict(type="YOLACTProtonet")), "model.mask_head"),
    ],
)
@pytest.mark.parametrize("steps", [[], [dict(type="LoadAnnotations", with_bbox=True)]])
def test_a_model_with_masks_needs_them(model: dict, part: str, steps: list[dict]) -> None:
    message = refusal(make_config(*steps, model=model))
    assert message.startswith("train_dataloader.dataset.pipeline loads no masks, and " + part)
    check_pipelines(make_config(LOAD, model=model))


def test_masks_that_a_step_of_ones_own_may_load_are_not_missed() -> None:
    config = make_config(dict(MOSAIC, type="MaskMosaic"), model=MASK_RCNN)
    check_pipelines(config)
    config.train_dataloader.dataset.pipeline = []  # the data set's class may load them
    check_pipelines(config)


def test_masks_of_some_data_sets_only() -> None:
    good, bad = (make_config(*s).train_dataloader.dataset for s in ([LOAD], []))
    config = make_config(model=MASK_RCNN)
    config.train_dataloader.dataset = dict(type="ConcatDataset", datasets=[good, bad])
    assert "dataset.datasets[1].pipeline loads no masks" in refusal(config)


@pytest.mark.parametrize(
    "name",
    [
        "boxinst/boxinst_r50_fpn_ms-90k_coco.py",
        "rtmdet/rtmdet-ins_s_8xb32-300e_coco.py",
        "simple_copy_paste/"
        "mask-rcnn_r50_fpn_rpn-2conv_4conv1fc_syncbn-all_32xb2-ssj-scp-90k_coco.py",
        "yolox/yolox_s_8xb8-300e_coco.py",
    ],
)
def test_stock_pipelines_pass(name: str, capsys: pytest.CaptureFixture) -> None:
    check_pipelines(Config.fromfile(Path(mmdet.__file__).parent / ".mim/configs" / name))
    assert capsys.readouterr().err == ""
