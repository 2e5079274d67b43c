"""Tests of Boundary IoU against plain pixel counts, and of Boundary AP against COCOeval."""

import contextlib
import io

import cv2
import numpy as np
import pycocotools.mask as mask_utils
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycocotools.cocoeval import COCOeval

from msrcnn_mm.evaluation.boundary import Boundary, eroded
from tests.support.coco_scenes import (
    SIDE,
    annotation,
    as_coco,
    detection,
    encode,
    evaluate,
    random_scene,
    rectangle,
)

REACH = 3  # pixels: 2% of the diagonal of 120 x 120


def plain_boundary(mask: np.ndarray) -> np.ndarray:
    """Returns the pixels of a mask with a pixel outside it, or the image, within REACH."""
    padded = np.pad(mask.astype(bool), REACH)
    boundary = np.zeros_like(mask, bool)
    for y, x in np.argwhere(mask):
        boundary[y, x] = not padded[y : y + 2 * REACH + 1, x : x + 2 * REACH + 1].all()
    return boundary


def blob(rng: np.random.Generator) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(rng.integers(1, 4)):
        x, y = rng.integers(0, SIDE - 20, 2)
        w, h = rng.integers(5, 60, 2)
        mask[y : y + h, x : x + w] = 1
    return mask


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_equals_pixel_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = [blob(rng), blob(rng)]
    plain = [plain_boundary(mask) for mask in masks]
    ours = [Boundary.of(encode(mask)) for mask in masks]
    assert [b.pixels.sum() for b in ours] == [b.sum() for b in plain]
    expected = (plain[0] & plain[1]).sum() / (plain[0] | plain[1]).sum()
    assert ours[0].iou(ours[1]) == ours[1].iou(ours[0]) == pytest.approx(expected, abs=1e-12)


@given(seed=st.integers(0, 2**32 - 1), reach=st.sampled_from([1, 2, 3, 7, 16]))
@settings(max_examples=60, deadline=None)
def test_erosion_is_that_of_opencv(seed: int, reach: int) -> None:
    rng = np.random.default_rng(seed)
    mask = blob(rng)[: rng.integers(1, SIDE), : rng.integers(1, SIDE)]
    mask[rng.random(mask.shape) < 0.001] = 0
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    expected = cv2.erode(
        np.ascontiguousarray(mask), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    assert (eroded(mask.astype(bool), reach) == expected.astype(bool)).all()


def test_the_images_edge_is_outline() -> None:
    whole = Boundary.of(encode(np.ones((SIDE, SIDE), np.uint8)))
    assert whole.pixels.sum() == SIDE**2 - (SIDE - 2 * REACH) ** 2


class PlainBoundaryEval(COCOeval):
    """COCOeval with the IoUs replaced by plain boundary IoUs."""

    def computeIoU(self, image_id: int, category_id: int):  # noqa: N802
        ious = super().computeIoU(image_id, category_id)
        gts = self._gts[image_id, category_id]
        dts = sorted(self._dts[image_id, category_id], key=lambda d: -d["score"])
        if not gts or not dts:
            return ious
        edges = [
            [plain_boundary(mask_utils.decode(item["segmentation"])) for item in items]
            for items in (dts, gts)
        ]
        for i, d in enumerate(edges[0]):
            for j, g in enumerate(edges[1]):
                if not gts[j]["iscrowd"]:
                    ious[i, j] = min(ious[i, j], (d & g).sum() / max(1, (d | g).sum()))
        return ious


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_ap_is_pycocotools_with_the_ious_replaced(seed: int) -> None:
    annotations, detections = random_scene(seed, num_images=2)
    assume(detections)
    coco = as_coco(annotations, num_images=2)
    evaluation = evaluate(coco, detections, boundary=True)
    assert evaluation.boundary is not None
    ranked = [
        {k: d[k] for k in ("image_id", "category_id", "segmentation", "score")} for d in detections
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        plain = PlainBoundaryEval(coco, coco.loadRes(ranked), "segm")
        plain.evaluate()
        plain.accumulate()
        plain.summarize()
    ours = evaluation.boundary["class_score"]
    twelve = [-1 if v is None else v for v in (*ours.ap.values(), *ours.ar.values())]
    assert twelve == plain.stats.tolist()


def test_a_loose_outline_of_a_large_mask_fails_by_boundary_iou_only() -> None:
    truth, loose = rectangle(10, 10, 110, 110), rectangle(13, 13, 107, 107)
    coco = as_coco([annotation(1, 10, truth)], 1, {3: "ring"})
    evaluation = evaluate(coco, [detection(10, loose, 0.9)], boundary=True)
    assert evaluation.boundary is not None
    assert evaluation.rankings["class_score"].ap["AP75"] == pytest.approx(1)
    assert evaluation.boundary["class_score"].ap["AP50"] == 0
    assert list(evaluation.boundary) == list(evaluation.rankings)


def test_a_mask_with_a_hole_counts_by_its_smaller_mask_iou() -> None:
    """Its outline fits better (324 of 500 pixels) than its inside (500 of 900)."""
    truth = rectangle(40, 40, 70, 70)
    hollow = truth - rectangle(45, 45, 65, 65)
    assert Boundary.of(encode(hollow)).iou(Boundary.of(encode(truth))) == 324 / 500
    coco = as_coco([annotation(1, 10, truth)], 1, {3: "ring"})
    evaluation = evaluate(coco, [detection(10, hollow, 0.9)], boundary=True)
    assert evaluation.boundary is not None
    by_iou = evaluation.boundary["class_score"].ap_by_iou
    assert by_iou == pytest.approx([1, 1] + [0] * 8)  # at 0.55 and no further


def test_boundary_is_computed_only_when_asked_for() -> None:
    annotations, detections = random_scene(4)
    assert evaluate(as_coco(annotations, 3), detections).boundary is None
