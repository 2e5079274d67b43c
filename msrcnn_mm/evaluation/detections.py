"""The one form in which evaluation handles detections: COCO's results format, plus our fields."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.structures.mask import encode_mask_results

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
