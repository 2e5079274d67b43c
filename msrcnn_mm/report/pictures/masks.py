"""The picture of masks, what their scores say and what is true."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.oracle import GroundTruth, ground_truth_masks

from .examples import Example, ScoredMask
from .label_places import Box, around, best_place, overlap

COLOURS = ("#ff4d6d", "#ffb703", "#4cc9f0", "#80ed99")
TITLE_COLOURS = {"nearer": "#1b7f3b", "far": "#b3261e"}
PANEL = 3.1  # inches; the picture is READMEs' width at three a row
FONT = 9.5  # points
DPI = 150


def draw(examples: Sequence[Example], coco: COCO, image_dir: Path) -> Figure:
    """Draws a panel an example, and the legend.

    Raises:
        UserError: An image is missing, unreadable or not of the annotated size.
    """
    mpl.use("Agg")
    columns = min(3, len(examples))
    rows = -(-len(examples) // columns)
    legend_height = 0.5
    width, height = columns * PANEL, rows * (PANEL + 0.3) + legend_height
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), dpi=DPI, squeeze=False)
    figure.subplots_adjust(
        left=0.01,
        right=0.99,
        top=1 - 0.28 / height,
        bottom=legend_height / height,
        wspace=0.03,
        hspace=0.3 / PANEL,
    )
    for ax in axes.flat:
        ax.set_axis_off()
    truths = ground_truth_masks(coco)
    for ax, example in zip(axes.flat, examples, strict=False):
        image = _read_image(image_dir, coco.imgs[example.image_id])
        _draw_example(ax, example, image, truths)
    scored = any(mask.mask_score is not None for example in examples for mask in example.masks)
    figure.legend(
        handles=_legend(scored), loc="lower center", ncols=3, frameon=False, fontsize=FONT
    )
    return figure


def draw_view(example: Example, coco: COCO, image_dir: Path, truths: GroundTruth) -> Figure:
    """Draws one example alone, edge to edge: what it is, is for the text beside it.

    Args:
        example: What to draw.
        coco: The annotations.
        image_dir: Where its image is.
        truths: Of ``coco``.

    Raises:
        UserError: The image is missing, unreadable or not of the annotated size.
    """
    x1, y1, x2, y2 = example.view
    scale = PANEL / max(x2 - x1, y2 - y1)
    figure = Figure(figsize=((x2 - x1) * scale, (y2 - y1) * scale), dpi=DPI)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    image = _read_image(image_dir, coco.imgs[example.image_id])
    _draw_example(ax, example, image, truths)
    ax.set_title("")
    return figure


def _draw_example(
    ax: Axes, example: Example, whole: NDArray[np.uint8], truths: GroundTruth
) -> None:
    """Draws one view: image, masks, ground truth, labels, why it is there."""
    x1, y1, x2, y2 = example.view
    image = whole[y1:y2, x1:x2]
    ax.imshow(image, interpolation="bicubic")
    box_height, box_width = image.shape[:2]
    ax.set_xlim(-0.5, box_width - 0.5)
    ax.set_ylim(box_height - 0.5, -0.5)
    colour = next((c for word, c in TITLE_COLOURS.items() if word in example.why), "#444444")
    ax.set_title(example.why, fontsize=FONT, color=colour, pad=4)

    def crop(rle: dict[str, Any]) -> NDArray[np.uint8]:
        return mask_utils.decode(rle)[y1:y2, x1:x2]

    for mask, colour in zip(example.masks, COLOURS, strict=False):
        _draw_mask(ax, crop(mask.detection["segmentation"]), colour)
    shown = set()
    for mask in example.masks:
        truth = _matched_truth(mask, truths)
        if truth is not None and truth["counts"] not in shown:
            shown.add(truth["counts"])
            _draw_truth(ax, crop(truth))
    _draw_labels(ax, example, (x1, y1))


def _read_image(image_dir: Path, info: dict[str, Any]) -> NDArray[np.uint8]:
    """An annotated image, (H, W, 3), RGB."""
    path = image_dir / info["file_name"]
    if not path.is_file():
        raise UserError(f"there is no image {path}")
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise UserError(f"{path} is no readable image")
    size = (info["height"], info["width"])
    if image.shape[:2] != size:
        raise UserError(f"{path} has height, width {image.shape[:2]}, its annotation says {size}")
    return np.ascontiguousarray(image[..., ::-1]).astype(np.uint8)


def _matched_truth(mask: ScoredMask, truths: GroundTruth) -> dict[str, Any] | None:
    """The instance whose IoU with the mask is the true IoU; None for a false alarm."""
    if mask.true_iou == 0:
        return None
    instances = list(truths[mask.detection["image_id"], mask.detection["category_id"]])
    ious = mask_utils.iou([mask.detection["segmentation"]], instances, [0] * len(instances))
    return instances[int(ious[0].argmax())]


def _draw_mask(ax: Axes, mask: NDArray[np.uint8], colour: str) -> None:
    """A tinted area with a crisp outline."""
    tint = np.zeros((*mask.shape, 4))
    tint[..., :3] = mpl.colors.to_rgb(colour)
    tint[..., 3] = 0.38 * mask
    ax.imshow(tint, interpolation="nearest")
    _outline(ax, mask, colours=[colour], linewidths=1.8)


def _draw_truth(ax: Axes, mask: NDArray[np.uint8]) -> None:
    """A thin white line with a dark rim, which shows on any image and any tint."""
    _outline(ax, mask, colours=["black"], linewidths=2.0, alpha=0.55)
    _outline(ax, mask, colours=["white"], linewidths=1.0)


def _outline(ax: Axes, mask: NDArray[np.uint8], colours: list[str], **style: Any) -> None:
    """The edge of a mask, closed where it leaves the view."""
    if mask.any():
        side = [np.arange(-1, extent + 1) for extent in mask.shape]
        ax.contour(side[1], side[0], np.pad(mask, 1), levels=[0.5], colors=colours, **style)


def _draw_labels(ax: Axes, example: Example, origin: tuple[int, int]) -> None:
    """Labels beside or upon their masks, none upon another; a line leads to a distant mask."""
    boxes = [_box_in_view(mask, origin) for mask in example.masks]
    placed: list[Box] = []
    for index, (mask, box, colour) in enumerate(zip(example.masks, boxes, COLOURS, strict=False)):
        text = ax.text(
            0,
            0,
            label(mask),
            fontsize=FONT,
            ha="center",
            va="center",
            weight="bold" if index == 0 else "normal",
            color="white",
            zorder=5,
            bbox={
                "boxstyle": "round,pad=0.22",
                "facecolor": "#000000c8",
                "edgecolor": colour,
                "linewidth": 2.0 if index == 0 else 1.1,
            },
        )
        extent = text.get_window_extent().padded(0.3 * FONT / 72 * ax.figure.dpi)
        (left, low), (right, high) = ax.transData.inverted().transform(extent.get_points())
        size = (right - left, abs(high - low))
        x, y = best_place(size, box, boxes, placed, (ax.get_xlim()[1], ax.get_ylim()[0]))
        text.set_position((x, y))
        placed.append(around(x, y, size))
        if overlap(placed[-1], box) == 0:
            nearest = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
            middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            end = [0.5 * (a + b) for a, b in zip(nearest, middle, strict=True)]
            (line,) = ax.plot([x, end[0]], [y, end[1]], color=colour, linewidth=1.2, zorder=4)
            line.set_path_effects([Stroke(linewidth=2.4, foreground="#000000a0"), Normal()])


def label(mask: ScoredMask) -> str:
    """``class score / mask score / true IoU``, the middle one where there is one."""
    values = (mask.class_score, mask.mask_score, mask.true_iou)
    return " / ".join(f"{v:.2f}".removeprefix("0") for v in values if v is not None)


def _box_in_view(mask: ScoredMask, origin: tuple[int, int]) -> Box:
    """x1, y1, x2, y2 of the mask's box, in the view's pixels."""
    x, y, width, height = mask_utils.toBbox(mask.detection["segmentation"])
    return x - origin[0], y - origin[1], x - origin[0] + width, y - origin[1] + height


def _legend(scored: bool) -> list[Patch | Line2D]:
    """What the parts of the picture are."""
    truth = Line2D([], [], color="white", linewidth=1.2, label="ground truth")
    truth.set_path_effects([Stroke(linewidth=2.6, foreground="#404040"), Normal()])
    scores = "class score / mask score / true IoU" if scored else "class score / true IoU"
    return [
        Patch(facecolor=COLOURS[2] + "61", edgecolor=COLOURS[2], label="predicted mask"),
        truth,
        Patch(facecolor="#000000c8", edgecolor=COLOURS[2], label=scores),
    ]
