"""Reads and writes results files in COCO's format, whatever framework made them."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError, first_names, warn

from .detections import RENAMED_ENTRIES, SCORE_ENTRIES, Detections
from .json_files import read_json, write_json
from .json_values import is_box, is_id, is_number, whole
from .rle import are_complete
from .segmentations import SegmentationError, as_rle, is_rle, read_segmentation

_FEW = 0.5  # share of the annotated images; results of fewer are perhaps of another test

_FIELDS = ("image_id", "category_id", "segmentation", "score")


def load_results(path: str | Path, coco: COCO | None = None, partial: bool = False) -> Detections:
    """Reads instance segmentation results in COCO's format and checks them.

    Masks are RLEs or, with ``coco``, polygons. Boxes of zeros are replaced by the boxes of the
    masks. With ``coco``, an image may be given by its file name, a category by its name, and an id
    as text for a number or the reverse, where only one is meant. Warns of each of these with its
    count, of class scores outside [0, 1], and of results of less than half of the annotated images.

    Args:
        path: A JSON list of ``{image_id, category_id, segmentation, score, ...}``.
        coco: The annotations that the results should belong to; checked if given.
        partial: Whether results of a part of the annotated images are as good: there is no warning.

    Returns:
        The detections, with compressed RLEs.

    Raises:
        UserError: The file is missing or is not such a list; an entry lacks a field, has a score
            that is not a finite number, no mask or a damaged one, or an image, category or size
            that ``coco`` does not know.
    """
    path = Path(path)
    rows = _rows(path)
    read: Counter[str] = Counter()
    ids = None if coco is None else _Ids(coco)
    for index, row in enumerate(rows):
        problem = (
            _problem(row, read) or (ids and ids.problem(row, read)) or _read_mask(row, coco, read)
        )
        if problem:
            raise UserError(f"{path}: detection {index} {problem}")
    masks = [row["segmentation"] for row in rows]
    complete = are_complete(
        [mask["counts"] for mask in masks], [mask["size"][0] * mask["size"][1] for mask in masks]
    )
    if not complete.all():
        index = int(complete.argmin())
        raise UserError(
            f"{path}: detection {index} has a damaged run-length encoding: its runs do not add up"
            f" to {masks[index]['size']} pixels"
        )
    sizes: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        mask = as_rle(row["segmentation"], *row["segmentation"]["size"])
        height, width = mask["size"]
        # one list for all masks of a size saves memory
        mask["size"] = sizes.setdefault((height, width), mask["size"])
        row["segmentation"] = mask
        if "bbox" in row and not (row["bbox"][2] > 0 and row["bbox"][3] > 0):
            row["bbox"] = mask_utils.toBbox(row["segmentation"]).tolist()
            read["bbox has no area: the box of the mask is taken"] += 1
    for what, count in read.items():
        warn(f"{path}: in {count} of {len(rows)} detections {what}")
    detections = Detections.from_rows(rows)
    for name, entry in {"class_scores": "score", **SCORE_ENTRIES}.items():
        scores = getattr(detections, name)
        if scores is None or not len(scores):
            continue
        low, high = np.nanmin(scores), np.nanmax(scores)
        if low < 0 or high > 1:
            warn(
                f"{path}: {entry} goes from {low:g} to {high:g}, and every figure but AP needs "
                "scores in [0, 1]: divide percentages by 100"
            )
    if coco is not None:
        try:
            detections.check_fit(coco)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        annotated = {a["image_id"] for a in coco.anns.values()}
        found = len(annotated & set(detections.image_ids))
        if found < _FEW * len(annotated) and not partial:
            warn(
                f"{path}: has detections in {found} of {len(annotated)} annotated images, and the "
                "objects of the others count as missed: give annotations of the tested images alone"
            )
    return detections


def write_results(detections: Detections, path: str | Path) -> None:
    """Writes a results file in one step: a reader never sees half of it.

    Raises:
        UserError: The file cannot be written.
    """
    write_json(detections.to_rows(), Path(path))


def _rows(path: Path) -> list[Any]:
    rows = read_json(path)
    if isinstance(rows, dict) and "annotations" in rows:
        raise UserError(
            f"{path} is an annotation file: give the results file first, then the annotations"
        )
    if not isinstance(rows, list):
        raise UserError(f"{path} is not a list of detections: give a COCO results file")
    if rows and all(isinstance(row, dict) and "segmentation" not in row for row in rows):
        raise UserError(
            f"{path} has no 'segmentation' in any of {len(rows)} detections: give the detector's "
            "file of masks; boxes follow from them"
        )
    return rows


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
            return f"has no finite number as {field}: {row[field]!s:.30}"
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
        self._listed = {"image_id": coco.imgs.keys(), "category_id": coco.cats.keys()}
        self._names = {
            "image_id": _unique([*files, *((i, PurePath(name).stem) for i, name in files)]),
            "category_id": _unique((i, c.get("name")) for i, c in coco.cats.items()),
        }
        self._texts = {
            field: _unique((i, str(i)) for i in listed) for field, listed in self._listed.items()
        }

    def problem(self, row: dict[str, Any], read: Counter[str]) -> str | None:
        """Sets the ids of a row that are written in another way, and counts them.

        Returns:
            The problem of an id that is not known, to follow "detection N"; None without.
        """
        for field, listed in self._listed.items():
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
