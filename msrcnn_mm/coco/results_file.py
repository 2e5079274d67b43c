"""Reads and writes results files in COCO's format, whatever framework made them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.processes import in_processes

from .detections import SCORE_ENTRIES, Detections
from .json_files import UNREAD, read_bytes, read_json, write_json
from .results_rows import RowReader

_FEW = 0.5  # share of the annotated images; results of fewer are perhaps of another test

_AT_ONCE = 250  # rows that are objects of Python at the same time


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
    reader = RowReader(str(path), coco)
    try:
        detections, read = _read(reader, _raw_rows(path))
    except UNREAD:
        detections, read = _read(reader, _rows(path))
    for what, count in read.items():
        warn(f"{path}: in {count} of {len(detections)} detections {what}")
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


def _raw_rows(path: Path) -> list[msgspec.Raw]:
    """Returns the rows of a results file, each as its JSON, which needs less memory than objects.

    Raises:
        UserError: The file cannot be read.
        ValueError: Or another of UNREAD: it is no list of masks, or :func:`_rows` must read it.
    """
    raw = read_bytes(path)
    if b'"segmentation"' not in raw:
        raise ValueError("no masks")
    return msgspec.json.decode(raw, type=list[msgspec.Raw])


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


def _read(reader: RowReader, rows: Sequence[Any]) -> tuple[Detections, Counter[str]]:
    """Reads the rows of a file, each as its JSON or as a value; values are changed.

    Raises:
        UserError: A row cannot be read.
        ValueError: Or another of UNREAD: :func:`_rows` must read the file.
    """

    def read(first: int) -> tuple[Detections, Counter[str]]:
        some = rows[first : first + _AT_ONCE]
        values = [msgspec.json.decode(r) if isinstance(r, msgspec.Raw) else r for r in some]
        return reader.read(values, first)

    parts, counts = [], Counter[str]()
    for part, of_part in in_processes(read, range(0, len(rows), _AT_ONCE), "detections"):
        parts.append(part)
        counts += of_part
    return Detections.concatenate(parts), counts
