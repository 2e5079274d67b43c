"""Reads and writes results files in COCO's format, whatever framework made them."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.processes import in_processes

from .detections import SCORE_ENTRIES, Detections, mask_sizes
from .file_rles import FileRles, RowFile, row_places
from .json_files import UnreadError, read_text, write_json
from .results_rows import JOINED, RowError, RowReader

_FEW = 0.5  # share of the annotated images; results of no more are perhaps of another test

_AT_ONCE = 1 << 20  # bytes of a file that a process reads at once

_WINDOW = 1 << 16  # bytes in which a place is looked for where the file can be cut

_WEIGHT = 20  # images, about as many as a part of the file holds detections of


def load_results(path: str | Path, coco: COCO | None = None, partial: bool = False) -> Detections:
    """Reads instance segmentation results in COCO's format and checks them.

    Masks are RLEs or, with ``coco``, polygons. Boxes of zeros are replaced by the boxes of the
    masks. With ``coco``, an image may be given by its file name, a category by its name, and an id
    as text for a number or the reverse, where only one is meant. Warns of each of these with its
    count, of scores that only some rows have, of scores outside [0, 1], of annotations without
    an instance, and of results of half of the annotated images or less.

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
    file = RowFile(path)
    try:
        detections, read = _read_parts(file, reader)
    except UnreadError:
        detections, read = _read_rows(file, reader)
    for what, count in read.items():
        warn(f"{path}: in {count} of {len(detections)} detections {what}")
    for name, entry in {"class_scores": "score", **SCORE_ENTRIES}.items():
        scores = getattr(detections, name)
        if scores is None or not len(scores):
            continue
        missing = int(np.isnan(scores).sum())
        if missing:
            warn(f"{path}: {entry} is missing in {missing} of {len(detections)} detections")
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
        if not annotated:
            warn(f"{path}: the annotations have no instance, so every detection is a false alarm")
        elif found <= _FEW * len(annotated) and not partial:
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


def _parts(file: RowFile) -> list[tuple[int, int]]:
    """Cuts a results file into lists of rows.

    The file is cut where an object begins with ``image_id`` or as the first row does. Where that is
    within a row, the parts are not JSON; where all are, their rows are those of the file.

    Returns:
        First byte of each part, and the first one behind it.

    Raises:
        UserError: The file cannot be read.
        UnreadError: It is no list of masks, or :func:`_rows` must read it.
    """
    head = file.read(0, min(file.size, _AT_ONCE))
    last = max(0, file.size - _WINDOW)
    tail = file.read(last, file.size).rstrip()
    begin = re.match(rb'\s*\[\s*(\{\s*"[^"]*")', head)
    if not begin or not tail.endswith(b"]") or b'"segmentation"' not in head:
        raise UnreadError
    between = re.compile(rb"\}\s*(,)\s*(?:\{\s*\"image_id\"|" + re.escape(begin[1]) + b")")
    parts, start, end = [], begin.start(1), last + len(tail) - 1
    place = start + _AT_ONCE
    while place < end:
        cut = between.search(file.read(place, min(place + _WINDOW, end)))
        if cut is None:
            place += _WINDOW // 2
            continue
        parts.append((start, place + cut.start(1)))
        start = place + cut.end(1)
        place = start + _AT_ONCE
    return [*parts, (start, end)]


def _rows(file: RowFile) -> list[Any]:
    path, rows = file.path, read_text(file.read(0, file.size), file.path)
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


def _read_parts(file: RowFile, reader: RowReader) -> tuple[Detections, Counter[str]]:
    """Reads a file part by part; its masks stay in the file.

    Raises:
        UserError: A row cannot be read.
        UnreadError: :func:`_rows` must read the file.
    """

    def read(part: tuple[int, int]) -> tuple[Detections, Counter[str], tuple[Any, ...]]:
        text = b"".join((b"[", file.read(*part), b"]"))
        detections, counts = reader.read(text)
        if counts[JOINED]:  # these masks cannot be read again as they are
            raise UnreadError
        starts, lengths = row_places(text)
        sizes = mask_sizes(detections.masks or ()).astype(np.int32)
        return replace(detections, masks=None), counts, (starts + part[0] - 1, lengths, sizes)

    found, counts, places = [], Counter[str](), []
    known: dict[int | str, int | str] = {}  # ids, each of which is held once
    try:
        for detections, of_part, of_rows in in_processes(read, _parts(file), "detections", _WEIGHT):
            image_ids, category_ids = (
                [known.setdefault(one, one) for one in ids]
                for ids in (detections.image_ids, detections.category_ids)
            )
            found.append(replace(detections, image_ids=image_ids, category_ids=category_ids))
            counts += of_part
            places.append(of_rows)
    except RowError as error:
        number, problem = error.args
        number += sum(map(len, found))
        raise UserError(f"{file.path}: detection {number} {problem}") from error
    masks = FileRles(file, *map(np.concatenate, zip(*places, strict=True)))
    return replace(Detections.concatenate(found), masks=masks), counts


def _read_rows(file: RowFile, reader: RowReader) -> tuple[Detections, Counter[str]]:
    """Reads all rows of a file as values, and holds their masks.

    Raises:
        UserError: The file or a row cannot be read.
    """
    try:
        return reader.read(_rows(file))
    except RowError as error:
        number, problem = error.args
        raise UserError(f"{file.path}: detection {number} {problem}") from error
