"""Draws masks with their class score, mask score and true IoU."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections, Rle

from .examples import Example
from .image_files import read_image
from .label_places import Box, around, best_place, overlap

COLOURS = ("#ff4d6d", "#ffb703", "#4cc9f0", "#80ed99")
TITLE_COLOURS = {"nearer": "#1b7f3b", "far": "#b3261e"}
PANEL = 3.1  # inches; three in a row have the width of a README
FONT = 9.5  # points
DPI = 150


@dataclass(frozen=True)
class MaskDrawer:
    """Draws masks, their scores and the ground truth over images.

    Attributes:
        detections: D detections with masks and boxes.
        true_ious: (D,), in [0, 1].
        coco: The annotations.
        image_dir: The folder of the images.
    """

    detections: Detections
    true_ious: Column
    coco: COCO
    image_dir: Path

    def draw_examples(self, examples: Sequence[Example]) -> Figure:
        """Draws a panel for each example, three in a row, and a legend.

        Raises:
            UserError: An image is missing, unreadable or not of the annotated size.
        """
        columns = min(3, len(examples))
        rows = -(-len(examples) // columns)
        legend_height = 0.5
        width, height = columns * PANEL, rows * (PANEL + 0.3) + legend_height
        figure = Figure(figsize=(width, height), dpi=DPI)
        FigureCanvasAgg(figure)  # measures all labels with one renderer
        axes = figure.subplots(rows, columns, squeeze=False)
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
        for ax, example in zip(axes.flat, examples, strict=False):
            self._draw_example(ax, example)
            why = example.why
            colour = next((c for word, c in TITLE_COLOURS.items() if word in why), "#444444")
            ax.set_title(why, fontsize=FONT, color=colour, pad=4)
        shown = [mask for example in examples for mask in example.masks]
        handles = _legend(any(self._mask_score(mask) is not None for mask in shown))
        figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=FONT)
        return figure

    def draw_view(self, example: Example) -> Figure:
        """Draws one example without title, legend and margins.

        Raises:
            UserError: The image is missing, unreadable or not of the annotated size.
        """
        x1, y1, x2, y2 = example.view
        scale = PANEL / max(x2 - x1, y2 - y1)
        figure = Figure(figsize=((x2 - x1) * scale, (y2 - y1) * scale), dpi=DPI)
        FigureCanvasAgg(figure)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set_axis_off()
        self._draw_example(ax, example)
        return figure

    def label(self, mask: int) -> str:
        """Returns ``class score / mask score / true IoU``, without a score that the mask lacks."""
        scores = (self.detections.class_scores[mask], self._mask_score(mask), self.true_ious[mask])
        return " / ".join(f"{v:.2f}".removeprefix("0") for v in scores if v is not None)

    def _mask_score(self, mask: int) -> float | None:
        scores = self.detections.mask_scores
        return None if scores is None or np.isnan(scores[mask]) else float(scores[mask])

    def _rle(self, mask: int) -> Rle:
        assert self.detections.masks is not None
        return self.detections.masks[mask]

    def _matched_truth(self, mask: int) -> Rle | None:
        """Returns the instance whose IoU with the mask is the true IoU; None for a false alarm."""
        if self.true_ious[mask] == 0:
            return None
        image_id, category_id = self.detections.image_ids[mask], self.detections.category_ids[mask]
        instances: list[Rle] = [
            self.coco.annToRLE(annotation)
            for annotation in self.coco.imgToAnns[image_id]
            if annotation["category_id"] == category_id and not annotation.get("iscrowd", 0)
        ]
        ious = mask_utils.iou([self._rle(mask)], instances, [0] * len(instances))
        return instances[int(ious[0].argmax())]

    def _draw_example(self, ax: Axes, example: Example) -> None:
        """Draws a view: image, masks, ground truth and labels."""
        x1, y1, x2, y2 = example.view
        image = read_image(self.image_dir, self.coco.imgs[example.image_id])[y1:y2, x1:x2]
        ax.imshow(image, interpolation="bicubic")
        height, width = image.shape[:2]
        ax.set_xlim(-0.5, width - 0.5)
        ax.set_ylim(height - 0.5, -0.5)
        for mask, colour in zip(example.masks, COLOURS, strict=False):
            draw_mask(ax, mask_utils.decode(self._rle(mask))[y1:y2, x1:x2], colour)
        truths = [self._matched_truth(mask) for mask in example.masks]
        for truth in {truth["counts"]: truth for truth in truths if truth is not None}.values():
            draw_truth(ax, mask_utils.decode(truth)[y1:y2, x1:x2])
        self._draw_labels(ax, example)

    def _draw_labels(self, ax: Axes, example: Example) -> None:
        """Draws labels near their masks, none over another; a line leads to a distant mask."""
        boxes = [_box_in_view(self._rle(mask), example.view) for mask in example.masks]
        placed: list[Box] = []
        for mask, box, colour in zip(example.masks, boxes, COLOURS, strict=False):
            is_lead = mask == example.masks[0]
            text = ax.text(
                0,
                0,
                self.label(mask),
                fontsize=FONT,
                ha="center",
                va="center",
                weight="bold" if is_lead else "normal",
                color="white",
                zorder=5,
                bbox={
                    "boxstyle": "round,pad=0.22",
                    "facecolor": "#000000c8",
                    "edgecolor": colour,
                    "linewidth": 2.0 if is_lead else 1.1,
                },
            )
            extent = text.get_window_extent().padded(0.3 * FONT / 72 * ax.figure.dpi)
            (left, low), (right, high) = ax.transData.inverted().transform(extent.get_points())
            size = (right - left, abs(high - low))
            x, y = best_place(size, box, boxes, placed, (ax.get_xlim()[1], ax.get_ylim()[0]))
            text.set_position((x, y))
            placed.append(around(x, y, size))
            if overlap(placed[-1], box) == 0:
                _draw_leader(ax, (x, y), box, colour)


def draw_mask(ax: Axes, mask: NDArray[np.uint8], colour: str) -> None:
    """Draws a tinted area with an outline."""
    tint = np.zeros((*mask.shape, 4))
    tint[..., :3] = mpl.colors.to_rgb(colour)
    tint[..., 3] = 0.38 * mask
    ax.imshow(tint, interpolation="nearest")
    _draw_outline(ax, mask, colours=[colour], linewidths=1.8)


def draw_truth(ax: Axes, mask: NDArray[np.uint8]) -> None:
    """Draws a thin white line with a dark rim, which shows on any image and any tint."""
    _draw_outline(ax, mask, colours=["black"], linewidths=2.0, alpha=0.55)
    _draw_outline(ax, mask, colours=["white"], linewidths=1.0)


def _draw_outline(ax: Axes, mask: NDArray[np.uint8], colours: list[str], **style: Any) -> None:
    """Draws the edge of a mask, closed where the mask leaves the view."""
    if mask.any():
        side = [np.arange(-1, extent + 1) for extent in mask.shape]
        ax.contour(side[1], side[0], np.pad(mask, 1), levels=[0.5], colors=colours, **style)


def _draw_leader(ax: Axes, start: tuple[float, float], box: Box, colour: str) -> None:
    """Draws a line from a label's centre into the box of its mask."""
    nearest = (min(max(start[0], box[0]), box[2]), min(max(start[1], box[1]), box[3]))
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    end = [0.5 * (a + b) for a, b in zip(nearest, middle, strict=True)]
    (line,) = ax.plot([start[0], end[0]], [start[1], end[1]], color=colour, linewidth=1.2, zorder=4)
    line.set_path_effects([Stroke(linewidth=2.4, foreground="#000000a0"), Normal()])


def _box_in_view(rle: Rle, view: tuple[int, int, int, int]) -> Box:
    """Returns x1, y1, x2, y2 of a mask's box, in the view's pixels."""
    x, y, width, height = mask_utils.toBbox(rle)
    return x - view[0], y - view[1], x - view[0] + width, y - view[1] + height


def _legend(has_mask_scores: bool) -> list[Patch | Line2D]:
    """Returns the legend's entries: mask, ground truth, label."""
    truth = Line2D([], [], color="white", linewidth=1.2, label="ground truth")
    truth.set_path_effects([Stroke(linewidth=2.6, foreground="#404040"), Normal()])
    scores = "class score / mask score / true IoU" if has_mask_scores else "class score / true IoU"
    return [
        Patch(facecolor=COLOURS[2] + "61", edgecolor=COLOURS[2], label="predicted mask"),
        truth,
        Patch(facecolor="#000000c8", edgecolor=COLOURS[2], label=scores),
    ]
