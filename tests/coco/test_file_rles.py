"""Tests that masks in a file are those of the file read as a whole, however it is cut."""

import json
import os
import pickle
import random
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrcnn_mm.coco import results_file
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.file_rles import FileRles, RowFile
from msrcnn_mm.coco.lazy_rles import rles_at
from msrcnn_mm.coco.packed_rles import PackedRles
from msrcnn_mm.coco.results_file import load_results, write_results
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import as_json
from msrcnn_mm.evaluation.odd_results import repeated
from tests.support.coco_scenes import SIDE, as_coco, random_scene

IMAGES = 12
ANNOTATIONS, ROWS = random_scene(5, IMAGES, most=6)
EXTRA = {"note": "a } , {", "parts": [{"score": 1}, {"x": [{}]}]}
MISLEADING = EXTRA | {"note": 'a } , {"image_id"'}


def varied(draw: random.Random, rows: list[dict[str, Any]]) -> str:
    """Returns rows as JSON, in any order, with polygons, runs as numbers, extras and spaces."""
    texts = []
    extra = draw.choice([EXTRA, EXTRA, MISLEADING])  # with the last, most cuts are wrong
    for row in draw.sample(rows, len(rows)):
        changed = dict(row)
        if draw.random() < 0.1:
            changed["segmentation"] = [[5, 5, 40, 5.5, 40, 30, 5, 30]]
        elif draw.random() < 0.1:
            runs = [0, SIDE, SIDE * (SIDE - 1)]
            changed["segmentation"] = {"size": [float(SIDE), SIDE], "counts": runs}
        if draw.random() < 0.2:
            changed |= extra
        first = draw.choice(["image_id", "score", "image_id"])
        changed = {first: changed.pop(first), **changed}
        texts.append(json.dumps(changed, indent=draw.choice([None, None, 1])))
    between = [" " * draw.randrange(3) + draw.choice([",", ",\n", " ,\t"]) for _ in texts[1:]]
    whole = "".join(text + comma for text, comma in zip(texts, [*between, ""], strict=True))
    return draw.choice(["[", " [\n"]) + whole + draw.choice(["]", "\n ] \n"])


def plain(detections: Detections) -> Any:
    return json.dumps([detections.to_rows(), np.asarray(detections.areas).tolist()])


@given(draw=st.randoms(use_true_random=False), size=st.integers(1, 3000))
@settings(max_examples=20, deadline=None)
def test_parts_of_any_size_are_the_whole(draw: random.Random, size: int) -> None:
    coco = as_coco(ANNOTATIONS, IMAGES)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "results.json")
        path.write_text(varied(draw, ROWS), "utf-8")
        reader = results_file.RowReader(coco)
        expected, _ = results_file._read_rows(RowFile(path), reader)
        assert isinstance(expected.masks, PackedRles)
        patch.setattr(results_file, "_AT_ONCE", size)
        patch.setattr(results_file, "_WINDOW", max(size // 2, 300))
        patch.setattr("msrcnn_mm.coco.file_rles._APART", draw.choice([0, 500, 1 << 14]))
        patch.setattr("msrcnn_mm.evaluation.overlaps._GROUPS", draw.choice([1, 7, 50]))
        patch.setattr("msrcnn_mm.evaluation.overlaps._DETECTIONS", draw.choice([0, 20]))
        found = load_results(path, coco)
        assert plain(found) == plain(expected)
        assert repeated(found) == repeated(expected)
        evaluation = json.dumps(as_json(evaluate_scores(coco, found)))
        patch.undo()
        assert evaluation == json.dumps(as_json(evaluate_scores(coco, expected)))
        some = [draw.randrange(len(ROWS)) for _ in range(9)]
        assert found.take(some).masks == [expected.masks[one] for one in some]


def test_the_places_of_rows_are_exact(tmp_path: Path) -> None:
    texts = [json.dumps(row | EXTRA) for row in ROWS]
    (tmp_path / "r.json").write_text(" [ " + " ,\n ".join(texts) + "\n]\n")
    masks = load_results(tmp_path / "r.json").masks
    assert isinstance(masks, FileRles)
    content = (tmp_path / "r.json").read_bytes()
    places = zip(masks.starts.tolist(), masks.lengths.tolist(), strict=True)
    assert [content[start : start + length].decode() for start, length in places] == texts


def test_a_file_that_is_replaced_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_results(Detections.from_rows(ROWS), path)
    detections = load_results(path)
    write_results(detections.take([0]), path)
    path.unlink()
    assert detections.to_rows() == ROWS


def test_a_file_that_is_written_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(ROWS))
    detections = load_results(path)
    path.write_text(json.dumps(ROWS[::-1]))
    with pytest.raises(UserError, match=r"r\.json was written to while it was read: start again"):
        detections.to_rows()


def test_masks_of_some_places_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps([{k: v for k, v in row.items() if k != "bbox"} for row in ROWS]))
    detections = load_results(path)
    read, calls = RowFile.read, []
    monkeypatch.setattr(RowFile, "read", lambda *given: calls.append(given) or read(*given))
    assert detections.masks is not None
    assert rles_at(detections.masks, np.array([5, 0, 5])) == [
        ROWS[place]["segmentation"] for place in (5, 0, 5)
    ]
    boxes = detections.with_boxes().boxes
    assert len(calls) == 2
    expected = [mask_utils.toBbox(row["segmentation"]) for row in ROWS]
    assert np.array_equal(boxes, expected)


def test_a_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(json.dumps(ROWS),))
    writer.start()
    assert load_results(path).to_rows() == ROWS
    writer.join()


def test_a_copy_holds_its_masks(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(ROWS))
    masks = load_results(tmp_path / "r.json").masks
    copy = pickle.loads(pickle.dumps(masks))
    assert isinstance(copy, PackedRles)
    assert copy == masks
