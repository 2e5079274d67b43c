"""Deformable convolutions on a CPU, against mmcv's operators."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops.deform_conv import DeformConv2dFunction
from mmcv.ops.modulated_deform_conv import ModulatedDeformConv2dFunction
from torch import Tensor
from torch.nn.functional import conv2d

from msrcnn_mm.compat.deformable_convolution import deformable_convolution

sizes = st.integers(3, 9)
pairs = st.tuples(st.integers(1, 2), st.integers(1, 2))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    n=st.integers(1, 3),
    size=st.tuples(sizes, sizes),  # mmcv's take none smaller than the kernel
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=pairs,
    dilation=pairs,
    groups=st.sampled_from([1, 2]),
    deform_groups=st.sampled_from([1, 2]),
    modulated=st.booleans(),
    biased=st.booleans(),
)
def test_as_mmcv(
    seed: int,
    n: int,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    deform_groups: int,
    modulated: bool,
    biased: bool,
) -> None:
    torch.manual_seed(seed)
    padding = (kernel[0], kernel[1])  # enough for a position at least
    rows, columns = (
        (size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i in (0, 1)
    )
    taps = kernel[0] * kernel[1]

    def tensor(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    feats = tensor(n, 4, *size)
    offset = (3 * tensor(n, deform_groups * taps * 2, rows, columns)).detach().requires_grad_()
    weight = tensor(6, 4 // groups, *kernel)
    how = (stride, padding, dilation, groups, deform_groups)
    if modulated:
        mask = tensor(n, deform_groups * taps, rows, columns)
        bias = tensor(6) if biased else None
        expected = ModulatedDeformConv2dFunction.apply(feats, offset, mask, weight, bias, *how)
        found = deformable_convolution(feats, offset, mask, weight, bias, *how)
        inputs = [feats, offset, mask, weight, *([bias] if bias is not None else [])]
    else:
        expected = DeformConv2dFunction.apply(feats, offset, weight, *how, False, n)
        found = deformable_convolution(feats, offset, None, weight, None, *how)
        inputs = [feats, offset, weight]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    upstream = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_without_offsets_a_convolution() -> None:
    torch.manual_seed(0)
    feats, weight, bias = torch.randn(2, 4, 37, 61), torch.randn(6, 4, 3, 3), torch.randn(6)
    expected = conv2d(feats, weight, bias, stride=2, padding=1)
    offset = torch.zeros(2, 18, *expected.shape[-2:])
    mask = torch.ones(2, 9, *expected.shape[-2:])
    found = deformable_convolution(feats, offset, mask, weight, bias, 2, 1, 1, 1, 1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_features_of_another_layout() -> None:
    torch.manual_seed(0)
    feats, offset, mask, weight = (
        torch.randn(shape).to(memory_format=torch.channels_last)
        for shape in ((2, 4, 5, 6), (2, 18, 5, 6), (2, 9, 5, 6), (6, 4, 3, 3))
    )
    how = (None, 1, 1, 1, 1, 1)
    found = deformable_convolution(feats, offset, mask, weight, *how)
    tensors = [tensor.contiguous() for tensor in (feats, offset, mask, weight)]
    assert torch.equal(found, deformable_convolution(*tensors, *how))


def test_an_empty_batch() -> None:
    tensors = [torch.zeros(0, channels, 5, 6) for channels in (4, 18, 9)]
    found = deformable_convolution(*tensors, torch.zeros(6, 4, 3, 3), padding=1)
    assert found.shape == (0, 6, 5, 6)


def test_an_offset_of_another_size_is_refused() -> None:
    feats, offset, weight = (
        torch.zeros(1, 4, 5, 6),
        torch.zeros(1, 18, 3, 3),
        torch.zeros(6, 4, 3, 3),
    )
    with pytest.raises(ValueError, match=r"an offset of 3 x 3 for an output of \(5, 6\)"):
        deformable_convolution(feats, offset, None, weight, padding=1)
