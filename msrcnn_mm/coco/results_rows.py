"""Reads the rows of a results file: all at once where they are alike, else one by one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import PurePath
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError, first_names

from .detections import RENAMED_ENTRIES, SCORE_ENTRIES, Detections
from .json_values import is_box, is_id, is_number, whole
from .rle import are_complete
from .segmentations import SegmentationError, as_rle, is_rle, read_segmentation

_FIELDS = ("image_id", "category_id", "segmentation", "score")
_RLE = frozenset(("size", "counts"))


class RowReader:
    """Reads rows of a results file and checks them.

    Args:
        path: The file, for messages.
        coco: The annotations that the rows should belong to; None for any.
    """

    def __init__(self, path: str, coco: COCO | None) -> None:
        self._path = path
        self._coco = coco
        self._ids = None if coco is None else _Ids(coco)

    def read(self, rows: Sequence[Any], first: int) -> tuple[Detections, Counter[str]]:
        """Reads rows; changes them.

        Args:
            rows: Some of the file's, each as its JSON.
            first: Number of the first in the file.

        Returns:
            The detections, with compressed RLEs; what was read in another way than it is written,
            with the number of rows.

        Raises:
            UserError: A row cannot be read.
        """
        read: Counter[str] = Counter()
        alike = self._are_alike(rows)
        if not alike:
            for index, row in enumerate(rows, first):
                problem = (
                    _problem(row, read)
                    or (self._ids and self._ids.problem(row, read))
                    or _read_mask(row, self._coco, read)
                )
                if problem:
                    raise UserError(f"{self._path}: detection {index} {problem}")
        masks = [row["segmentation"] for row in rows]
        pixels = [mask["size"][0] * mask["size"][1] for mask in masks]
        complete = are_complete([mask["counts"] for mask in masks], pixels)
        if not complete.all():
            place = int(complete.argmin())
            raise UserError(
                f"{self._path}: detection {first + place} has a damaged run-length encoding: its"
                f" runs do not add up to {masks[place]['size']} pixels"
            )
        if not alike:
            for row in rows:
                mask = row["segmentation"] = as_rle(
                    row["segmentation"], *row["segmentation"]["size"]
                )
                if "bbox" in row and not (row["bbox"][2] > 0 and row["bbox"][3] > 0):
                    row["bbox"] = mask_utils.toBbox(mask).tolist()
                    read["bbox has no area: the box of the mask is taken"] += 1
        sizes: dict[tuple[int, int], list[int]] = {}
        for row in rows:  # one list for all masks of a size saves memory
            mask = row["segmentation"]
            mask["size"] = sizes.setdefault(tuple(mask["size"]), mask["size"])
        return Detections.from_rows(rows), read

    def _are_alike(self, rows: Sequence[Any]) -> bool:
        """Returns whether all rows have the same entries, none of which has to be changed.

        Column by column this takes a tenth of the time that it takes row by row.
        """
        if set(map(type, rows)) != {dict} or len(layouts := set(map(tuple, rows))) > 1:
            return False
        (layout,) = layouts
        if not set(_FIELDS) <= set(layout) or not RENAMED_ENTRIES.keys().isdisjoint(layout):
            return False
        columns = {entry: [row[entry] for row in rows] for entry in layout}
        scores = (columns[e] for e in ("score", *SCORE_ENTRIES.values()) if e in columns)
        return (
            all(map(_are_numbers, scores))
            and ("bbox" not in columns or _are_boxes(columns["bbox"]))
            and all(self._are_ids(field, columns[field]) for field in ("image_id", "category_id"))
            and _are_compressed(columns["segmentation"])
        )

    def _are_ids(self, field: str, values: Sequence[Any]) -> bool:
        return set(map(type, values)) in ({int}, {str}) and (
            self._ids is None or set(values) <= self._ids.listed[field]
        )


def _are_numbers(values: Sequence[Any]) -> bool:
    """Returns whether all values are finite numbers."""
    try:
        return set(map(type, values)) <= {int, float} and bool(
            np.isfinite(np.array(values, float)).all()
        )
    except OverflowError:  # an integer beyond double precision
        return False


def _are_boxes(values: Sequence[Any]) -> bool:
    """Returns whether all values are boxes with an area."""
    if set(map(type, values)) != {list} or set(map(len, values)) != {4}:
        return False
    return _are_numbers(list(chain.from_iterable(values))) and all(
        width > 0 and height > 0 for _, _, width, height in values
    )


def _are_compressed(values: Sequence[Any]) -> bool:
    """Returns whether all values have the structure of a compressed RLE."""
    if set(map(type, values)) != {dict} or {frozenset(v) for v in values} != {_RLE}:
        return False
    sizes = [value["size"] for value in values]
    return (
        {type(value["counts"]) for value in values} == {str}
        and set(map(type, sizes)) == {list}
        and set(map(len, sizes)) == {2}
        and set(map(type, chain.from_iterable(sizes))) == {int}
        and min(map(min, sizes)) >= 0
    )


def _problem(row: Any, read: Counter[str]) -> str | None:
    """Returns the first problem of a row, ids and mask aside, to follow "detection N"."""
    if not isinstance(row, dict):
        return "is not an object"
    for field in _FIELDS:
        if field not in row:
            return f"has no '{field}': every detection needs {', '.join(_FIELDS)}"
    for old, new in RENAMED_ENTRIES.items():
        if old in row and new not in row:
            row[new] = row.pop(old)
            read[f"{old} is read as {new}, its name now"] += 1
    for field in ("score", *SCORE_ENTRIES.values()):
        if not is_number(row.get(field, 0.0)):
            return f"has no finite number as {field}: {row[field]!r:.30}"
    if row.get("bbox", 0) in (None, []):
        del row["bbox"]
    if "bbox" in row and not is_box(row["bbox"]):
        return f"has a bbox that is not four finite numbers: {row['bbox']!r:.60}"
    for field in ("image_id", "category_id"):
        row[field] = whole(row[field])
        if not is_id(row[field]):
            return f"has no valid {field}: {row[field]!r:.40}"
    return None


def _read_mask(row: dict[str, Any], coco: COCO | None, read: Counter[str]) -> str | None:
    """Reads a row's mask as an RLE; returns its problem, None without."""
    mask = row["segmentation"]
    if is_rle(mask):
        sides = [whole(side) for side in mask["size"]]  # of its image, which is checked later
    elif coco is None or isinstance(mask, dict):
        return "has a segmentation that is not a run-length encoding {size, counts}" + (
            ": polygons are read with annotations" if isinstance(mask, list) else ""
        )
    else:
        image = coco.imgs[row["image_id"]]
        sides = [image["height"], image["width"]]
    try:
        segmentation, dropped = read_segmentation(mask, *sides)
    except SegmentationError as error:
        return f"has no mask that can be read: segmentation {error}"
    if dropped:
        read["segmentation has polygons of fewer than three points: they are left out"] += 1
    encoded = isinstance(segmentation, dict)
    row["segmentation"] = segmentation if encoded else as_rle(segmentation, *sides)
    return None


class _Ids:
    """Finds the images and categories that the rows of a results file mean.

    Args:
        coco: The annotations.
    """

    def __init__(self, coco: COCO) -> None:
        names = ((i, image.get("file_name")) for i, image in coco.imgs.items())
        files = [(i, name) for i, name in names if isinstance(name, str)]
        self.listed = {"image_id": coco.imgs.keys(), "category_id": coco.cats.keys()}
        self._names = {
            "image_id": _unique([*files, *((i, PurePath(name).stem) for i, name in files)]),
            "category_id": _unique((i, c.get("name")) for i, c in coco.cats.items()),
        }
        self._texts = {
            field: _unique((i, str(i)) for i in listed) for field, listed in self.listed.items()
        }

    def problem(self, row: dict[str, Any], read: Counter[str]) -> str | None:
        """Sets the ids of a row that are written in another way, and counts them.

        Returns:
            The problem of an id that is not known, to follow "detection N"; None without.
        """
        for field, listed in self.listed.items():
            value = row[field]
            if value in listed:
                continue
            meant = {self._texts[field].get(str(value)), self._names[field].get(value)} - {None}
            what = "image" if field == "image_id" else "category"
            if len(meant) > 1:
                return (
                    f"has the {field} {value!r}, which is text for an id of one {what} and the name"
                    f" of another ({first_names(sorted(meant, key=str), form=repr)}): write the id "
                    "of the one that is meant"
                )
            if not meant:
                known = first_names(list(listed), form=repr)
                return (
                    f"is of {what} {value!r}, which the annotations do not have; they have {known}"
                )
            (row[field],) = meant
            read[f"{field} is a name, or text for a number: the id that it means is taken"] += 1
        return None


def _unique(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Returns name -> id for the names that only one id has."""
    ids: dict[Any, set[Any]] = {}
    for identity, name in pairs:
        ids.setdefault(name, set()).add(identity)
    return {name: next(iter(found)) for name, found in ids.items() if len(found) == 1}
