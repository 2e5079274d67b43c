"""The one form in which evaluation handles detections: COCO's results format, plus our fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from mmdet.structures.mask import encode_mask_results
from numpy.typing import NDArray

Detection = dict[str, Any]
"""One entry of a COCO results file.

``image_id``, ``category_id``, ``bbox`` (``[x, y, w, h]``, pixels), ``score`` (the class score) and,
where the detector has them, ``segmentation`` (compressed RLE of the full image, ``counts`` a
``str``), ``mask_iou`` (in [0, 1]), ``mask_score`` and ``foreground_prob`` (the mean probability of
the mask's foreground, in [0, 1]; times ``score`` it is maskness); and, where a calibration was
applied, ``calibrated_score`` (in [0, 1]).
"""

_SCORE_FIELDS = {
    "mask_ious": "mask_iou",
    "mask_scores": "mask_score",
    "foreground_probs": "foreground_prob",
    "calibrated_scores": "calibrated_score",
}
SCORE_ENTRIES = tuple(_SCORE_FIELDS.values())
"""What an entry may carry beside ``score``."""


def to_arrays(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """Takes what evaluation needs from one image's ``pred_instances`` off its device.

    Args:
        prediction: ``bboxes`` (D, 4) as ``x1, y1, x2, y2`` in pixels, ``labels`` (D,), ``scores``
            (D,) and, optionally, ``masks`` (D, H, W) or a list of D RLEs, and ``mask_ious``,
            ``mask_scores``, ``foreground_probs`` and ``calibrated_scores``, each (D,).

    Returns:
        The same fields as NumPy arrays, ``masks`` as a list of D RLEs.
    """
    fields = ("bboxes", "labels", "scores", *_SCORE_FIELDS)
    arrays = {name: prediction[name].cpu().numpy() for name in fields if name in prediction}
    if "masks" in prediction:
        masks = prediction["masks"]
        arrays["masks"] = (
            encode_mask_results(masks.detach().cpu().numpy())
            if isinstance(masks, torch.Tensor)
            else masks
        )
    return arrays


def to_detections(
    arrays: Mapping[str, Any], image_id: int | str, category_ids: Sequence[int]
) -> list[Detection]:
    """Writes one image's predictions in COCO's results format.

    Numbers become Python floats exactly as MMDetection's ``CocoMetric`` makes them, so that an
    evaluation of these detections agrees with its own to the last bit.

    Args:
        arrays: As from :func:`to_arrays`.
        image_id: The image's id in the annotations.
        category_ids: Category id of each label.

    Returns:
        D detections, in the order of ``arrays``.
    """
    extra = {entry: arrays[field] for field, entry in _SCORE_FIELDS.items() if field in arrays}
    detections = []
    for i, label in enumerate(arrays["labels"]):
        x1, y1, x2, y2 = arrays["bboxes"][i].tolist()
        detection: Detection = {
            "image_id": image_id,
            "category_id": category_ids[label],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": float(arrays["scores"][i]),
        }
        if "masks" in arrays:
            detection["segmentation"] = _with_text_counts(arrays["masks"][i])
        detection.update({entry: float(values[i]) for entry, values in extra.items()})
        detections.append(detection)
    return detections


def _with_text_counts(rle: Mapping[str, Any]) -> dict[str, Any]:
    """``rle`` with ``counts`` as JSON can hold it."""
    counts = rle["counts"]
    text = counts.decode() if isinstance(counts, bytes) else counts
    return {"size": list(rle["size"]), "counts": text}


Rle = dict[str, Any]
"""A COCO run-length encoding: ``size`` ([height, width]) and ``counts`` (compressed, a ``str``)."""

Column = NDArray[np.float64]
"""(D,), one value a detection; NaN where it has none."""

_ENTRIES = {
    "mask_ious": "mask_iou",
    "mask_scores": "mask_score",
    "foreground_probs": "foreground_prob",
    "calibrated_scores": "calibrated_score",
}


@dataclass(frozen=True)
class Detections:
    """D detections of a data set as columns.

    Rows of dictionaries exist only where results files are read (:meth:`from_rows`) and written
    (:meth:`to_rows`).

    Attributes:
        image_ids: (D,), image ids of the annotations, integers or text.
        category_ids: (D,), category ids of the annotations.
        class_scores: (D,), s_cls; ``score`` in a results file.
        masks: D compressed RLEs of the whole image; None if the results hold no masks.
        boxes: (D, 4), x, y, width, height in pixels; None if the results hold no boxes.
        mask_ious: (D,), s_iou in [0, 1], as the results have it; None if no detection has one.
        mask_scores: (D,), s_cls * s_iou; None if no detection has one.
        foreground_probs: (D,), mean probability of the mask's foreground, in [0, 1]; None if no
            detection has one.
        calibrated_scores: (D,), in [0, 1]; None if no detection has one.
    """

    image_ids: list[Any]
    category_ids: list[int]
    class_scores: Column
    masks: list[Rle] | None = None
    boxes: NDArray[np.float64] | None = None
    mask_ious: Column | None = None
    mask_scores: Column | None = None
    foreground_probs: Column | None = None
    calibrated_scores: Column | None = None

    def __len__(self) -> int:
        return len(self.class_scores)

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]]) -> "Detections":
        """Makes columns of the rows of a results file, which have been checked.

        Args:
            rows: D mappings with ``image_id``, ``category_id``, ``score`` and, all or none of them,
                ``segmentation`` and ``bbox``; ``mask_iou``, ``mask_score``, ``foreground_prob`` and
                ``calibrated_score`` where a detection has them.
        """
        first = rows[0] if rows else {}
        return cls(
            image_ids=[row["image_id"] for row in rows],
            category_ids=[row["category_id"] for row in rows],
            class_scores=np.array([row["score"] for row in rows], float),
            masks=[row["segmentation"] for row in rows] if "segmentation" in first else None,
            boxes=(
                np.array([row["bbox"] for row in rows], float).reshape(-1, 4)
                if "bbox" in first
                else None
            ),
            mask_ious=_column(rows, "mask_iou"),
            mask_scores=_column(rows, "mask_score"),
            foreground_probs=_column(rows, "foreground_prob"),
            calibrated_scores=_column(rows, "calibrated_score"),
        )

    def to_rows(self) -> list[dict[str, Any]]:
        """The rows of a results file; a value that a detection lacks is left out."""
        rows: list[dict[str, Any]] = [
            {"image_id": image_id, "category_id": category_id, "score": score}
            for image_id, category_id, score in zip(
                self.image_ids, self.category_ids, self.class_scores.tolist(), strict=True
            )
        ]
        for index, row in enumerate(rows):
            if self.boxes is not None:
                row["bbox"] = self.boxes[index].tolist()
            if self.masks is not None:
                row["segmentation"] = self.masks[index]
        for name, entry in _ENTRIES.items():
            column = getattr(self, name)
            if column is not None:
                for place in np.flatnonzero(~np.isnan(column)).tolist():
                    rows[place][entry] = float(column[place])
        return rows

    def select(self, index: NDArray[Any]) -> "Detections":
        """The detections at the given positions, or where a (D,) boolean mask is true."""
        positions = np.arange(len(self))[index]
        picked: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                value = [value[i] for i in positions]
            elif value is not None:
                value = value[positions]
            picked[field.name] = value
        return Detections(**picked)

    @property
    def maskness(self) -> Column | None:
        """(D,), class score x mean foreground probability; None if no detection has one."""
        if self.foreground_probs is None:
            return None
        return self.class_scores * self.foreground_probs


def _column(rows: Sequence[Mapping[str, Any]], entry: str) -> Column | None:
    """(D,), NaN for a row without the entry; None if no row has it."""
    if not any(entry in row for row in rows):
        return None
    return np.array([row.get(entry, np.nan) for row in rows], float)
