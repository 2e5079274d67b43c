"""Holds detections as columns, from the results file to every figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, repeat
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
from numpy.typing import NDArray
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError

from .lazy_rles import LazyRles
from .rle import Ints

Rle = dict[str, Any]
"""A COCO run-length encoding: ``size`` ([height, width]) and ``counts`` (compressed, a ``str``)."""

Column = NDArray[np.float64]
"""(D,), one value a detection; NaN where it has none."""

SCORE_ENTRIES = {
    "mask_ious": "mask_iou",
    "mask_scores": "mask_score",
    "foreground_probs": "foreground_prob",
    "agreement_scores": "agreement_score",
    "consensus": "consensus",
    "rescored_scores": "rescored_score",
    "expected_ious": "expected_iou",
    "expected_precisions": "expected_precision",
}
"""Column -> its entry in a row of a results file, of the scores beside ``score``."""

RENAMED_ENTRIES = {"calibrated_score": "rescored_score"}
"""Old name of an entry -> its name."""

ENTRIES = frozenset(
    ("image_id", "category_id", "segmentation", "bbox", "score", *SCORE_ENTRIES.values())
)
"""Entries of a row that are columns; the others are extras."""


@dataclass(frozen=True)
class Detections:
    """D detections of a data set as columns.

    Rows of dictionaries exist only where results files are read (:meth:`from_rows`) and written
    (:meth:`to_rows`). A :class:`UserError` refuses columns of different lengths.

    Attributes:
        image_ids: (D,), image ids of the annotations, integers or text.
        category_ids: (D,), category ids of the annotations.
        class_scores: (D,), s_cls; ``score`` in a results file.
        masks: D compressed RLEs of the whole image; None if the results hold no masks.
        boxes: (D, 4), x, y, width, height in pixels, NaN for a detection without a box; None if no
            detection has one.
        areas: (D,), pixels of the masks, NaN where the reader of the results did not measure them;
            None if of no detection.
        mask_ious: (D,), s_iou in [0, 1], as the results have it; None if no detection has one.
        mask_scores: (D,), s_cls * s_iou; None if no detection has one.
        foreground_probs: (D,), mean probability of the mask's foreground, in [0, 1]; None if no
            detection has one.
        agreement_scores: (D,), maskness x agreement with other views of the image; None if no
            detection has one.
        consensus: (D,), sqrt(class score x expected agreement) x mean foreground probability; None
            if no detection has one.
        rescored_scores: (D,), in [0, 1], a re-scorer's; None if no detection has one.
        expected_ious: (D,), in [0, 1], the IoU that a re-scorer expects; None likewise.
        expected_precisions: (D,), in [0, 1], the precision at IoU 0.5 that it expects; None
            likewise.
        extras: D mappings with the other entries of the rows, which :meth:`to_rows` gives back;
            None if no row has any.
    """

    image_ids: list[Any]
    category_ids: list[Any]
    class_scores: Column
    masks: Sequence[Rle] | None = None
    boxes: NDArray[np.float64] | None = None
    areas: Column | None = None
    mask_ious: Column | None = None
    mask_scores: Column | None = None
    foreground_probs: Column | None = None
    agreement_scores: Column | None = None
    consensus: Column | None = None
    rescored_scores: Column | None = None
    expected_ious: Column | None = None
    expected_precisions: Column | None = None
    extras: list[dict[str, Any]] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            column = getattr(self, field.name)
            if column is not None and len(column) != len(self):
                raise UserError(
                    f"{len(column)} of {len(self)} detections have {field.name}: give them to all"
                    " or to none"
                )

    def __len__(self) -> int:
        return len(self.class_scores)

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]]) -> "Detections":
        """Makes columns of the rows of a results file.

        Args:
            rows: D mappings with ``image_id``, ``category_id``, ``score`` and, all or none of them,
                ``segmentation``; ``bbox`` and entries of :data:`SCORE_ENTRIES` where a detection
                has them. Their types have been checked.

        Raises:
            UserError: Some rows have a ``segmentation`` and others have none.
        """
        entries = set().union(*rows)
        extras = None
        if not entries <= ENTRIES:
            extras = [{k: row[k] for k in row if k not in ENTRIES} for row in rows]
        masks = [row["segmentation"] for row in rows if "segmentation" in row]
        boxes = None
        if "bbox" in entries:
            boxes = np.array([row.get("bbox", [np.nan] * 4) for row in rows], float)
        return cls(
            image_ids=[row["image_id"] for row in rows],
            category_ids=[row["category_id"] for row in rows],
            class_scores=np.array([row["score"] for row in rows], float),
            masks=masks or None,
            boxes=boxes,
            **{
                name: np.array([row.get(entry, np.nan) for row in rows], float)
                for name, entry in SCORE_ENTRIES.items()
                if entry in entries
            },
            extras=extras,
        )

    def to_rows(self) -> list[dict[str, Any]]:
        """Returns the rows of a results file, without the values that a detection lacks."""
        rows: list[dict[str, Any]] = [
            {"image_id": image_id, "category_id": category_id, "score": score}
            for image_id, category_id, score in zip(
                self.image_ids, self.category_ids, self.class_scores.tolist(), strict=True
            )
        ]
        masks = None if self.masks is None else iter(self.masks)
        for index, row in enumerate(rows):
            if self.boxes is not None and not np.isnan(self.boxes[index, 0]):
                row["bbox"] = self.boxes[index].tolist()
            if masks is not None:
                row["segmentation"] = next(masks)
            if self.extras is not None:
                row.update(self.extras[index])
        for name, entry in SCORE_ENTRIES.items():
            column = getattr(self, name)
            if column is not None:
                for place in np.flatnonzero(~np.isnan(column)).tolist():
                    rows[place][entry] = float(column[place])
        return rows

    @classmethod
    def concatenate(cls, parts: Sequence["Detections"]) -> "Detections":
        """Joins the detections of several images or files.

        Args:
            parts: In the order of the result. A score that only some parts have is NaN in the
                others.

        Raises:
            UserError: Some parts have masks and others have none.
        """
        parts = [part for part in parts if len(part)]
        joined: dict[str, Any] = {}
        for name in (field.name for field in fields(cls)):
            columns = [(part, getattr(part, name)) for part in parts]
            present = [column for _, column in columns if column is not None]
            kinds = {type(column) for _, column in columns}
            if present and len(kinds) == 1 and isinstance(present[0], LazyRles):
                joined[name] = present[0].join(present)
            elif present and isinstance(present[0], Sequence):
                absent: list[Any] = [{}] if name == "extras" else []
                lists = [absent * len(part) if c is None else c for part, c in columns]
                joined[name] = list(chain.from_iterable(lists))
            elif present:
                shape = present[0].shape[1:]
                joined[name] = np.concatenate(
                    [
                        np.full((len(part), *shape), np.nan) if c is None else c
                        for part, c in columns
                    ]
                )
        return cls(**joined) if parts else cls.from_rows([])

    def take(self, indices: Sequence[int]) -> "Detections":
        """Returns the detections of these indices, in their order."""
        taken: dict[str, Any] = {}
        for name in (field.name for field in fields(self)):
            column = getattr(self, name)
            if isinstance(column, LazyRles):
                taken[name] = column.select(np.array(indices, np.int64))
            elif isinstance(column, Sequence):
                taken[name] = [column[index] for index in indices]
            elif column is not None:
                taken[name] = column[np.array(indices, int)]
        return replace(self, **taken)

    def with_boxes(self) -> "Detections":
        """Returns the detections, each that lacks a box with the box around its mask."""
        boxes = np.full((len(self), 4), np.nan) if self.boxes is None else self.boxes.copy()
        lacking = np.flatnonzero(np.isnan(boxes[:, 0]))
        if len(lacking):
            masks = self.take(lacking.tolist()).masks
            assert masks is not None
            for index, mask in zip(lacking.tolist(), masks, strict=True):
                boxes[index] = mask_utils.toBbox(mask)
        return replace(self, boxes=boxes)

    @property
    def maskness(self) -> Column | None:
        """(D,), class score x mean foreground probability; None if no detection has one."""
        if self.foreground_probs is None:
            return None
        return self.class_scores * self.foreground_probs

    @property
    def implied_mask_ious(self) -> Column | None:
        """(D,), s_iou; where the results leave it out, mask score / class score.

        0 where the class score is 0; None if no detection has an s_iou or a mask score.
        """
        if self.mask_scores is None:
            return self.mask_ious
        implied = ratio(self.mask_scores, self.class_scores)
        if self.mask_ious is None:
            return implied
        return np.where(np.isnan(self.mask_ious), implied, self.mask_ious)

    def check_fit(self, coco: COCO) -> None:
        """Checks that the detections belong to the images of an annotation file.

        Raises:
            UserError: A score is not a finite number, an image is not annotated, or a mask is of
                another size than its image.
        """
        for name, entry in {"class_scores": "score", **SCORE_ENTRIES}.items():
            column = getattr(self, name)
            if column is not None:
                bad = ~np.isfinite(column) if name == "class_scores" else np.isinf(column)
                if bad.any():
                    index = int(bad.argmax())
                    raise UserError(
                        f"detection {index} has no finite number as {entry}: {column[index]}"
                    )
        images = {image_id: place for place, image_id in enumerate(coco.imgs)}
        places = np.fromiter(map(images.get, self.image_ids, repeat(-1)), np.int64, len(self))
        if (places < 0).any():
            index = int(places.argmin())
            raise UserError(
                f"detection {index} is of image {self.image_ids[index]!r}, which the annotations do"
                " not have"
            )
        if self.masks is None or not len(self):
            return
        found = mask_sizes(self.masks)
        given = [[image.get("height"), image.get("width")] for image in coco.imgs.values()]
        misfit = (found != np.array(given, float)[places]).any(axis=1)
        if misfit.any():
            index = int(misfit.argmax())
            raise UserError(
                f"detection {index} has a mask of height, width {found[index].tolist()}, but its"
                f" image {self.image_ids[index]} is {given[places[index]]}"
            )


def mask_sizes(masks: Sequence[Rle]) -> Ints:
    """Returns (D, 2) heights and widths of masks."""
    if isinstance(masks, LazyRles):
        return masks.sizes
    return np.array([rle["size"] for rle in masks], np.int64).reshape(-1, 2)


def ratio(products: Column, factors: Column) -> Column:
    """Returns (D,) ``products`` / ``factors``; 0 where a factor is 0."""
    return np.divide(products, factors, where=factors != 0, out=np.zeros(len(factors)))
