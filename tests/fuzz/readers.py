"""Reads files as the commands do, and checks that what is read is all that a file holds.

Each reader takes a file, raises ``UserError`` where the file is refused, and ``AssertionError``
where something is lost or cannot be used.
"""

import contextlib
import io
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils

from msrcnn_mm.cli.check import main as check_command
from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.json_files import read_json
from msrcnn_mm.coco.polygons import outlines
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.coco.rle import measure
from msrcnn_mm.coco.runs import decode_runs, encode_runs, mirror, without_empty_runs
from msrcnn_mm.coco.segmentations import MOST_PIXELS, as_rle, is_rle, read_segmentation
from msrcnn_mm.errors import UserError
from msrcnn_mm.inspection.finding import DOUBLED_ID, UNREADABLE_ENTRY
from msrcnn_mm.rescoring.rescorer import read_rescorer
from msrcnn_mm.rescoring.rescorer_fit import fit_rescorer
from tests.support.coco_scenes import as_coco, coco_dict, random_scene

_ANNOTATIONS, ROWS = random_scene(3, 3, most=3)
ANNOTATIONS = coco_dict(_ANNOTATIONS, 3)
COCO = as_coco(_ANNOTATIONS, 3)
_SCENE, _SCENE_ROWS = random_scene(0, 30, most=4)
_DETECTIONS = Detections.from_rows(_SCENE_ROWS)

_FEW = 1 << 20  # pixels of a mask that is decoded here


@cache
def fitted(method: str) -> dict[str, Any]:
    """Returns the content of a small file of a fitted re-scorer."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "fitted.json")
        fit_rescorer(_DETECTIONS, as_coco(_SCENE, 30), "gt.json", method=method).write(path)
        content: dict[str, Any] = json.loads(path.read_text())
    for trees in content.get("trees", ()):
        for name in ("features", "thresholds", "values"):
            del trees[name][2:]
    return content


def results(path: Path) -> None:
    """Reads a results file, without annotations and with them."""
    for coco in (None, COCO):
        with contextlib.redirect_stderr(io.StringIO()):
            detections = load_results(path, coco, partial=True)
        rows = read_json(path)
        assert len(detections) == len(rows)
        assert np.isfinite(detections.class_scores).all()
        assert len(detections.to_rows()) == len(rows)
        json.dumps(detections.to_rows())


def annotations(path: Path) -> None:
    """Reads an annotation file; what is left out must be counted in a warning."""
    with contextlib.redirect_stderr(io.StringIO()) as warnings:
        coco = load_annotations(path)
    content = read_json(path)
    counts = re.findall(r"(\d+) annotations of \w+ that the file", warnings.getvalue())
    assert len(coco.anns) + sum(map(int, counts)) == len(content["annotations"])
    assert len(coco.imgs) == len(content["images"])
    assert len(coco.cats) == len(content["categories"])
    for annotation in coco.anns.values():
        assert np.isfinite([*annotation["bbox"], annotation["area"]]).all()
        image = coco.imgs[annotation["image_id"]]
        assert coco.annToRLE(annotation)["size"] == [image["height"], image["width"]]


def rescorer(path: Path) -> None:
    """Reads a re-scorer and scores detections with it."""
    found = read_rescorer(path)
    scores = found.apply(_DETECTIONS, same_images=True).scores
    assert ((scores >= 0) & (scores <= 1)).all()
    assert found.method.describe()


def rle(path: Path) -> None:
    """Reads a JSON file of one run-length encoding, decodes, measures, mirrors and outlines it."""
    value = read_json(path)
    if not is_rle(value):
        raise UserError("the value has not the structure of an RLE")
    size = [int(side) for side in value["size"]]
    read, _ = read_segmentation(value, *size)
    assert isinstance(read, dict)
    pixels = size[0] * size[1]
    if pixels > MOST_PIXELS:
        raise UserError("the image has more pixels than pycocotools counts")
    (area,), (has_empty_run,) = measure([read["counts"]], [pixels])
    if area < 0:
        raise UserError("the runs do not add up to the image")
    if has_empty_run:
        read["counts"] = without_empty_runs(read["counts"])
    mask = as_rle(read, *size)
    assert mask_utils.area(mask) == area
    runs, bounds = decode_runs([mask["counts"]])
    assert runs.sum() == pixels
    assert runs[1::2].sum() == area
    again = {"size": size, "counts": encode_runs(runs, bounds)[0]}
    assert measure([again["counts"]], [pixels])[0] == area
    if area and len(runs) < 1000:
        assert mask_utils.iou([mask], [again], [0])[0, 0] == 1
    if pixels <= _FEW and area:
        decoded = mask_utils.decode(mask)
        assert decoded.sum() == area
        (mirrored,) = mirror([mask])
        assert (mask_utils.decode(mirrored) == decoded[:, ::-1]).all()
        outlines(mask)


def check(path: Path) -> None:
    """Runs the check command; its cleaned copy must be readable, and each removal listed."""
    with TemporaryDirectory() as folder:
        report, fixes = Path(folder, "report.json"), Path(folder, "fixed", "fixes.json")
        words = ["--annotations", path, "--json", report, "--fix", fixes.parent]
        with contextlib.redirect_stdout(io.StringIO()):
            check_command([*map(str, words)])
        (done,) = read_json(fixes)
        given, cleaned = read_json(path), read_json(fixes.parent / path.name)
        findings = read_json(report)["findings"]
        removed = 0
        for part in ("images", "categories"):
            before, after = done["before_and_after"][part]
            assert (before, after) == (len(given[part]), len(cleaned[part]))
            removed += before - after
        of_annotations = [found for found in findings if "annotation_number" in found]
        others = [found for found in findings if found not in of_annotations]
        assert removed <= sum(found["kind"] in (UNREADABLE_ENTRY, DOUBLED_ID) for found in others)
        before, after = done["before_and_after"]["annotations"]
        assert before - after <= len({found["annotation_number"] for found in of_annotations})
        if cleaned.get("annotations"):
            with contextlib.redirect_stderr(io.StringIO()) as warnings:
                load_annotations(fixes.parent / path.name)
            assert "left out" not in warnings.getvalue()


READERS: dict[str, Callable[[Path], None]] = {
    "annotations": annotations,
    "rle": rle,
    "results": results,
    "rescorer": rescorer,
    "check": check,
}


def read_or_refuse(read: Callable[[Path], None], path: Path, raw: bytes) -> str | None:
    """Writes a file and reads it.

    Returns:
        The line of the error by which it is refused; None where it is read.

    Raises:
        AssertionError: The line does not begin with what it is about, or something is lost.
    """
    path.write_bytes(raw)
    try:
        read(path)
    except UserError as error:
        line = str(error)
        assert line.startswith((str(path), "the ", "cannot read")), line
        assert len(line) < 1000, line
        return line
    return None
