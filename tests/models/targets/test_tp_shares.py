"""Tests of the TP shares that scorers learn against pycocotools' own matches."""

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils
from pycocotools.cocoeval import COCOeval

from msrcnn_mm.models.targets.detection_ious import detection_ious
from msrcnn_mm.models.targets.tp_shares import tp_shares
from tests.support.coco_scenes import as_coco, plain_tp_shares, random_scene


def instances(rows: list[dict], size: tuple[int, int]) -> InstanceData:
    masks = [mask_utils.decode(row["segmentation"]) for row in rows]
    return InstanceData(
        labels=torch.tensor([row["category_id"] for row in rows], dtype=torch.long),
        masks=BitmapMasks(masks, *size),
    )


@given(seed=st.integers(0, 2**32 - 1), encoded=st.booleans())
@settings(max_examples=30, deadline=None)
def test_equals_the_matches_of_pycocotools(seed: int, encoded: bool) -> None:
    annotations, detections = random_scene(seed)
    assume(detections)
    expected = plain_tp_shares(as_coco(annotations, num_images=3), detections, 100)
    found = np.full(len(detections), -1.0)
    for image in {d["image_id"] for d in detections}:
        own = [i for i, d in enumerate(detections) if d["image_id"] == image]
        rows = [detections[i] for i in own]
        size = tuple(rows[0]["segmentation"]["size"])
        truth = [a for a in annotations if a["image_id"] == image]
        sample = DetDataSample(
            gt_instances=instances([a for a in truth if not a["iscrowd"]], size),
            ignored_instances=instances([a for a in truth if a["iscrowd"]], size),
        )
        masks = [row["segmentation"] for row in rows]
        if not encoded:
            masks = torch.from_numpy(mask_utils.decode(masks).transpose(2, 0, 1)).bool()
        results = InstanceData(labels=torch.tensor([row["category_id"] for row in rows]))
        results.masks = masks
        scores = torch.tensor([row["score"] for row in rows], dtype=torch.float64)
        found[own] = _shares(*detection_ious(results, sample), scores)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def _shares(ious: torch.Tensor, crowds: torch.Tensor, scores: torch.Tensor) -> np.ndarray:
    return tp_shares(ious, scores, crowds).numpy()


Pairs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@st.composite
def pairs(draw: st.DrawFn) -> Pairs:
    """Draws IoUs, class scores and crowd regions with many ties and several fits."""
    seed = draw(st.integers(0, 2**32 - 1))
    detections, instances = draw(st.integers(0, 12)), draw(st.integers(0, 8))
    rng = np.random.default_rng(seed)
    # some are equal to a threshold as pycocotools rounds it
    levels = np.concatenate((np.linspace(0.5, 0.95, 10), np.linspace(0, 1, 13)))
    ious = rng.choice(levels, (detections, instances))
    scores = rng.integers(0, 4, detections) / 4
    crowds = rng.random(instances) < 0.25
    return tuple(map(torch.from_numpy, (ious, scores, crowds)))


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_ties_and_several_fits_are_matched_as_by_pycocotools(drawn: Pairs) -> None:
    ious, scores, crowds = drawn
    row = dict(image_id=10, category_id=3, area=1, bbox=[0, 0, 1, 1])
    truth = [row | dict(id=i, iscrowd=int(crowd)) for i, crowd in enumerate(crowds, 1)]
    found = [row | dict(id=i, score=score.item()) for i, score in enumerate(scores, 1)]
    evaluation = COCOeval(as_coco(truth, 1), as_coco(found, 1), "bbox")
    evaluation._prepare()
    order = np.argsort(-scores.numpy(), kind="mergesort")
    evaluation.ious[10, 3] = ious.numpy()[order] if ious.numel() else []
    result = evaluation.evaluateImg(10, 3, [0, 1e10], 100)
    expected = np.zeros(len(scores))
    if result:
        ignored = result["dtIgnore"].astype(bool)
        share = ((result["dtMatches"] > 0) & ~ignored).mean(axis=0)
        expected[order] = np.where(ignored.all(axis=0), np.nan, share)
    np.testing.assert_allclose(tp_shares(ious, scores, crowds).numpy(), expected, atol=1e-6)


def plain_loop(ious: torch.Tensor, scores: torch.Tensor, crowds: torch.Tensor) -> torch.Tensor:
    """Matches one detection after the other, at one threshold after the other."""
    taken = torch.zeros(len(ious), 10)
    for t, threshold in enumerate(np.linspace(0.5, 0.95, 10)):
        free = {g for g, crowd in enumerate(crowds.tolist()) if not crowd}
        for d in np.argsort(-scores.numpy(), kind="stable"):
            fits = [g for g in free if ious[d, g] >= threshold]
            if fits:
                free.remove(max(fits, key=lambda g: (ious[d, g].item(), g)))
                taken[d, t] = 1
            elif any(ious[d, crowds] >= threshold):
                taken[d, t] = torch.nan
    shares = taken.nanmean(dim=1) * (~taken.isnan()).sum(dim=1) / 10
    return torch.where(taken.isnan().all(dim=1), torch.nan, shares)


@given(st.lists(pairs(), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_images_of_a_batch_are_matched_apart(images: list[Pairs]) -> None:
    ious, scores, crowds = zip(*images, strict=True)
    shares = tp_shares(torch.block_diag(*ious), torch.cat(scores), torch.cat(crowds))
    expected = torch.cat([plain_loop(*image) for image in images])
    torch.testing.assert_close(shares, expected, equal_nan=True)
