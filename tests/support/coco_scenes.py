"""Makes small COCO data sets and detections, random by seed, and evaluates by pycocotools."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation import average_precision
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import ScoreEvaluation
from msrcnn_mm.evaluation.protocol import Protocol

SIDE = 120  # pixels: room for instances of all three area ranges of COCO
CATEGORIES = {3: "ring", 7: "star"}  # ids as COCO has them: with holes


def encode(mask: np.ndarray) -> dict[str, Any]:
    """Returns the compressed RLE of a mask as a JSON file holds it."""
    rle = mask_utils.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def rectangle(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[y1:y2, x1:x2] = 1
    return mask


def as_coco(
    annotations: list[dict[str, Any]],
    num_images: int,
    categories: dict[int, str] = CATEGORIES,
) -> COCO:
    coco = COCO()
    coco.dataset = coco_dict(annotations, num_images, categories)
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def coco_dict(
    annotations: list[dict[str, Any]],
    num_images: int,
    categories: dict[int, str] = CATEGORIES,
) -> dict[str, Any]:
    return {
        "images": [
            {"id": 10 + i, "file_name": f"{i}.png", "height": SIDE, "width": SIDE}
            for i in range(num_images)
        ],
        "categories": [{"id": i, "name": name} for i, name in categories.items()],
        "annotations": annotations,
    }


def annotation(
    index: int, image_id: int, mask: np.ndarray, category_id: int = 3, iscrowd: int = 0
) -> dict[str, Any]:
    rle = encode(mask)
    return {
        "id": index,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": rle,
        "area": int(mask.sum()),
        "bbox": mask_utils.toBbox(rle).tolist(),
        "iscrowd": iscrowd,
    }


def detection(
    image_id: int,
    mask: np.ndarray,
    score: float,
    category_id: int = 3,
    mask_iou: float | None = None,
) -> dict[str, Any]:
    rle = encode(mask)
    result = {
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": rle,
        "bbox": mask_utils.toBbox(rle).tolist(),
        "score": score,
    }
    if mask_iou is not None:
        result |= {"mask_iou": mask_iou, "mask_score": score * mask_iou}
        result["foreground_prob"] = 1 - mask_iou / 2  # any other number
    return result


def random_scene(
    seed: int, num_images: int = 3, most: int = 6, crowds: bool = True
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns annotations and detections: hits, duplicates, wrong classes, false alarms, ties.

    Images without ground truth, without detections and without either come up.
    """
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    detections = []
    for image_id in range(10, 10 + num_images):
        boxes = [_random_box(rng) for _ in range(rng.integers(0, most))]
        for box in boxes:
            crowd = int(crowds and rng.random() < 0.15)
            category_id = int(rng.choice(list(CATEGORIES)))
            annotations.append(
                annotation(len(annotations) + 1, image_id, rectangle(*box), category_id, crowd)
            )
        for _ in range(rng.integers(0, 2 * most)):
            near = boxes and rng.random() < 0.8
            around = _shaken(rng, boxes[rng.integers(len(boxes))]) if near else _random_box(rng)
            mask = rectangle(*around)
            score = round(float(rng.random()), 1)  # one decimal: ties are common
            category_id = int(rng.choice(list(CATEGORIES)))
            mask_iou = float(rng.random())
            detections.append(detection(image_id, mask, score, category_id, mask_iou))
    return annotations, detections


def _random_box(rng: np.random.Generator) -> tuple[int, int, int, int]:
    size = int(rng.choice([4, 12, 40, 100]))
    x, y = (int(v) for v in rng.integers(0, SIDE - size, 2))
    return x, y, x + size, y + int(rng.integers(size // 2, size + 1))


def _shaken(rng: np.random.Generator, box: Sequence[int]) -> tuple[int, int, int, int]:
    reach = max(1, (box[2] - box[0]) // 8)
    x1, y1, x2, y2 = (int(v) for v in np.array(box) + rng.integers(-reach, reach + 1, 4))
    x1, y1 = max(0, min(x1, SIDE - 2)), max(0, min(y1, SIDE - 2))
    return x1, y1, min(SIDE, max(x2, x1 + 1)), min(SIDE, max(y2, y1 + 1))


def plain_pycocotools(
    coco: COCO,
    detections: list[dict[str, Any]],
    scores: Sequence[float] | np.ndarray,
    max_dets: Sequence[int] = (1, 10, 100),
    iou_type: str = "segm",
) -> np.ndarray:
    """Returns the twelve numbers of COCOeval.summarize, with ``score`` replaced."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = _evaluated(coco, detections, scores, max_dets, iou_type)
        evaluation.accumulate()
        evaluation.summarize()
    return np.asarray(evaluation.stats)


def plain_tp_shares(
    coco: COCO, detections: list[dict[str, Any]], max_det: int = 100
) -> list[float]:
    """Returns the share of thresholds at which pycocotools matches each detection.

    NaN for a detection that it ignores at every threshold or that is beyond ``max_det``.
    """
    shares = [float("nan")] * len(detections)
    scores = [d["score"] for d in detections]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = _evaluated(coco, detections, scores, (max_det,), "segm")
    for image in evaluation.evalImgs:
        if image is not None and image["aRng"] == [0, 1e10]:
            correct = (image["dtMatches"] > 0) & (image["dtIgnore"] == 0)
            for place, index in enumerate(image["dtIds"]):  # from 1, in the order of the results
                if not image["dtIgnore"][:, place].all():
                    shares[index - 1] = correct[:, place].sum() / len(correct)
    return shares


def _evaluated(
    coco: COCO,
    detections: list[dict[str, Any]],
    scores: Sequence[float] | np.ndarray,
    max_dets: Sequence[int],
    iou_type: str,
) -> COCOeval:
    """Returns COCOeval after the matching, with ``score`` replaced."""
    shape = "segmentation" if iou_type == "segm" else "bbox"
    ranked = [
        {k: d[k] for k in ("image_id", "category_id", shape)} | {"score": float(s)}
        for d, s in zip(detections, scores, strict=True)
    ]
    evaluation = COCOeval(coco, coco.loadRes(ranked), iou_type)
    evaluation.params.maxDets = list(max_dets)
    evaluation.evaluate()
    return evaluation


def evaluate(coco: COCO, rows: list[dict[str, Any]], *options: Any, **more: Any) -> ScoreEvaluation:
    return evaluate_scores(coco, Detections.from_rows(rows), *options, **more)


def average_precisions(
    coco: COCO,
    rows: list[dict[str, Any]],
    scores: Sequence[float],
    max_dets: tuple[int, ...] = (1, 10, 100),
    iou_type: str = "segm",
) -> list[float]:
    """Returns AP, AP50, AP75, APs, APm, APl of detections ranked by scores."""
    detections, counted = Detections.from_rows(rows), protocol(coco, max_dets)
    return average_precision.average_precisions(
        coco, detections, scores, counted, iou_type
    ).tolist()


def protocol(coco: COCO, max_dets: tuple[int, ...] = (1, 10, 100)) -> Protocol:
    """Returns COCO's protocol with other numbers of detections."""
    at = 100 if 100 in max_dets else max_dets[-1]
    return Protocol(coco.getCatIds(), coco.getImgIds(), max_dets, at, np.linspace(0.5, 0.95, 10))


def worked_scene() -> tuple[COCO, list[dict]]:
    """Returns two images with one instance each, and three masks.

    A covers the first instance whole (IoU 1), B half of the second (IoU 0.5: correct at the first
    of the ten thresholds only), C nothing. AP is the mean precision at 101 recalls, 51 of which
    are at most 0.5, which is as far as A alone gets.
    """
    first, second = rectangle(10, 10, 50, 50), rectangle(20, 20, 60, 60)
    coco = as_coco([annotation(1, 10, first), annotation(2, 11, second)], 2, {3: "ring"})
    a = detection(10, first, 0.7, mask_iou=0.8)
    b = detection(11, rectangle(20, 20, 40, 60), 0.8, mask_iou=0.9)
    c = detection(11, rectangle(80, 80, 100, 100), 0.9, mask_iou=0.1)
    return coco, [a, b, c]
