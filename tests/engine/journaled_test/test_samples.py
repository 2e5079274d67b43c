"""Data samples survive the file of finished images."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from msrcnn_mm.engine.adapters.mask_encoder import encode_masks
from msrcnn_mm.engine.journaled_test.samples import decode_sample, encode_sample
from msrcnn_mm.errors import UserError

DTYPES = ("<f4", "<f8", "<f2", "<i8", "|u1", "|b1")
ARRAYS = st.sampled_from(DTYPES).flatmap(lambda kind: arrays(kind, array_shapes(min_side=0)))
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
LEAVES = PLAIN | ARRAYS | ARRAYS.map(torch.from_numpy) | st.floats(width=32).map(np.float32)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.just("!tuple"), inner)
    ),
    max_leaves=6,
)


def same(a: Any, b: Any) -> bool:
    """Returns whether values, their types and those inside are equal; NaN is equal to NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and same(a.numpy(), b.numpy())
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(map(repr, a)) == list(map(repr, b)) and same([*a.values()], [*b.values()])
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


def through_json(sample: dict[str, Any], whole: bool) -> dict[str, Any]:
    return decode_sample(json.loads(json.dumps(encode_sample(sample, whole))))


@given(VALUES)
def test_any_value_comes_back_as_it_was(value: Any) -> None:
    assert same(through_json(dict(img_id=1, value=value), whole=True)["value"], value)


@given(arrays(bool, st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9))))
def test_masks_come_back_as_images_or_as_rles(masks: np.ndarray) -> None:
    tensor = torch.from_numpy(masks)
    scores = torch.linspace(0, 1, len(masks))
    sample = dict(
        img_id="a",
        ori_shape=(9, 9),
        scale_factor=(1.0, 2.0),
        gt_instances=dict(labels=torch.zeros(2)),
        pred_instances=dict(scores=scores, masks=tensor, own=scores),
    )
    whole = {name: value for name, value in sample.items() if name != "gt_instances"}
    assert same(through_json(sample, whole=True), whole)
    kept = dict(scores=scores, masks=encode_masks(tensor))
    expected = dict(img_id="a", ori_shape=(9, 9), pred_instances=kept)
    assert same(through_json(sample, whole=False), expected)
    sample["pred_instances"] = kept
    assert same(through_json(sample, whole=False), expected)


def test_a_type_that_cannot_be_kept_is_one_line() -> None:
    with pytest.raises(UserError, match="image 3: seen of its data sample has a set, which"):
        encode_sample(dict(img_id=3, seen=[{1}]), whole=True)
