"""Reads rows of a results file: all at once where none needs a change, else one by one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import nan
from operator import attrgetter
from pathlib import PurePath
from typing import Annotated, Any

import msgspec
import numpy as np
import pycocotools.mask as mask_utils
from numpy.typing import NDArray
from pycocotools.coco import COCO

from msrcnn_mm.errors import first_names

from .detections import ENTRIES, RENAMED_ENTRIES, SCORE_ENTRIES, Column, Detections
from .json_files import UnreadError, parse
from .json_values import is_box, is_id, is_number, whole
from .packed_rles import PackedRles
from .rle import Counts, damage, measure
from .runs import without_empty_runs
from .segmentations import (
    LONGEST,
    MOST_PIXELS,
    SegmentationError,
    as_rle,
    is_rle,
    read_segmentation,
)

_FIELDS = ("image_id", "category_id", "segmentation", "score")

JOINED = "segmentation has empty runs, at which pycocotools errs: they are joined"
"""Counted for masks that are not those of the file."""

_Side = Annotated[int, msgspec.Meta(ge=0, le=LONGEST)]


class _Rle(msgspec.Struct, gc=False):
    size: tuple[_Side, _Side]
    counts: str


class _Fields(msgspec.Struct, gc=False):
    image_id: int | str
    category_id: int | str
    segmentation: _Rle
    score: float
    bbox: tuple[float, float, float, float] | None = None


_SCORES = [(entry, float, nan) for entry in SCORE_ENTRIES.values()]
_Row = msgspec.defstruct("_Row", _SCORES, bases=(_Fields,), gc=False)
_NamedRow = msgspec.defstruct("_NamedRow", [], bases=(_Row,), forbid_unknown_fields=True, gc=False)
_NAMED_ROWS = msgspec.json.Decoder(list[_NamedRow])  # type: ignore[valid-type]
"""Reads rows that have no entry but those that :class:`Detections` has columns for."""

_NO_BOX = (nan,) * 4


class RowError(Exception):
    """A row that cannot be read: its number, and the problem, to follow "detection N"."""


class RowReader:
    """Reads rows of a results file and checks them.

    Args:
        coco: The annotations that the rows should belong to; None for any.
    """

    def __init__(self, coco: COCO | None) -> None:
        self._coco = coco
        self._ids = None if coco is None else _Ids(coco)

    def read(self, given: bytes | list[Any]) -> tuple[Detections, Counter[str]]:
        """Reads rows.

        Args:
            given: The rows as a list in JSON, or as values, which are changed.

        Returns:
            The detections, with compressed RLEs; what was read in another way than it is written,
            with the number of rows.

        Raises:
            RowError: A row cannot be read.
            UnreadError: The JSON cannot be read.
        """
        read: Counter[str] = Counter()
        if isinstance(given, bytes):
            found = self._at_once(given)
            return (self._one_by_one(parse(given), read) if found is None else found), read
        return self._one_by_one(given, read), read

    def _at_once(self, raw: bytes) -> Detections | None:
        """Reads rows if none needs a change; returns None otherwise."""
        extras = None
        try:
            rows = parse(raw, _NAMED_ROWS)
        except UnreadError:
            values = parse(raw)
            try:
                rows = msgspec.convert(values, list[_Row])  # type: ignore[valid-type]
            except msgspec.ValidationError:
                return None
            extras = [{k: row[k] for k in row if k not in ENTRIES} for row in values]
            if not all(map(RENAMED_ENTRIES.keys().isdisjoint, extras)):
                return None
        ids = {field: list(map(attrgetter(field), rows)) for field in ("image_id", "category_id")}
        if self._ids and not all(set(ids[field]) <= self._ids.listed[field] for field in ids):
            return None
        boxes = np.array([row.bbox or _NO_BOX for row in rows], float)
        if (boxes[:, 2:] <= 0).any():
            return None
        sizes = [row.segmentation.size for row in rows]
        counts = [row.segmentation.counts for row in rows]
        areas, has_empty_run = _areas(counts, sizes)
        if has_empty_run.any():
            return None
        columns = {
            name: np.array(list(map(attrgetter(entry), rows)), float)
            for name, entry in SCORE_ENTRIES.items()
        }
        return Detections(
            image_ids=ids["image_id"],
            category_ids=ids["category_id"],
            class_scores=np.array([row.score for row in rows], float),
            masks=PackedRles.pack(counts, sizes),
            areas=areas,
            boxes=None if np.isnan(boxes).all() else boxes,
            **{name: column for name, column in columns.items() if not np.isnan(column).all()},
            extras=extras,
        )

    def _one_by_one(self, rows: list[Any], read: Counter[str]) -> Detections:
        """Reads rows and changes them; counts what is read in another way than it is written."""
        for number, row in enumerate(rows):
            problem = (
                _problem(row, read)
                or (self._ids and self._ids.problem(row, read))
                or _read_mask(row, self._coco, read)
            )
            if problem:
                raise RowError(number, problem)
        masks = [row["segmentation"] for row in rows]
        areas, has_empty_run = _areas(
            [mask["counts"] for mask in masks], [mask["size"] for mask in masks]
        )
        for row, with_empty_run in zip(rows, has_empty_run.tolist(), strict=True):
            if with_empty_run:
                counts = without_empty_runs(row["segmentation"]["counts"])
                row["segmentation"] = {**row["segmentation"], "counts": counts}
                read[JOINED] += 1
            mask = row["segmentation"] = as_rle(row["segmentation"], *row["segmentation"]["size"])
            if "bbox" in row and not (row["bbox"][2] > 0 and row["bbox"][3] > 0):
                row["bbox"] = mask_utils.toBbox(mask).tolist()
                read["bbox has no area: the box of the mask is taken"] += 1
        found = Detections.from_rows(rows)
        packed = PackedRles.of([row["segmentation"] for row in rows])
        return replace(found, masks=packed, areas=areas)


def _areas(
    counts: Sequence[Counts], sizes: Sequence[Sequence[int]]
) -> tuple[Column, NDArray[np.bool_]]:
    """Returns the (D,) areas of RLEs in pixels, and whether a run after the first is empty.

    Raises:
        RowError: One is not complete, or has more pixels than pycocotools counts.
    """
    pixels = [height * width for height, width in sizes]
    if max(pixels, default=0) > MOST_PIXELS:
        number = pixels.index(max(pixels))
        raise RowError(
            number,
            f"has a mask of the size {[*sizes[number]]}, more than 2^32 pixels, which pycocotools "
            "cannot count: cut the image into tiles",
        )
    areas, has_empty_run = measure(counts, pixels)
    if areas.min(initial=0) < 0:
        number = int(areas.argmin())
        raise RowError(
            number,
            f"has a damaged run-length encoding: {damage(*sizes[number])}",
        )
    return areas.astype(float), has_empty_run


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
