"""Makes the network's input of a view from that of the images.

Images are (C, H, W) in the upper left corner of a batch of one size, with padding to their right
and below. Masks of a view are predicted at the size of the original image, as those of the image.
"""

import math
from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.structures import DetDataSample
from mmengine.model import stack_batch
from torch import Tensor

from msrcnn_mm.errors import UserError

MOST_PIXELS = 100_000_000
"""Most pixels of a view that are predicted at once, as the network sees them.

A detector's largest tensor has 16 values a pixel (64 channels at half the size), and many of CUDA's
functions count no further than 2^31 values: about 134 million pixels.
"""

_MAX_DIVISOR = 32
"""Strides of detectors up to this one must divide the input if they divide that of the images."""


def mirrored(inputs: Tensor, samples: Sequence[DetDataSample]) -> Tensor:
    """Mirrors images left to right; their padding stays to the right.

    Args:
        inputs: (N, C, H, W), a preprocessed batch.
        samples: N data samples with ``img_shape``, ``ori_shape`` and ``scale_factor``.

    Returns:
        (N, C, H, W). The meta information of the images is that of the view.
    """
    views = inputs.clone()
    for view, sample in zip(views, samples, strict=True):
        height, width = _content(sample)
        view[:, :height, :width] = view[:, :height, :width].flip(-1)
    return views


def resized(
    inputs: Tensor,
    samples: Sequence[DetDataSample],
    factor: float,
    divisor: int = 1,
    pad_value: float = 0,
) -> Tensor:
    """Resizes images, and changes their data samples accordingly.

    Args:
        inputs: (N, C, H, W), a preprocessed batch.
        samples: N data samples with ``img_shape`` and, perhaps, ``scale_factor``. These,
            ``pad_shape`` and ``batch_input_shape`` become those of the view.
        factor: Size of the view over that of the image.
        divisor: What the preprocessor pads sides to multiples of. Powers of two up to 32 that
            divide the sides of the input divide those of the view too.
        pad_value: The value of padding.

    Returns:
        (N, C, H', W').
    """
    divisor = math.lcm(divisor, math.gcd(*inputs.shape[-2:], _MAX_DIVISOR))
    sizes = [sample.img_shape[:2] for sample in samples]
    news = [_new_size(sample, factor) for sample in samples]
    views = []
    for image, sample, (height, width), new in zip(inputs, samples, sizes, news, strict=True):
        image = image[None, :, :height, :width]
        views.append(F.interpolate(image, size=new, mode="bilinear", antialias=True)[0])
        across, down = sample.get("scale_factor", (1.0, 1.0))
        sample.set_metainfo(
            dict(
                img_shape=new,
                scale_factor=(float(across * new[1] / width), float(down * new[0] / height)),
                pad_shape=tuple(math.ceil(side / divisor) * divisor for side in new),
            )
        )
    batch = stack_batch(views, divisor, pad_value)
    for sample in samples:
        sample.set_metainfo(dict(batch_input_shape=tuple(batch.shape[-2:])))
    return batch


def at_once(samples: Sequence[DetDataSample], factor: float) -> list[slice]:
    """Divides a batch into parts that have at most :data:`MOST_PIXELS` in a view.

    Args:
        samples: As for :func:`resized`.
        factor: Size of the view over that of the image.

    Returns:
        Slices of the batch, one if all of it is not too large.

    Raises:
        UserError: A single image has more pixels.
    """
    sizes = [_new_size(sample, factor) for sample in samples]
    height, width = max(sizes, key=math.prod)
    if height * width > MOST_PIXELS:
        raise UserError(
            f"views: at {factor:g} times its size an image has {width} x {height} pixels as the"
            f" network sees it, more than {MOST_PIXELS // 10**6} million: choose a smaller factor"
        )
    padded = math.prod(map(max, zip(*sizes, strict=True)))
    most = max(1, MOST_PIXELS // padded)
    return [slice(start, start + most) for start in range(0, len(samples), most)]


def _new_size(sample: DetDataSample, factor: float) -> tuple[int, int]:
    """Returns height and width of an image in a view."""
    height, width = (max(1, round(side * factor)) for side in sample.img_shape[:2])
    return height, width


def _content(sample: DetDataSample) -> tuple[int, int]:
    """Returns height and width of an image in the input without padding by the test's pipeline."""
    height, width = sample.img_shape[:2]
    across, down = sample.get("scale_factor", (1.0, 1.0))
    original_height, original_width = sample.ori_shape[:2]
    return min(height, round(original_height * down)), min(width, round(original_width * across))
