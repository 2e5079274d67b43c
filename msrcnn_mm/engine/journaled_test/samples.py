"""Turns data samples into JSON and back, with all types and values as they were."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from msrcnn_mm.coco.detections import SCORE_ENTRIES
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.features.agreement import ENTRY

from ..adapters.mask_encoder import encode_masks, masks_of
from ..adapters.predictions import to_arrays

_GROUND_TRUTH = ("gt_instances", "ignored_instances", "gt_panoptic_seg", "gt_sem_seg")
_OF_IMAGE = ("img_id", "ori_shape", "instances")  # what CocoMetric reads
_PREDICTED = ("bboxes", "labels", "scores", *SCORE_ENTRIES, "mask_statistics", ENTRY)

_TAG = "!"  # a mapping of one key that begins so stands for a value that JSON does not have


def encode_sample(sample: Mapping[str, Any], whole: bool) -> dict[str, Any]:
    """Returns what a test's metrics read of a data sample, as JSON can hold it.

    Args:
        sample: With ``img_id``, ``ori_shape`` and ``pred_instances``, which has D masks as (D, H,
            W) or RLEs.
        whole: Whether all of it but the ground truth is kept, as ``DumpDetResults`` writes it;
            otherwise masks are kept as RLEs, boxes, labels and scores as they are, and the rest is
            left out.

    Raises:
        UserError: It holds a value of a type that cannot be kept.
    """
    if whole:
        kept = {name: value for name, value in sample.items() if name not in _GROUND_TRUTH}
    else:
        predicted = sample["pred_instances"]
        instances = {name: predicted[name] for name in _PREDICTED if name in predicted}
        arrays = to_arrays({**instances, **_masks(predicted)})
        if "masks" in arrays:
            instances["masks"] = arrays["masks"]
        kept = {name: sample[name] for name in _OF_IMAGE if name in sample}
        kept["pred_instances"] = instances
    encoded = {}
    for name, value in kept.items():
        try:
            encoded[name] = _encode(value)
        except TypeError as error:
            raise UserError(
                f"image {sample.get('img_id')}: {name} of its data sample has {error}, which the"
                " file of finished images cannot hold: leave it out of the test pipeline's"
                " meta_keys, or write --out as .json"
            ) from error
    return encoded


def decode_sample(encoded: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the data sample that :func:`encode_sample` was given, as far as it was kept."""
    return {name: _decode(value) for name, value in encoded.items()}


def _masks(predicted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: predicted[name] for name in ("masks", "mask_rles") if name in predicted}


def _encode(value: Any) -> Any:
    """Returns a value as JSON.

    Raises:
        TypeError: Its type is none of those that :func:`_decode` makes.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        if value.dtype == torch.bool and value.ndim == 3 and value.numel():
            return {_TAG + "masks": [_encode(encode_masks(value)), list(value.shape)]}
        return {_TAG + "tensor": _array(value.numpy())}
    if isinstance(value, np.ndarray | np.generic) and value.dtype != object:
        kind = "array" if isinstance(value, np.ndarray) else "number"
        return {_TAG + kind: _array(np.asarray(value))}
    if isinstance(value, bytes):
        return {_TAG + "bytes": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [_encode(one) for one in value]
    if isinstance(value, tuple):
        return {_TAG + "tuple": [_encode(one) for one in value]}
    if not isinstance(value, Mapping):
        raise TypeError(f"a {type(value).__name__}")
    pairs = [(key, _encode(one)) for key, one in value.items()]
    if all(isinstance(key, str) and not key.startswith(_TAG) for key, _ in pairs):
        return dict(pairs)
    return {_TAG + "mapping": [[_encode(key), one] for key, one in pairs]}


def _array(array: np.ndarray) -> list[Any]:
    content = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return [array.dtype.str, list(array.shape), content]


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(one) for one in value]
    if not isinstance(value, dict):
        return value
    kind = next(iter(value), "")
    if not kind.startswith(_TAG):
        return {key: _decode(one) for key, one in value.items()}
    content = value[kind]
    if kind == _TAG + "tuple":
        return tuple(map(_decode, content))
    if kind == _TAG + "bytes":
        return base64.b64decode(content)
    if kind == _TAG + "mapping":
        return {_decode(key): _decode(one) for key, one in content}
    if kind == _TAG + "masks":
        rles, shape = content
        return masks_of(_decode(rles)) if rles else torch.zeros(shape, dtype=torch.bool)
    dtype, shape, text = content
    array = np.frombuffer(bytearray(base64.b64decode(text)), dtype).reshape(shape)
    if kind == _TAG + "tensor":
        return torch.from_numpy(array)
    return array if kind == _TAG + "array" else array[()]
