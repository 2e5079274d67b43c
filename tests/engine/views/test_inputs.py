"""The network's input of views, against NumPy and Pillow."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from PIL import Image

from msrcnn_mm.engine.views.inputs import at_once, mirrored, resized
from msrcnn_mm.errors import UserError

GENERATOR = np.random.default_rng(0)


def sample_of(img_shape: tuple, ori_shape: tuple, scale_factor: tuple) -> DetDataSample:
    return DetDataSample(
        metainfo=dict(img_shape=img_shape, ori_shape=ori_shape, scale_factor=scale_factor)
    )


def test_a_mirrored_view_keeps_all_padding_to_the_right() -> None:
    inputs = torch.from_numpy(GENERATOR.normal(size=(2, 3, 64, 96)).astype(np.float32))
    before = inputs.clone()
    samples = [
        sample_of((60, 90), (30, 45), (2.0, 2.0)),  # padded by the preprocessor
        sample_of((64, 96), (80, 100), (0.7, 0.65)),  # and by the pipeline, from 52 x 70
    ]
    views = mirrored(inputs, samples)
    for view, image, (height, width) in zip(views, before, [(60, 90), (52, 70)], strict=True):
        expected = image.numpy().copy()
        expected[:, :height, :width] = np.flip(expected[:, :height, :width], axis=2)
        assert np.array_equal(view.numpy(), expected)
    assert torch.equal(inputs, before)


@pytest.mark.parametrize(
    ("factor", "sizes", "side"),
    [(0.8, [(40, 64), (48, 51)], (64, 64)), (1.25, [(62, 100), (75, 80)], (96, 128))],
)
def test_a_resized_view_is_that_of_pillow(factor: float, sizes: list, side: tuple) -> None:
    inputs = torch.zeros(2, 3, 64, 96)
    shapes = [(50, 80), (60, 64)]
    for image, (height, width) in zip(inputs, shapes, strict=True):
        image[:, :height, :width] = torch.from_numpy(GENERATOR.normal(size=(3, height, width)))
    samples = [sample_of(shape, (30, 45), (1.5, 3.0)) for shape in shapes]
    views = resized(inputs, samples, factor, divisor=32, pad_value=7)
    assert views.shape == (2, 3, *side)
    for i, (height, width) in enumerate(sizes):
        for view, channel in zip(views[i].numpy(), inputs[i].numpy(), strict=True):
            image = Image.fromarray(channel[: shapes[i][0], : shapes[i][1]])
            expected = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
            assert view[:height, :width] == pytest.approx(expected, abs=1e-4)
            assert (view[height:] == 7).all() and (view[:, width:] == 7).all()
        assert samples[i].img_shape == (height, width)
        assert samples[i].ori_shape == (30, 45)
        across, down = 1.5 * width / shapes[i][1], 3.0 * height / shapes[i][0]
        assert samples[i].scale_factor == pytest.approx((across, down))
        assert samples[i].pad_shape == tuple(-(-one // 32) * 32 for one in (height, width))
        assert samples[i].batch_input_shape == side


def test_strides_that_divide_the_input_divide_the_view() -> None:
    """RTMDet pads by its pipeline, and its preprocessor knows no divisor."""
    sample = sample_of((64, 96), (64, 96), (1.0, 1.0))
    assert resized(torch.zeros(1, 3, 64, 96), [sample], 0.7).shape == (1, 3, 64, 96)
    sample = sample_of((62, 90), (62, 90), (1.0, 1.0))
    assert resized(torch.zeros(1, 3, 62, 90), [sample], 0.5).shape == (1, 3, 32, 46)
    assert resized(torch.zeros(1, 3, 62, 90), [sample], 0.001).shape[2:] == (2, 2)


def test_a_large_view_is_predicted_in_parts() -> None:
    samples = [sample_of((480, 640), (480, 640), (1.0, 1.0))] * 4
    samples.append(sample_of((100, 900), (100, 900), (1.0, 1.0)))
    assert at_once(samples, 1.25) == [slice(0, 148)]  # padded to 600 x 1125
    assert at_once(samples, 9) == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert at_once(samples, 14) == [slice(k, k + 1) for k in range(5)]
    words = "at 30 times its size an image has 19200 x 14400 pixels .* more than 100 million"
    with pytest.raises(UserError, match=words):
        at_once(samples, 30)
