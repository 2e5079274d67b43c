"""Every config builds, trains a step and tests an image; a new file is tested by existing."""

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
from mmdet.registry import METRICS, MODELS, VISUALIZERS
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn

import msrcnn_mm
from msrcnn_mm.engine.checks.run import check_heads
from msrcnn_mm.engine.results.metric import MaskScoreMetric
from msrcnn_mm.engine.results.visualizer import MaskScoreVisualizer

CONFIGS = Path(__file__).parents[2] / "configs"
FRAGMENTS = {path.stem for path in (CONFIGS / "_base_").glob("*.py")}
FILES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob("*.py")
    if path.parent.name != "_base_"
)
PAPER = [name for name in FILES if name.endswith("_18e_coco.py")]
# MMDetection's own config of each name
THEIRS = {
    path.name: path
    for folder in ("ms_rcnn", "mask_rcnn", "dcn", "dcnv2")
    for path in (Path(mmdet.__file__).parent / ".mim" / "configs" / folder).glob("m*-rcnn_*.py")
}
WITH_THEIRS = [name for name in FILES if Path(name).name in THEIRS]
# tests/test_yolact_configs.py says more of these
YOLACT = [name for name in FILES if Path(name).name.startswith("yolact")]

FIELDS = {"bboxes", "labels", "scores", "masks", "foreground_probs"}
MASK_SCORES = {"mask_ious", "mask_scores"}


@cache
def load(name: str) -> Config:
    return Config.fromfile(CONFIGS / name)


def is_scored(name: str) -> bool:
    return Path(name).name.startswith(("ms-rcnn", "yolact-plus", "yolact-rescoring"))


def twin_of(name: str) -> str:
    """The name of an MS R-CNN's Mask R-CNN, or the reverse."""
    here, there = ("ms", "mask") if is_scored(name) else ("mask", "ms")
    return name.replace(f"{here}_rcnn/", f"{there}_rcnn/").replace(f"{here}-rcnn", f"{there}-rcnn")


def build(model: dict) -> nn.Module:
    init_default_scope("mmdet")
    return MODELS.build(model)


def small(model: ConfigDict) -> dict:
    """The model's config with so few RoIs that a step takes little."""
    model = model.to_dict()
    train, test = model["train_cfg"], model["test_cfg"]
    if model["type"] == "YOLACT":
        test.update(max_per_img=3, score_thr=0.0)
        return model
    train["rpn_proposal"].update(nms_pre=100, max_per_img=20)
    train["rcnn"]["sampler"].update(num=8)
    test["rpn"].update(nms_pre=100, max_per_img=10)
    test["rcnn"].update(max_per_img=3, score_thr=0.0)
    return model


@cache
def losses_and_counts(text: str) -> tuple[dict[str, float], dict[str, int], dict[str, int]]:
    """The losses of a training step; the length of each result of a test; that of an empty one.

    Args:
        text: the model's config as text, so that the configs of one model share a run.
    """
    torch.manual_seed(0)
    model = build(ConfigDict(literal_eval(text)))  # its weights are random: nothing is downloaded
    packed = demo_mm_inputs(1, [(3, 96, 128)], num_items=[2], num_classes=2, with_mask=True)
    packed["data_samples"][0].gt_instances.labels.zero_()  # the one class that all models have
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


@pytest.mark.parametrize("name", FILES)
def test_config_builds_trains_and_tests(name: str) -> None:
    config = load(name)
    losses, found, nothing = losses_and_counts(repr(small(config.model)))
    assert all(math.isfinite(loss) for loss in losses.values())
    assert ("loss_mask_iou" in losses) == is_scored(name)
    fields = FIELDS | MASK_SCORES if is_scored(name) else FIELDS
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
    # taken in, not left over as settings that nobody reads
    assert not FRAGMENTS & set(config)


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith(("ms_rcnn/", "mask_rcnn/"))])
def test_every_config_has_its_twin(name: str) -> None:
    assert twin_of(name) in FILES


@pytest.mark.parametrize(
    "name", [n for n in FILES if is_scored(n) and n not in YOLACT and twin_of(n) in FILES]
)
def test_the_twin_differs_by_the_mask_iou_head_alone(name: str) -> None:
    ours, theirs = load(name).to_dict(), load(twin_of(name)).to_dict()
    assert ours["model"].pop("type") == "MaskScoringRCNN"
    assert ours["model"]["roi_head"].pop("type") == "MaskScoringRoIHead"
    assert ours["model"]["roi_head"].pop("mask_iou_head")["type"] == "MaskIoUHead"
    assert ours["model"]["train_cfg"]["rcnn"].pop("mask_thr_binary") == 0.5
    assert theirs["model"].pop("type") == "MaskRCNN"
    assert theirs["model"]["roi_head"].pop("type") == "StandardRoIHead"
    assert ours == theirs


def difference(ours: dict, base: dict, path: str = "") -> dict[str, object]:
    """The settings of a config that its base has otherwise or not at all, by dotted keys."""
    found: dict[str, object] = {}
    for key, value in ours.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            found |= difference(value, base[key], f"{path}{key}.")
        elif key not in base or base[key] != value:
            found[f"{path}{key}"] = value
    return found


HEAD = "model.roi_head.mask_iou_head"
HIGH_RES = dict(
    type="SingleRoIExtractor",
    roi_layer=dict(type="RoIAlign", output_size=28, sampling_ratio=0),
    out_channels=256,
    featmap_strides=[4, 8, 16, 32],
)
ABLATIONS = {
    "input-multiply": {f"{HEAD}.mask_input": "target_multiply"},
    "input-all-masks": {f"{HEAD}.mask_input": "all_concat"},
    "input-high-res": {
        "model.roi_head.mask_iou_roi_extractor": HIGH_RES,
        f"{HEAD}.roi_feat_size": 28,
        f"{HEAD}.conv_strides": (2, 1, 1, 2),
    },
    "learns-all-classes": {f"{HEAD}.learns": "all_classes"},
    "learns-positive-classes": {f"{HEAD}.learns": "positive_classes"},
    "mask-iou-over-0.3": {f"{HEAD}.mask_iou_thr": 0.3},
    "mask-iou-over-0.5": {f"{HEAD}.mask_iou_thr": 0.5},
    "mask-iou-over-0.7": {f"{HEAD}.mask_iou_thr": 0.7},
    "box-iou-over-0.6": {f"{HEAD}.box_iou_thr": 0.6},
}


@pytest.mark.parametrize("base", [None, "nuclei/ms-rcnn_r18_fpn_nuclei", "demo/ms-rcnn_demo"])
def test_an_ablation_changes_what_its_name_says(
    base: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stem = "ms-rcnn_r18_fpn_18e_coco"
    if base is not None:
        monkeypatch.setenv("ABLATION_OF", f"../{base}.py")
    before = Config.fromfile(CONFIGS / f"{base or f'ms_rcnn/{stem}'}.py").to_dict()
    files = {path.stem.removeprefix(f"{stem}_") for path in (CONFIGS / "ablation").glob("*.py")}
    assert files == set(ABLATIONS)
    for name, expected in ABLATIONS.items():
        config = Config.fromfile(CONFIGS / "ablation" / f"{stem}_{name}.py").to_dict()
        if name == "input-high-res":
            channels = before["model"]["roi_head"]["mask_roi_extractor"]["out_channels"]
            extractor = "model.roi_head.mask_iou_roi_extractor"
            expected = expected | {extractor: HIGH_RES | dict(out_channels=channels)}
        assert plain(difference(config, before)) == expected, name


def test_every_config_that_the_paper_page_names_is_there() -> None:
    page = (CONFIGS.parent / "docs" / "paper.md").read_text()
    links = set(re.findall(r"\(\.\./configs/([^)]+)\)", page))
    assert len(links) > 25
    assert links <= set(FILES)


def test_of_a_frozen_host_only_the_scorer_learns() -> None:
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


def plain(settings: object) -> object:
    """Settings without the note in which package they were found, which ours have for theirs."""
    if isinstance(settings, dict):
        return {key: plain(value) for key, value in settings.items() if key != "_scope_"}
    if isinstance(settings, list):
        return [plain(value) for value in settings]
    return settings


def model_settings(config: Config) -> dict:
    """The model's settings but for the two that MMDetection's configs may have otherwise.

    Those of the MaskIoU head come with their defaults, which MMDetection's configs write out. Of
    the C4 framework's shared stage MMDetection's leave out with which weights it starts.
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
    evaluation = {"custom_imports", "val_evaluator", "test_evaluator", "visualizer"}
    assert changed - {"model", "pretrained"} == evaluation


@pytest.mark.parametrize("name", [n for n in WITH_THEIRS if is_scored(n)])
def test_checkpoints_of_mmdetections_zoo_fit(name: str) -> None:
    stock = Config.fromfile(THEIRS[Path(name).name]).model
    # the classes, as their names mean ours
    stock.roi_head.type = roi_heads.MaskScoringRoIHead
    stock.roi_head.mask_iou_head.type = mask_heads.MaskIoUHead
    with torch.device("meta"):  # shapes alone
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
    assert config.auto_scale_lr.base_batch_size == 16  # the images that the rate is for

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
