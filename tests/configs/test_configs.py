"""Tests of all configs, found by their files: each builds, trains a step and tests an image."""

import inspect
import math
import re
from ast import literal_eval
from functools import cache
from pathlib import Path

import mmdet
import pytest
import torch
from mmdet.models import roi_heads
from mmdet.models.roi_heads import mask_heads
from mmdet.registry import METRICS, VISUALIZERS
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper

import msrcnn_mm
from msrcnn_mm.engine.adapters.metric import MaskScoreMetric
from msrcnn_mm.engine.adapters.visualizer import MaskScoreVisualizer
from msrcnn_mm.engine.checks.run import check_heads
from tests.configs.config_files import (
    CONFIGS,
    FILES,
    FROZEN,
    HOOKS,
    JOINT,
    OWN_KEYS,
    YOLACT,
    build,
    difference,
    is_scored,
    load,
    plain,
)

SHARED = {path.stem for path in (CONFIGS / "_base_").glob("*.py")}
PAPER = [name for name in FILES if name.endswith("_18e_coco.py")]
# MMDetection's config of each name
THEIRS = {
    path.name: path
    for folder in ("ms_rcnn", "mask_rcnn", "dcn", "dcnv2")
    for path in (Path(mmdet.__file__).parent / ".mim" / "configs" / folder).glob("m*-rcnn_*.py")
}
WITH_THEIRS = [name for name in FILES if Path(name).name in THEIRS]
FIELDS = {"bboxes", "labels", "scores", "masks", "foreground_probs", "mask_statistics"}
MASK_SCORES = {"mask_ious", "mask_scores"}


def twin_of(name: str) -> str:
    """Returns the name of the Mask R-CNN of an MS R-CNN, or the reverse."""
    here, there = ("ms", "mask") if is_scored(name) else ("mask", "ms")
    return name.replace(f"{here}_rcnn/", f"{there}_rcnn/").replace(f"{here}-rcnn", f"{there}-rcnn")


def small(model: ConfigDict) -> dict:
    """Returns the model's config with few RoIs, for a fast step."""
    model = model.to_dict()
    train, test = model["train_cfg"], model["test_cfg"]
    if model["type"] == "YOLACT":
        test.update(max_per_img=3, score_thr=0.0)
        return model
    train["rpn_proposal"].update(nms_pre=100, max_per_img=20)
    stages = train["rcnn"] if isinstance(train["rcnn"], list) else [train["rcnn"]]
    for stage in stages:
        stage["sampler"].update(num=8)
    test["rpn"].update(nms_pre=100, max_per_img=10)
    test["rcnn"].update(max_per_img=3, score_thr=0.0)
    return model


# Their twins have the same network but for its scorer, so that only these train and test.
WITH_TWIN = [n for n in FILES if is_scored(n) and n not in YOLACT and twin_of(n) in FILES]


@cache
def losses_and_counts(text: str) -> tuple[dict[str, float], dict[str, int], dict[str, int]]:
    """Returns the losses of a training step and the length of each field of two test results.

    The second result has no detections.

    Args:
        text: the model's config as text, which is hashable: configs of one model share a run.
    """
    torch.manual_seed(0)
    model = build(ConfigDict(literal_eval(text)))  # random weights, no download
    packed = demo_mm_inputs(1, [(3, 96, 128)], num_items=[2], num_classes=2, with_mask=True)
    packed["data_samples"][0].gt_instances.labels.zero_()  # the class that every model has
    batch = model.data_preprocessor(packed, True)
    total, losses = model.parse_losses(model.train().loss(batch["inputs"], batch["data_samples"]))
    total.backward()

    counts = []
    for score_thr in (0.0, 1.0):
        head = model.roi_head if hasattr(model, "roi_head") else model.bbox_head
        head.test_cfg.score_thr = score_thr
        with torch.no_grad():
            (sample,) = model.eval().test_step(packed)
        counts.append({key: len(value) for key, value in sample.pred_instances.items()})
    return {key: loss.item() for key, loss in losses.items()}, *counts


def scores_of_scorer(model: dict) -> set[str]:
    """Returns the scores that a scorer of the host's own detections adds."""
    scorer = model.get("roi_head", {}).get("scorer", {}).get("type")
    return {None: set(), "TPShareHead": {"rescored_scores"}}.get(scorer, MASK_SCORES)


@pytest.mark.parametrize("name", sorted({*FILES} - {*FROZEN, *JOINT, *map(twin_of, WITH_TWIN)}))
def test_config_builds_trains_and_tests(name: str) -> None:
    config = load(name)
    losses, found, nothing = losses_and_counts(repr(small(config.model)))
    assert all(math.isfinite(loss) for loss in losses.values())
    scores = MASK_SCORES if is_scored(name) else scores_of_scorer(config.model)
    assert bool({"loss_mask_iou", "loss_tp_share"} & {*losses}) == bool(scores)
    fields = FIELDS | scores
    if name in YOLACT:
        fields = fields | {"coeffs"}
    assert found == dict.fromkeys(fields, 3)
    assert nothing == dict.fromkeys(fields, 0)

    assert METRICS.get(config.test_evaluator.type) is MaskScoreMetric
    assert VISUALIZERS.get(config.visualizer.type) is MaskScoreVisualizer
    classes = config.train_dataloader.dataset.get("metainfo", {}).get("classes")
    if classes:
        check_heads(config.model, classes)


@pytest.mark.parametrize("name", FILES)
def test_a_dump_is_the_same_config(name: str, tmp_path: Path) -> None:
    config = load(name)
    config.dump(tmp_path / "dump.py")
    assert Config.fromfile(tmp_path / "dump.py").to_dict() == config.to_dict()
    # A config takes a variable of _base_ out of its bases.
    assert not SHARED & set(config)


@pytest.mark.parametrize("name", FILES)
def test_every_config_has_the_hooks_of_the_package(name: str) -> None:
    config = load(name)
    assert config.custom_imports.imports == ["msrcnn_mm"]
    assert {key: plain(config.default_hooks[key]) for key in HOOKS} == HOOKS


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.py")), ids=lambda path: path.stem)
def test_no_config_depends_on_positions_or_the_order_of_keys(path: Path) -> None:
    assert re.findall(r"pipeline\[.*|\.(?:values|items|keys|popitem)\(.*", path.read_text()) == []


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith(("ms_rcnn/", "mask_rcnn/"))])
def test_every_config_has_its_twin(name: str) -> None:
    assert twin_of(name) in FILES


@pytest.mark.parametrize("name", WITH_TWIN)
def test_the_twin_differs_by_the_mask_iou_head_alone(name: str) -> None:
    ours, theirs = load(name).to_dict(), load(twin_of(name)).to_dict()
    assert ours["model"].pop("type") == "MaskScoringRCNN"
    assert ours["model"]["roi_head"].pop("type") == "MaskScoringRoIHead"
    assert ours["model"]["roi_head"].pop("mask_iou_head")["type"] == "MaskIoUHead"
    assert ours["model"]["train_cfg"]["rcnn"].pop("mask_thr_binary") == 0.5
    assert theirs["model"].pop("type") == "MaskRCNN"
    assert theirs["model"]["roi_head"].pop("type") == "StandardRoIHead"
    assert ours == theirs


def test_every_config_that_the_paper_page_names_is_there() -> None:
    page = (CONFIGS.parent / "docs" / "paper.md").read_text()
    links = set(re.findall(r"\(\.\./configs/([^)]+)\)", page))
    assert len(links) > 25
    assert links <= set(FILES)


def test_only_the_scorer_of_a_frozen_host_learns() -> None:
    config = load("nuclei/ms-rcnn_r18_fpn_nuclei_frozen-host.py")
    torch.manual_seed(0)
    model = build(ConfigDict(small(config.model))).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    packed = demo_mm_inputs(1, [(3, 96, 128)], num_items=[2], num_classes=2, with_mask=True)
    packed["data_samples"][0].gt_instances.labels.zero_()
    batch = model.data_preprocessor(packed, True)
    total, _ = model.parse_losses(model.loss(batch["inputs"], batch["data_samples"]))
    optimizer.update_params(total)
    changed = {n for n, v in model.state_dict().items() if not torch.equal(v, before[n])}
    scorer = {name for name in before if name.startswith("roi_head.mask_iou_head.")}
    assert changed == scorer


def model_settings(config: Config) -> dict:
    """Returns the model's settings in the form in which ours and MMDetection's are equal.

    Adds the defaults of the MaskIoU head, which MMDetection's configs write out. Removes the
    initial weights of C4's shared stage, which MMDetection's configs lack.
    """
    model = plain(config.model.to_dict())
    roi_head = model["roi_head"]
    if "mask_iou_head" in roi_head:
        arguments = inspect.signature(msrcnn_mm.MaskIoUHead).parameters.values()
        defaults = {argument.name: argument.default for argument in arguments}
        roi_head["mask_iou_head"] = defaults | roi_head["mask_iou_head"]
    if "shared_head" in roi_head:
        roi_head["shared_head"].pop("init_cfg", None)
    return model


@pytest.mark.parametrize("name", WITH_THEIRS)
def test_settings_are_those_of_mmdetections_config_of_the_name(name: str) -> None:
    ours, theirs = load(name), Config.fromfile(THEIRS[Path(name).name])
    assert model_settings(ours) == model_settings(theirs)
    ours, theirs = plain(ours.to_dict()), plain(theirs.to_dict())
    changed = {key for key in ours if ours[key] != theirs.get(key)}
    assert changed - {"model", "pretrained"} == OWN_KEYS
    for name in HOOKS:
        del ours["default_hooks"][name]
    assert ours["default_hooks"] == theirs["default_hooks"]


@pytest.mark.parametrize("name", JOINT)
def test_a_scored_detector_is_mmdetections_but_for_its_scorer(name: str) -> None:
    stem = Path(name).stem.removeprefix("scored-")
    (path,) = (Path(mmdet.__file__).parent / ".mim" / "configs").glob(f"*/{stem}.py")
    theirs = Config.fromfile(path)
    with torch.device("meta"):  # tests/models/hosts/test_detection_scoring.py trains small ones
        assert build(ConfigDict(load(name).model.to_dict())).roi_head.scorer.num_classes == 80
    ours, theirs = plain(load(name).to_dict()), plain(theirs.to_dict())
    changed = difference(ours, theirs)
    assert changed.pop("model.roi_head.scorer")["type"] == "TPShareHead"
    assert changed.pop("model.roi_head.type").startswith("DetectionScoring")
    for hook in HOOKS:
        del changed[f"default_hooks.{hook}"]
    assert {key.partition(".")[0] for key in changed} == OWN_KEYS - {"default_hooks"}
    assert {*theirs} <= {*ours}


@pytest.mark.parametrize("name", [n for n in WITH_THEIRS if is_scored(n)])
def test_checkpoints_of_mmdetections_zoo_fit(name: str) -> None:
    stock = Config.fromfile(THEIRS[Path(name).name]).model
    # MMDetection's names refer to our classes.
    stock.roi_head.type = roi_heads.MaskScoringRoIHead
    stock.roi_head.mask_iou_head.type = mask_heads.MaskIoUHead
    with torch.device("meta"):  # no memory: only shapes are compared
        ours, theirs = (build(model).state_dict() for model in (load(name).model, stock))
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


@pytest.mark.parametrize("depth", [50, 101])
def test_the_shared_stage_of_c4_starts_from_imagenet(depth: int, tmp_path: Path) -> None:
    model = load(f"mask_rcnn/mask-rcnn_r{depth}-caffe-c4_1x_coco.py").model
    of_backbone, of_stage = model.backbone.init_cfg, model.roi_head.shared_head.init_cfg
    assert of_stage == plain(of_backbone)
    assert of_stage.checkpoint == f"open-mmlab://detectron2/resnet{depth}_caffe"

    whole = build(dict(type="ResNet", depth=depth, style="caffe"))
    torch.save(whole.state_dict(), tmp_path / "resnet.pth")
    file = of_stage | dict(checkpoint=str(tmp_path / "resnet.pth"))
    stage = build(model.roi_head.shared_head | dict(init_cfg=file))
    stage.init_weights()
    expected = {k: v for k, v in whole.state_dict().items() if k.startswith("layer4.")}
    torch.testing.assert_close(dict(stage.state_dict()), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", PAPER)
def test_schedule_is_the_papers(name: str) -> None:
    config = ConfigDict(plain(load(name).to_dict()))
    assert config.train_cfg.max_epochs == 18
    warmup, steps = config.param_scheduler
    assert warmup == dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500)
    assert steps == dict(
        type="MultiStepLR", begin=0, end=18, by_epoch=True, milestones=[14, 17], gamma=0.1
    )
    sgd = dict(type="SGD", lr=0.02, momentum=0.9, weight_decay=0.0001)
    assert config.optim_wrapper == dict(type="OptimWrapper", optimizer=sgd)
    assert config.auto_scale_lr.base_batch_size == 16  # the images a step that the rate is for

    scale = (1000, 600) if "r18" in name else (1333, 800)
    for dataloader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        (resize,) = (step for step in dataloader.dataset.pipeline if step.type == "Resize")
        assert resize == dict(type="Resize", scale=scale, keep_ratio=True)

    rcnn = config.model.test_cfg.rcnn
    assert rcnn.nms == dict(type="soft_nms", iou_threshold=0.5)
    assert rcnn.max_per_img == 100


def test_every_row_of_the_papers_tables_has_its_config() -> None:
    networks = {Path(name).stem.partition("_")[2].removesuffix("_18e_coco") for name in PAPER}
    assert networks == {
        "r18_fpn",
        "r50_fpn",
        "r101_fpn",
        "r101-caffe-c4",
        "r101-dconv-c3-c5_fpn",
    }
