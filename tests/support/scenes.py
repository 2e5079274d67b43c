"""Makes random scenes for tests of targets: instances, boxes near them and predictions."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass
class Scene:
    """The instances of an image, and a predicted mask for each of R boxes."""

    masks: np.ndarray  # (G, H, W) uint8
    boxes: np.ndarray  # (R, 4) float32, sub-pixel
    inds: np.ndarray  # (R,) int64
    logits: np.ndarray  # (R, 28, 28) float32


def tight_box(mask: np.ndarray) -> np.ndarray:
    """Returns the smallest box around a non-empty mask: x1, y1, x2, y2, the last two exclusive."""
    ys, xs = np.nonzero(mask)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float32)


def random_scene(seed: int, rois: int = 4, jitter: float = 0.15) -> Scene:
    """Makes ellipses, some with a hole, boxes off by ``jitter`` of their size, noisy predictions.

    Logits vary smoothly, over 4 cells or more, as those of a network.
    """
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(24, 90, 2))
    masks = []
    while len(masks) < 3:
        mask = np.zeros((height, width), np.uint8)
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        axes = (int(rng.integers(3, 30)), int(rng.integers(3, 30)))
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(mask, centre, axes, angle, 0, 360, 1, -1)
        if rng.random() < 0.3:
            cv2.ellipse(mask, centre, (axes[0] // 2, axes[1] // 2), angle, 0, 360, 0, -1)
        if mask.any():
            masks.append(mask)
    inds = rng.integers(0, len(masks), rois)
    boxes, logits = [], []
    for i in inds:
        box = tight_box(masks[i])
        size = np.tile(box[2:] - box[:2], 2)
        box = box + (rng.normal(0, jitter, 4) * size).astype(np.float32)
        box[2:] = np.maximum(box[2:], box[:2] + 1)
        boxes.append(box)
        logits.append(prediction(rng, masks[i], box))
    return Scene(np.stack(masks), np.stack(boxes), inds, np.stack(logits))


def prediction(rng: np.random.Generator, mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Predicts the 28 x 28 logits of a box: its view of the instance, with smooth noise."""
    scale = 28 / (box[2:] - box[:2])
    view = np.array(
        [
            [scale[0], 0, (0.5 - box[0]) * scale[0] - 0.5],
            [0, scale[1], (0.5 - box[1]) * scale[1] - 0.5],
        ]
    )
    seen = cv2.warpAffine(mask.astype(np.float32), view, (28, 28))
    noise = rng.normal(0, rng.uniform(0, 4), (7, 7)).astype(np.float32)
    noise = cv2.resize(noise, (28, 28), interpolation=cv2.INTER_CUBIC)
    return ((seen - 0.5) * 8 + noise).astype(np.float32)
