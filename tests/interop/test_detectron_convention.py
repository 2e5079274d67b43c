"""Tests that our model with converted weights computes what the authors' network computes.

Parts are compared in float64, to 1e-9 of their largest value, which separates wrong formulas from
rounding. NMS, which mmcv does not have for float64, and what follows it run in float32.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS, TRANSFORMS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from msrcnn_mm.interop.maskrcnn_benchmark import FORMAT
from tests.support.checkpoints import maskrcnn_benchmark_reference as reference
from tests.support.checkpoints.maskrcnn_benchmark_files import random_weights
from tests.support.tiny import CONFIGS, build, tiny_config, train_step

HEIGHT, WIDTH = 96, 128
ROIS = [
    [0, 0, 127, 95],
    [3.25, 7.5, 40.75, 90.125],
    [10, 10, 11, 12],  # below a feature's cell
    [8.2, 8.4, 8.2, 8.4],  # one pixel
    [2.5, 3.5, 114, 115],  # sides of 112.5 with the last pixel, 111.5 without: another level
    [100, 80, 127, 95],
    [-300, -200, 147.5, 247.5],  # likewise around 448
    [-50, -50, 250, 250],  # samples outside the features
]


def config(depth: int = 50) -> Config:
    name = f"ms-rcnn_r{depth}-caffe_fpn_maskrcnn-benchmark.py"
    found = Config.fromfile(CONFIGS / "ms_rcnn" / name)
    found.model.backbone.init_cfg = None  # nothing is downloaded in a test
    init_default_scope("mmdet")
    return found


@pytest.fixture(scope="module")
def both() -> SimpleNamespace:
    """Makes the authors' weights, our model with them, and inputs for both."""
    theirs = random_weights()
    model = MODELS.build(config().model)
    ours = FORMAT.to_ours({"model": theirs}).checkpoint["state_dict"]
    model.load_state_dict(ours, strict=True)
    weights = {name: value.double() for name, value in theirs.items()}
    image = torch.randn(1, 3, HEIGHT, WIDTH, dtype=torch.float64)
    features = reference.backbone(weights, image)
    return SimpleNamespace(
        weights=weights,
        model=model.double().eval(),
        image=image,
        features=features,
        levels=reference.pyramid(weights, features),
        rois=torch.tensor(ROIS, dtype=torch.float64),
    )


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def assert_same(ours: Tensor, theirs: Tensor, tolerance: float = 1e-9) -> None:
    assert ours.shape == theirs.shape
    assert theirs.abs().max() > 1e-3  # not trivially equal
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


def background_last(logits: Tensor) -> Tensor:
    return torch.cat((logits[:, 1:], logits[:, :1]), dim=1)


def indexed(boxes: Tensor) -> Tensor:
    return F.pad(boxes, (1, 0))


# ---- the networks


def test_a_resnet_101_takes_every_weight() -> None:
    model = MODELS.build(config(101).model)
    weights = random_weights(101)
    ours = FORMAT.to_ours({"model": weights}).checkpoint["state_dict"]
    model.load_state_dict(ours, strict=True)
    model.eval()
    image = torch.randn(1, 3, 64, 64)
    levels = reference.pyramid(weights, reference.backbone(weights, image))
    for mine, their in zip(model.extract_feat(image), levels, strict=True):
        assert_same(mine, their, 1e-4)  # float32


def test_features(both: SimpleNamespace) -> None:
    mine = both.model.backbone(both.image)
    for features, theirs in ((mine, both.features), (both.model.neck(mine), both.levels)):
        for a, b in zip(features, theirs, strict=True):
            assert_same(a, b)


def test_rpn(both: SimpleNamespace) -> None:
    logits, deltas = both.model.rpn_head(both.levels)
    for level, (their_logits, their_deltas) in enumerate(reference.rpn(both.weights, both.levels)):
        assert_same(logits[level], their_logits)
        assert_same(deltas[level], their_deltas)


def test_box_head(both: SimpleNamespace) -> None:
    found = both.model.roi_head._bbox_forward(both.levels[:4], indexed(both.rois))
    pooled = reference.pool(both.levels, both.rois, 7)
    assert_same(found["bbox_feats"], pooled)
    logits, deltas = reference.box_head(both.weights, pooled)
    assert_same(found["cls_score"], background_last(logits))
    assert_same(found["bbox_pred"], deltas[:, 4:])


def test_mask_head_and_mask_iou_head(both: SimpleNamespace) -> None:
    labels = torch.arange(len(ROIS)) * 11  # ours; theirs start at 1
    found = both.model.roi_head._mask_forward(both.levels[:4], indexed(both.rois))
    pooled = reference.pool(both.levels, both.rois, 14)
    logits = reference.mask_head(both.weights, pooled)
    assert_same(found["mask_preds"], logits[:, 1:])
    chosen = logits[torch.arange(len(ROIS)), labels + 1]
    ious = both.model.roi_head.mask_iou_head(found["mask_feats"], found["mask_preds"], labels)
    assert_same(ious, reference.mask_iou_head(both.weights, pooled, chosen)[:, 1:])


def test_it_trains_a_step() -> None:
    tiny = tiny_config("ms_rcnn/ms-rcnn_r50-caffe_fpn_maskrcnn-benchmark.py")
    tiny.model.backbone.norm_eval = True  # batch norm without an epsilon must stay fixed
    with torch.enable_grad():
        losses = train_step(build(tiny))
    assert {"loss_rpn_bbox", "loss_bbox", "loss_mask", "loss_mask_iou"} <= losses.keys()
    for name, value in losses.items():
        assert torch.stack(value if isinstance(value, list) else [value]).isfinite().all(), name


# ---- boxes


def test_anchors(both: SimpleNamespace) -> None:
    sizes = [(HEIGHT // stride, WIDTH // stride) for stride in (4, 8, 16, 32, 64)]
    sizes[-1] = (2, 2)
    priors = both.model.rpn_head.prior_generator.grid_priors(sizes, device="cpu")
    for level, (height, width) in enumerate(sizes):
        assert torch.equal(
            priors[level].double(), reference.anchors(both.weights, level, height, width)
        )


@pytest.mark.parametrize("head", ["rpn_head", "bbox_head"])
def test_boxes_are_decoded_and_encoded(both: SimpleNamespace, head: str) -> None:
    coder = (
        both.model.rpn_head if head == "rpn_head" else both.model.roi_head.bbox_head
    ).bbox_coder
    factors = (1, 1, 1, 1) if head == "rpn_head" else (10, 10, 5, 5)
    torch.manual_seed(0)
    deltas = torch.randn(len(ROIS), 12, dtype=torch.float64) * 3
    deltas[0] = 100  # grows beyond the limit
    deltas[1] = -100  # shrinking has no limit
    theirs = reference.decode(both.rois, deltas, factors)
    assert_same(coder.decode(both.rois, deltas), theirs)
    clipped = coder.decode(both.rois, deltas, max_shape=(HEIGHT, WIDTH))
    assert_same(clipped, reference.clip(theirs, HEIGHT, WIDTH))
    moderate = torch.randn(len(ROIS), 4, dtype=torch.float64)
    encoded = coder.encode(both.rois, coder.decode(both.rois, moderate))
    assert_same(encoded.double(), moderate, 1e-4)  # MMDetection encodes in float32


def test_proposals(both: SimpleNamespace) -> None:
    """Compares proposals from the same outputs of the RPN, in float32."""
    head = both.model.rpn_head
    levels = [level.float() for level in both.levels]
    weights = {name: value.float() for name, value in both.weights.items()}
    outputs = reference.rpn(weights, levels)
    meta = dict(img_shape=(HEIGHT, WIDTH), scale_factor=(1.0, 1.0))
    (mine,) = head.predict_by_feat(
        [logits for logits, _ in outputs],
        [deltas for _, deltas in outputs],
        batch_img_metas=[meta],
        cfg=both.model.test_cfg.rpn,
    )
    theirs = reference.proposals(weights, levels, HEIGHT, WIDTH)
    assert len(theirs) > 100
    assert mine.bboxes.shape == theirs.shape
    assert (mine.bboxes - theirs).abs().max() < 1e-3


# ---- results


def test_results_in_the_original_image(both: SimpleNamespace) -> None:
    """Compares boxes, scores and masks from the same features and proposals, in float32."""
    height, width = 57, 77
    meta = dict(
        img_shape=(HEIGHT, WIDTH),
        ori_shape=(height, width),
        scale_factor=(WIDTH / width, HEIGHT / height),
    )
    model = both.model.float()
    weights = {name: value.float() for name, value in both.weights.items()}
    levels = [level.float() for level in both.levels]
    torch.manual_seed(0)
    corners = torch.rand(2, 15, 2) * torch.tensor((WIDTH, HEIGHT))
    rois = torch.cat((corners.amin(0), corners.amax(0)), dim=1)
    rois = reference.clip(torch.cat((both.rois.float(), rois)), HEIGHT, WIDTH)
    sample = DetDataSample(metainfo=meta)
    (mine,) = model.roi_head.predict(
        tuple(levels), [InstanceData(bboxes=rois, labels=torch.zeros(len(rois)))], [sample], True
    )
    model.double()

    outputs = reference.box_head(weights, reference.pool(levels, rois, 7))
    boxes, scores, labels = reference.detections(rois, *outputs, HEIGHT, WIDTH)
    pooled = reference.pool(levels, boxes, 14)
    logits = reference.mask_head(weights, pooled)[torch.arange(len(labels)), labels]
    ious = reference.mask_iou_head(weights, pooled, logits)[torch.arange(len(labels)), labels]
    boxes = boxes * boxes.new_tensor((width / WIDTH, height / HEIGHT) * 2)
    masks = [
        reference.paste(mask, box, height, width)
        for mask, box in zip(logits.sigmoid(), boxes, strict=True)
    ]
    assert len(labels) > 10
    assert mine.labels.tolist() == (labels - 1).tolist()
    assert_same(mine.scores, scores, 1e-4)
    assert_same(mine.bboxes[:, :2], boxes[:, :2], 1e-4)
    assert_same(mine.bboxes[:, 2:], boxes[:, 2:] + 1, 1e-4)  # edges, not last pixels
    assert_same(mine.mask_ious, ious.clamp(0, 1), 1e-3)
    assert_same(mine.mask_scores, scores * ious.clamp(0, 1), 1e-3)
    assert (mine.masks ^ torch.stack(masks)).float().mean() < 1e-3


@pytest.mark.parametrize("rescale", [True, False])
def test_masks_are_pasted_as_theirs(both: SimpleNamespace, rescale: bool) -> None:
    torch.manual_seed(0)
    count = 20
    corners = torch.rand(2, count, 2) * 60
    boxes = torch.cat((corners.amin(0), corners.amax(0)), dim=1)
    boxes[0] = torch.tensor([20.5, 30.5, 20.5, 30.5])  # one pixel
    boxes[1] = torch.tensor([0, 0, 59, 79])  # the image
    logits = F.interpolate(torch.randn(count, 80, 7, 7), 28, mode="bicubic")
    labels = torch.arange(count)
    meta = dict(ori_shape=(40, 30), scale_factor=(2.0, 2.0), img_shape=(80, 60))
    scale = 2 if rescale else 1
    changed = boxes.clone()
    masks = both.model.roi_head.mask_head._predict_by_feat_single(
        logits, changed, labels, meta, both.model.test_cfg.rcnn, rescale
    )
    assert torch.equal(changed[:, :2], boxes[:, :2] / scale)
    assert torch.equal(changed[:, 2:], boxes[:, 2:] / scale + 1)
    for i in range(count):
        mask = logits[i, i].sigmoid()
        theirs = reference.paste(mask, boxes[i] / scale, 80 // scale, 60 // scale)
        assert torch.equal(masks[i], theirs)
    assert 0.02 < masks.float().mean() < 0.5


# ---- images


def test_the_network_sees_the_pixels_that_theirs_sees(both: SimpleNamespace) -> None:
    image = torch.randint(0, 256, (3, 40, 50), dtype=torch.uint8)  # blue first
    packed = dict(inputs=[image], data_samples=[DetDataSample(metainfo=dict(img_shape=(40, 50)))])
    seen = both.model.data_preprocessor(packed)["inputs"]
    means = torch.tensor([102.9801, 115.9465, 122.7717])[:, None, None]
    assert seen.shape == (1, 3, 64, 64)
    assert torch.allclose(seen[0, :, :40, :50].float(), image - means)
    assert not seen[0, :, 40:].any()


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        ((640, 480), (1066, 800)),  # 1066.67
        ((480, 640), (800, 1066)),
        ((500, 500), (800, 800)),
        ((1000, 500), (1332, 666)),  # the long side is the limit: 666.5, to the even number
        ((333, 1000), (444, 1333)),
        ((800, 1100), (800, 1100)),
    ],
)
def test_images_are_resized_as_theirs(size: tuple[int, int], resized: tuple[int, int]) -> None:
    (step,) = (s for s in config().test_pipeline if s["type"] == "TruncatedResize")
    image = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    results = TRANSFORMS.build(step)(dict(img=image.copy()))
    expected = np.asarray(Image.fromarray(image).resize(resized, Image.BILINEAR))
    assert np.array_equal(results["img"], expected)
    assert results["img_shape"] == resized[::-1]
    assert results["scale_factor"] == (resized[0] / size[0], resized[1] / size[1])
