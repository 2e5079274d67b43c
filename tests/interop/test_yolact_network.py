"""Tests of YOLACT and YOLACT++ with converted weights against the authors' networks."""

import re
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from torch import Tensor, nn

import tests.support.checkpoints.yolact_reference as reference
from msrcnn_mm.interop.conversion import convert
from msrcnn_mm.interop.yolact_checkpoints import FORMAT
from tests.support.checkpoints.yolact_files import random_weights
from tests.support.tiny import CONFIGS

CLASSES = 7
# small images; the scorer needs 249 pixels or more
SIZES = {False: 138, True: 250}
SIDES = {False: (16, 24, 32, 48, 96), True: (22, 33, 44, 88, 176)}


class Case:
    """A network in both codebases, an image, and the features that both compute."""

    def __init__(self, plus: bool) -> None:
        self.plus, self.size, self.sides = plus, SIZES[plus], SIDES[plus]
        self.weights = random_weights(50, plus, CLASSES)
        done = convert(self.weights, (FORMAT,))
        self.config = Config.fromfile(
            CONFIGS.parent / re.findall(r"configs/\S+?py", done.advice)[0]
        )
        settings = re.findall(r"(\S+)=7", done.advice)
        self.config.merge_from_dict(dict.fromkeys(settings, CLASSES))
        self.config.model.backbone.init_cfg = None
        self.config.model.bbox_head.anchor_generator.update(
            image_size=self.size, sides=list(self.sides)
        )
        self.model = network(self.config)
        self.model.load_state_dict(done.checkpoint["state_dict"], strict=True)
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 256, (9, 12, 3), np.uint8)
        self.picture = cv2.resize(coarse, (120, 90), interpolation=cv2.INTER_CUBIC)
        resized = torch.nn.functional.interpolate(
            torch.tensor(self.picture, dtype=torch.float64).permute(2, 0, 1)[None],
            (self.size, self.size),
            mode="bilinear",
            align_corners=False,
        )[0]
        self.image = reference.normalised(resized)
        with torch.no_grad():
            self.features = reference.backbone(self.weights, self.image)
            self.levels = reference.pyramid(self.weights, self.features)
            self.our_features = self.model.backbone(self.image)
            self.our_levels = self.model.neck(self.our_features)


def network(config: Config) -> nn.Module:
    init_default_scope("mmdet")
    return MODELS.build(config.model).double().eval()


@pytest.fixture(scope="module", params=[False, True], ids=["YOLACT", "YOLACT++"])
def case(request: Any) -> Case:
    return Case(request.param)


def assert_close(found: Tensor, wanted: Tensor, tolerance: float = 1e-9) -> None:
    assert found.shape == wanted.shape
    assert wanted.abs().max() > 0
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()


def flat(output: Tensor, length: int) -> Tensor:
    """Reshapes an output to (A, length), cell by cell and anchor by anchor, as MMDetection."""
    return output[0].permute(1, 2, 0).reshape(-1, length)


# ---- raw outputs


def test_features(case: Case) -> None:
    for found, wanted in zip(case.our_features, case.features, strict=True):
        assert_close(found, wanted)
    for found, wanted in zip(case.our_levels, case.levels, strict=True):
        assert_close(found, wanted)


@torch.no_grad()
def test_features_of_a_resnet_101_with_every_third_block_deformable() -> None:
    weights = random_weights(101, True, CLASSES)
    done = convert(weights, (FORMAT,))
    config = Config.fromfile(CONFIGS / "yolact_plus" / "yolact-plus_r101_authors.py")
    init_default_scope("mmdet")
    backbone = MODELS.build(config.model.backbone).double()
    backbone.eval()  # returns nothing
    ours, prefix = done.checkpoint["state_dict"], "backbone."
    part = {name.removeprefix(prefix): w for name, w in ours.items() if name.startswith(prefix)}
    backbone.load_state_dict(part, strict=True)
    image = torch.randn(1, 3, 65, 65, dtype=torch.float64)
    for found, wanted in zip(backbone(image), reference.backbone(weights, image), strict=True):
        assert_close(found, wanted)


@torch.no_grad()
def test_predictions_of_each_level(case: Case) -> None:
    outputs = zip(*case.model.bbox_head(case.our_levels), strict=True)
    for (scores, offsets, coefficients), level in zip(outputs, case.levels, strict=True):
        wanted = reference.predictions(case.weights, level)
        background_last = wanted[0].roll(-1, dims=1)
        assert_close(flat(scores, CLASSES + 1), background_last)
        assert_close(flat(offsets, 4), wanted[1])
        assert_close(flat(coefficients, 32), wanted[2])
        assert wanted[0].std(dim=0).min() > 0.01  # anchors differ


@torch.no_grad()
def test_prototypes(case: Case) -> None:
    found = case.model.mask_head.protonet(case.our_levels[0])[0].permute(1, 2, 0)
    assert_close(found, reference.prototypes(case.weights, case.levels[0]))


@torch.no_grad()
def test_semantic_segmentation(case: Case) -> None:
    """MMDetection trains class c in channel c - 1."""
    found = case.model.mask_head.segm_branch(case.our_levels[0])
    layer = reference.layer(case.weights, "semantic_seg_conv")
    wanted = torch.nn.functional.conv2d(case.levels[0], *layer)
    for label in range(CLASSES):
        assert_close(found[:, label - 1], wanted[:, label])


@torch.no_grad()
def test_mask_ious() -> None:
    weights = random_weights(50, True, CLASSES)
    ours = convert(weights, (FORMAT,)).checkpoint["state_dict"]
    head = MODELS.build({"type": "mmdet.FastMaskIoUHead", "num_classes": CLASSES}).double()
    prefix = "mask_head.mask_iou_head."
    head.load_state_dict({n.removeprefix(prefix): w for n, w in ours.items() if prefix in n})
    masks = torch.rand(4, 138, 138, dtype=torch.float64)
    masks[1, 40:] = 0
    wanted = reference.mask_ious(weights, masks)
    assert wanted.count_nonzero() > wanted.numel() / 4
    assert_close(head(masks), wanted)


# ---- anchors and boxes


@pytest.mark.parametrize(
    ("name", "size", "sides"),
    [
        ("yolact_r50_authors", 550, (24, 48, 96, 192, 384)),
        ("yolact_r101_authors_im400", 400, (17, 34, 69, 139, 279)),
        ("yolact_r101_authors_im700", 700, (30, 61, 122, 244, 488)),
        ("yolact-plus_r101_authors", 550, (24, 48, 96, 192, 384)),
    ],
)
def test_anchors(name: str, size: int, sides: tuple[int, ...]) -> None:
    config = Config.fromfile(CONFIGS / "yolact_plus" / f"{name}.py")
    for pipeline in (config.train_pipeline, config.test_dataloader.dataset.pipeline):
        (resize,) = [step for step in pipeline if step.type == "Resize"]
        assert tuple(resize.scale) == (size, size)
        assert not resize.keep_ratio
        assert pipeline[0].to_float32
    assert config.train_dataloader.dataset.pipeline == config.train_pipeline
    generator = TASK_UTILS.build(config.model.bbox_head.anchor_generator)
    rows = [0, 0, 0, 0, 0]
    cells = size
    for level in range(-2, 5):  # each layer of stride 2 halves the side, rounded up
        cells = (cells + 1) // 2
        rows[max(level, 0)] = cells
    assert size != 550 or rows == [69, 35, 18, 9, 5]
    found = generator.grid_priors([(n, n) for n in rows], device="cpu")
    for i, boxes in enumerate(found):
        wanted = reference.anchors(sides[i] / size, "plus" in name, rows[i], rows[i]) * size
        middles, lengths = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        assert_close(torch.cat((middles, lengths), dim=1).double(), wanted, 1e-6)


def test_boxes(case: Case) -> None:
    head = case.model.bbox_head
    torch.manual_seed(0)
    offsets = torch.randn(500, 4, dtype=torch.float64) * 3
    middles, sides = torch.rand(2, 500, 2, dtype=torch.float64)
    anchors = torch.cat((middles - sides / 2, middles + sides / 2), dim=1) * case.size
    found = head.bbox_coder.decode(anchors, offsets, max_shape=(case.size, case.size))
    wanted = reference.decode(offsets, torch.cat((middles, sides), dim=1))
    assert wanted.min() < 0
    assert wanted.max() > 1
    assert_close(found, wanted * case.size)


# ---- from an image to results


def test_results(case: Case) -> None:
    """Compares results from an image, to float32's accuracy."""
    pipeline = case.config.test_dataloader.dataset.pipeline
    pipeline[1].scale = (case.size, case.size)
    data = Compose([step for step in pipeline[1:] if step.type != "LoadAnnotations"])(
        {
            "img": case.picture.astype(np.float32),
            "ori_shape": (90, 120),
            "img_path": "",
            "img_id": 0,
        }
    )
    batch = {"inputs": [data["inputs"]], "data_samples": [data["data_samples"]]}
    batch = case.model.data_preprocessor(batch)
    assert_close(batch["inputs"].double(), case.image, 1e-5)
    with torch.no_grad():
        (sample,) = case.model.predict(case.image, batch["data_samples"])
        raw = [reference.predictions(case.weights, level) for level in case.levels]
        protos = reference.prototypes(case.weights, case.levels[0])
    results = sample.pred_instances

    priors = [
        reference.anchors(side / case.size, case.plus, *level.shape[2:])
        for side, level in zip(case.sides, case.levels, strict=True)
    ]
    logits, offsets, coefficients = (torch.cat(parts) for parts in zip(*raw, strict=True))
    boxes = reference.decode(offsets, torch.cat(priors))
    wanted = reference.detections(logits, boxes)
    assert 20 < len(wanted) <= 100
    assert len(results) == len(wanted)
    scores, labels, chosen = zip(*wanted, strict=True)
    assert_close(results.scores.double(), torch.tensor(scores, dtype=torch.float64), 1e-6)
    assert results.labels.tolist() == list(labels)
    found = results.bboxes.double() / torch.tensor([120, 90, 120, 90])
    assert_close(found, boxes[list(chosen)].clamp(0, 1), 1e-5)

    masks = torch.stack([reference.mask(protos, coefficients[i], boxes[i]) for i in chosen])
    upsampled = torch.nn.functional.interpolate(
        masks[None], (90, 120), mode="bilinear", align_corners=False
    )[0]
    differing = (results.masks != (upsampled > 0.5)).count_nonzero()
    assert differing <= 1e-3 * results.masks.count_nonzero()
    assert results.masks.any(dim=2).any(dim=1).double().mean() > 0.2
    if case.plus:
        ious = reference.mask_ious(case.weights, masks)[range(len(labels)), labels]
        assert_close(results.mask_ious.double(), ious.clamp(max=1), 1e-5)
        assert_close(results.mask_scores, results.scores * results.mask_ious)
