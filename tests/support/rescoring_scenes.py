"""Makes small results with masks of any form, random by seed, and views of them."""

from typing import Any

import numpy as np

from tests.support.coco_scenes import encode


def blob(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Returns a mask of a few squares, with holes and parts; at times empty or full."""
    if rng.random() < 0.1:
        return np.full((height, width), rng.random() < 0.5, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    for value in (1, 1, 0, 1):
        y, x = rng.integers(0, height), rng.integers(0, width)
        mask[y : y + rng.integers(1, 9), x : x + rng.integers(1, 9)] = value
    return mask


def random_masks(seed: int, many: int = 60) -> list[np.ndarray]:
    """Returns masks of different sizes, some of one row or column."""
    rng = np.random.default_rng(seed)
    return [blob(rng, *(int(v) for v in rng.integers(1, 20, 2))) for _ in range(many)]


def random_results(
    seed: int, images: int = 4, most: int = 9, classes: int = 3
) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """Returns rows of a results file and their masks, images mixed; equal scores come up."""
    rng = np.random.default_rng(seed)
    rows, masks = [], []
    for image_id in range(images):
        height, width = (int(v) for v in rng.integers(12, 24, 2))
        for _ in range(rng.integers(1, most)):
            mask = blob(rng, height, width)
            masks.append(mask)
            rows.append(
                {
                    "image_id": image_id,
                    "category_id": int(rng.integers(classes)),
                    "score": round(float(rng.uniform(0.05, 1)), 1),
                    "segmentation": encode(mask),
                    "bbox": [float(v) for v in rng.uniform(1, 12, 4)],
                }
            )
    order = rng.permutation(len(rows))
    return [rows[i] for i in order], [masks[i] for i in order]


def changed_view(seed: int, rows: list[dict[str, Any]], masks: list[np.ndarray]) -> Any:
    """Returns the rows and masks of a view: each mask moved by up to a pixel, some left out."""
    rng = np.random.default_rng(seed)
    view, moved = [], []
    for row, mask in zip(rows, masks, strict=True):
        if rng.random() < 0.8:
            other = np.roll(mask, rng.integers(-1, 2, 2), axis=(0, 1))
            score = float(np.clip(row["score"] + rng.normal(0, 0.1), 0.01, 1))
            view.append(row | {"segmentation": encode(other), "score": score})
            moved.append(other)
    return view, moved


def plain_iou(one: np.ndarray, other: np.ndarray) -> float:
    union = (one | other).sum()
    return float((one & other).sum() / union) if union else 0.0
