"""Changes the predictions of MMDetection's models, and turns them into detections."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmdet.structures.mask import encode_mask_results
from mmengine.model import is_model_wrapper
from torch import nn
from torch.utils.hooks import RemovableHandle

from msrcnn_mm.coco.detections import SCORE_ENTRIES, Detections, Rle
from msrcnn_mm.coco.lazy_rles import LazyRles
from msrcnn_mm.errors import UserError
from msrcnn_mm.models.scorers.mask_statistics import NAMES
from msrcnn_mm.rescoring.features.agreement import ENTRY

from .mask_encoder import encode_masks

LABELS = range(2**31)
"""Labels as category ids, for what depends only on which detections share a class."""


def bare_model(model: Any) -> nn.Module:
    """Returns a model without its wrappers, such as ``MMDistributedDataParallel``."""
    while is_model_wrapper(model):
        model = model.module
    return model


def change_predictions(model: nn.Module, change: Callable[[Any], None]) -> RemovableHandle:
    """Changes a model's predictions before anything else reads them.

    Every ``test_step`` and ``val_step`` of mmengine calls the model itself, behind all wrappers,
    with ``mode="predict"``. A forward hook of torch takes its results there.

    Args:
        model: The model, perhaps in a wrapper.
        change: Called with the data sample of each image; changes it in place.

    Returns:
        The handle whose ``remove`` ends it.
    """

    def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any], samples: Any) -> None:
        if kwargs.get("mode") == "predict":
            for sample in samples:
                change(sample)

    return bare_model(model).register_forward_hook(hook, with_kwargs=True)


def to_arrays(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """Takes what evaluation needs from one image's ``pred_instances`` off its device.

    Args:
        prediction: ``bboxes`` (D, 4) as ``x1, y1, x2, y2`` in pixels, ``labels`` (D,), ``scores``
            (D,) and, optionally, ``masks`` (D, H, W) or a list of D RLEs, and scores
            that are keys of :data:`SCORE_ENTRIES`, each (D,), and ``mask_statistics`` (D, S), see
            :func:`msrcnn_mm.models.scorers.mask_statistics.mask_statistics`; ``mask_rles``, masks
            that are encoded already, and ``view_agreement``, both of
            :class:`msrcnn_mm.engine.views.detector.MultiView`.

    Returns:
        The same fields as NumPy arrays, ``masks`` as a list of D RLEs, and ``view_agreement``.
    """
    fields = ("bboxes", "labels", "scores", *SCORE_ENTRIES, "mask_statistics")
    arrays = {
        name: prediction[name].detach().cpu().numpy() for name in fields if name in prediction
    }
    if ENTRY in prediction:
        arrays[ENTRY] = prediction[ENTRY]
    masks = prediction.get("mask_rles", prediction.get("masks"))
    if isinstance(masks, torch.Tensor):
        # those of a mask head without a threshold are not binary
        soft = masks.dtype != torch.bool
        masks = encode_mask_results(masks.cpu().numpy()) if soft else encode_masks(masks)
    if masks is not None:
        arrays["masks"] = masks
    return arrays


def to_detections(
    arrays: Mapping[str, Any], image_id: int | str, category_ids: Sequence[int]
) -> Detections:
    """Turns one image's predictions into detections.

    Numbers go to double precision exactly as in MMDetection's ``CocoMetric``, so that an evaluation
    of these detections agrees with its own to the last bit.

    Args:
        arrays: As from :func:`to_arrays`.
        image_id: The image's id in the annotations.
        category_ids: Category id of each label.

    Returns:
        D detections, in the order of ``arrays``.

    Raises:
        UserError: A score beside the class score is NaN.
    """
    boxes = np.array(arrays["bboxes"]).reshape(-1, 4).astype(float)
    boxes[:, 2:] -= boxes[:, :2]
    columns = {name: arrays[name].astype(float) for name in SCORE_ENTRIES if name in arrays}
    for name, column in columns.items():
        if np.isnan(column).any():
            raise UserError(f"image {image_id}: the model predicts {name} that are NaN")
    return Detections(
        image_ids=[image_id] * len(boxes),
        category_ids=[category_ids[label] for label in arrays["labels"].tolist()],
        class_scores=arrays["scores"].astype(float),
        masks=_with_text_counts(arrays["masks"]) if "masks" in arrays else None,
        boxes=boxes,
        **columns,
        extras=_extras(arrays),
    )


def _extras(arrays: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Returns the other entries of D rows; None without any. Mask statistics have four decimals."""
    columns = {name: arrays[name] for name in (ENTRY,) if name in arrays}
    if "mask_statistics" in arrays:
        rounded = arrays["mask_statistics"].astype(float).round(4).tolist()
        columns["mask_statistics"] = [dict(zip(NAMES, row, strict=True)) for row in rounded]
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows] if columns else None


def _with_text_counts(rles: Sequence[Mapping[str, Any]]) -> Sequence[Rle]:
    """Returns RLEs with ``counts`` as JSON can hold them; those in a file stay there."""
    if isinstance(rles, LazyRles):
        return rles
    texts = [c.decode() if isinstance(c := rle["counts"], bytes) else c for rle in rles]
    return [
        {"size": list(rle["size"]), "counts": text} for rle, text in zip(rles, texts, strict=True)
    ]
