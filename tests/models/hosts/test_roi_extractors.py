"""The RoI extractor gives mmcv's features and gradients, and takes half precision."""

import mmcv.ops
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import MODELS
from mmengine.config import ConfigDict

from msrcnn_mm.models.hosts.roi_extractors import SingleRoIExtractor
from msrcnn_mm.models.roi_align import RoIAlign, pooled_by_lookups
from msrcnn_mm.registration import register_all

register_all()


def boxes(count: int) -> torch.Tensor:
    torch.manual_seed(0)
    corners = torch.rand(count, 2) * 900
    sides = 20 + torch.rand(count, 2) * 80
    return torch.cat([torch.zeros(count, 1), corners, corners + sides], dim=1)


COORDINATE = st.one_of(
    st.floats(-60, 200, width=32),
    st.integers(-8, 25).map(lambda k: 8.0 * k),
    st.sampled_from([-5000.0, 3000.0]),
)


@settings(max_examples=150, deadline=None)
@given(
    rois=st.lists(st.tuples(st.integers(0, 1), *[COORDINATE] * 4), min_size=1, max_size=4),
    size=st.tuples(st.integers(1, 9), st.integers(1, 13)),
    output=st.tuples(st.integers(1, 4), st.integers(1, 7)),
    samples=st.integers(0, 3),
    aligned=st.booleans(),
)
def test_values_and_gradients_are_mmcvs(
    rois: list[tuple[float, ...]],
    size: tuple[int, int],
    output: tuple[int, int],
    samples: int,
    aligned: bool,
) -> None:
    """Also of boxes across the border, outside the map and without area."""
    torch.manual_seed(0)
    features = torch.randn(2, 3, *size)
    boxes = torch.tensor(rois)
    if aligned:  # mmcv refuses inverted boxes
        boxes = torch.cat(
            (boxes[:, :1], boxes[:, 1:3], torch.maximum(boxes[:, 1:3], boxes[:, 3:])), dim=1
        )
    ours, theirs = (features.clone().requires_grad_() for _ in range(2))
    found = pooled_by_lookups(ours, boxes, 1 / 8, output, samples, aligned)
    expected = mmcv.ops.roi_align(theirs, boxes, output, 1 / 8, samples, "avg", aligned)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-5)
    weights = torch.randn_like(expected)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=5e-5)


def test_many_boxes_are_pooled_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    features, rois = torch.randn(1, 4, 125, 125), boxes(40)
    whole = pooled_by_lookups(features, rois, 1 / 8, (7, 7), 0, True)
    monkeypatch.setattr("msrcnn_mm.models.roi_align._AT_ONCE", 5000)
    assert torch.equal(pooled_by_lookups(features, rois, 1 / 8, (7, 7), 0, True), whole)


def test_a_box_of_any_size_takes_little_memory() -> None:
    features = torch.randn(1, 4, 5, 5)
    rois = torch.tensor([[0, -1e30, -1e30, 1e30, 1e30], [0, -1e9, 2, 1e9, 9]])
    assert pooled_by_lookups(features, rois, 1, (7, 7), 0, True).isfinite().all()


def test_no_boxes_and_boxes_that_are_no_numbers() -> None:
    features = torch.randn(1, 4, 5, 5)
    assert pooled_by_lookups(features, torch.zeros(0, 5), 1, (7, 7), 0, True).shape == (0, 4, 7, 7)
    strange = torch.tensor([[0, float("nan"), 1, float("inf"), 3]])
    assert pooled_by_lookups(features, strange, 1, (7, 7), 0, True).isfinite().all()


def extractor(layer: str = "RoIAlign", **settings: int) -> SingleRoIExtractor:
    config = dict(
        type="SingleRoIExtractor",
        roi_layer=dict(type=layer, output_size=7, **settings),
        out_channels=4,
        featmap_strides=[8],
    )
    return MODELS.build(ConfigDict(config))


def test_stock_configs_get_the_layer() -> None:
    built = extractor(sampling_ratio=0)
    assert type(built) is SingleRoIExtractor and type(built.roi_layers[0]) is RoIAlign
    assert type(extractor("RoIPool").roi_layers[0]) is mmcv.ops.RoIPool


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    level = torch.randn(1, 4, 125, 125).to(dtype).requires_grad_()
    rois = boxes(10)
    features = extractor(sampling_ratio=0)((level,), rois)
    assert features.dtype == dtype
    wide = extractor(sampling_ratio=0)((level.detach().float(),), rois)
    # the only rounding is that of the result: the RoIs are not rounded to 8 bits
    assert torch.equal(features, wide.to(dtype))
    features.float().sum().backward()
    assert level.grad.abs().sum() > 0
