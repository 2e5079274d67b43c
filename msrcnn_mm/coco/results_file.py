"""Reads and writes results files in COCO's format, whatever framework made them."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.processes import in_processes

from .detections import SCORE_ENTRIES, Detections
from .json_files import UnreadError, read_bytes, read_json, write_json
from .results_rows import RowError, RowReader

_FEW = 0.5  # share of the annotated images; results of fewer are perhaps of another test

_AT_ONCE = 1 << 20  # bytes of a file that a process reads at once

_WEIGHT = 20  # images, about as many as a part of the file holds detections of


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
    reader = RowReader(coco)
    try:
        detections, read = _read(path, reader, _parts(path))
    except UnreadError:
        detections, read = _read(path, reader, [_rows(path)])
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


def _parts(path: Path) -> list[memoryview]:
    """Cuts a results file into lists of rows, each as JSON.

    The file is cut where an object begins as the first row does. Where that is within a row, the
    parts are not JSON; where all are, their rows are those of the file.

    Raises:
        UserError: The file cannot be read.
        UnreadError: It is no list of masks, or :func:`_rows` must read it.
    """
    raw = read_bytes(path).rstrip()
    begin = re.match(rb'\s*\[\s*(\{\s*"[^"]*")', raw)
    if not begin or not raw.endswith(b"]") or b'"segmentation"' not in raw:
        raise UnreadError
    between = re.compile(rb"\}\s*(,)\s*" + re.escape(begin[1]))
    view, parts, start = memoryview(raw), [], begin.start(1)
    while cut := between.search(raw, start + _AT_ONCE):
        parts.append(view[start : cut.start(1)])
        start = cut.end(1)
    return [*parts, view[start:-1]]


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


def _read(
    path: Path, reader: RowReader, parts: Sequence[memoryview | list[Any]]
) -> tuple[Detections, Counter[str]]:
    """Reads the parts of a file, each as JSON or as values, which are changed.

    Raises:
        UserError: A row cannot be read.
        UnreadError: :func:`_rows` must read the file.
    """

    def read(part: memoryview | list[Any]) -> tuple[Detections, Counter[str]]:
        return reader.read(part if isinstance(part, list) else b"".join((b"[", part, b"]")))

    found, counts = [], Counter[str]()
    try:
        for detections, of_part in in_processes(read, parts, "detections", _WEIGHT):
            found.append(detections)
            counts += of_part
    except RowError as error:
        number, problem = error.args
        number += sum(map(len, found))
        raise UserError(f"{path}: detection {number} {problem}") from error
    return Detections.concatenate(found), counts
