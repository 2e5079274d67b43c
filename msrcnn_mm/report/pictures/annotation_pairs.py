"""Draws a part of an image twice: as it is annotated, and with the masks that contradict that."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pycocotools import mask as mask_utils

from msrcnn_mm.coco.detections import Rle

from .examples import view_around
from .image_files import read_image
from .masks import COLOURS, DPI, PANEL, draw_mask, draw_truth

_SIDES = 2.5  # side of the view, in sides of the box around what is shown
_GAP = 0.06  # inches between the two
_JPEG_QUALITY = 88
_ANNOTATED = "#ffffff"


def draw_pair(
    image_dir: Path,
    image: Mapping[str, Any],
    suspected: Sequence[Rle],
    others: Sequence[Rle],
    masks: Sequence[Rle],
) -> bytes:
    """Returns a JPEG file's content: annotations on the left, masks on the right.

    Args:
        image_dir: The folder of the images.
        image: The image's entry in the annotations.
        suspected: Masks of the annotations that are perhaps wrong, drawn tinted.
        others: Masks of the image's other annotations, drawn as outlines.
        masks: The masks that contradict the annotations. There is one, or an annotation.

    Raises:
        UserError: The image is missing, unreadable or not of the annotated size.
    """
    box = np.asarray(mask_utils.toBbox(mask_utils.merge([*suspected, *masks])), float)
    x1, y1, x2, y2 = view_around(box, (image["height"], image["width"]), _SIDES)
    pixels = read_image(image_dir, image)[y1:y2, x1:x2]

    def is_in_view(rle: Rle) -> bool:
        x, y, width, height = mask_utils.toBbox(rle).tolist()
        return bool(x < x2 and y < y2 and x + width > x1 and y + height > y1)

    def part(rle: Rle) -> NDArray[np.uint8]:
        decoded: NDArray[np.uint8] = mask_utils.decode(rle)[y1:y2, x1:x2]
        return decoded

    scale = PANEL / max(x2 - x1, y2 - y1)
    width, height = (x2 - x1) * scale, (y2 - y1) * scale
    figure = Figure(figsize=(2 * width + _GAP, height), dpi=DPI, facecolor=_ANNOTATED)
    FigureCanvasAgg(figure)
    share = width / (2 * width + _GAP)
    for left in (0.0, 1 - share):
        axes = figure.add_axes((left, 0, share, 1))
        axes.set_axis_off()
        axes.imshow(pixels, interpolation="bicubic")
        axes.set_xlim(-0.5, x2 - x1 - 0.5)
        axes.set_ylim(y2 - y1 - 0.5, -0.5)
        if left:
            for rle, colour in zip(masks, COLOURS * len(masks), strict=False):
                draw_mask(axes, part(rle), colour)
            continue
        for rle in suspected:
            draw_mask(axes, part(rle), _ANNOTATED)
        for rle in (*suspected, *filter(is_in_view, others)):
            draw_truth(axes, part(rle))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="jpeg", pil_kwargs={"quality": _JPEG_QUALITY})
    return buffer.getvalue()
