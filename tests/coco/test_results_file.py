"""Tests of reading, checking and writing results files."""

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pycocotools.mask as mask_utils
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.results_file import load_results, write_results
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from tests.support.coco_scenes import (
    SIDE,
    annotation,
    as_coco,
    coco_dict,
    detection,
    encode,
    random_scene,
    rectangle,
)


def test_a_written_file_is_read_unchanged(tmp_path: Path) -> None:
    annotations, rows = random_scene(4)
    rows[0]["comment"] = "an entry of another tool"
    del rows[1]["bbox"], rows[2]["mask_score"]
    path = tmp_path / "new" / "results.json"
    write_results(Detections.from_rows(rows), path)
    assert json.loads(path.read_text()) == rows
    assert load_results(path, as_coco(annotations, 3)).to_rows() == rows


def test_a_calibrated_score_is_read_as_a_rescored_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows = random_scene(4)
    old = [row | {"calibrated_score": 0.5} for row in rows]
    old[0]["rescored_score"] = 0.25
    (tmp_path / "old.json").write_text(json.dumps(old))
    detections = load_results(tmp_path / "old.json")
    assert detections.rescored_scores is not None
    assert detections.rescored_scores.tolist() == [0.25, *[0.5] * (len(rows) - 1)]
    assert [row.get("calibrated_score") for row in detections.to_rows()[:2]] == [0.5, None]
    (warning,) = capsys.readouterr().err.splitlines()
    assert f"in {len(rows) - 1} of {len(rows)} detections calibrated_score is read as" in warning


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.json"
    path.write_text("[]")

    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(json, "dump", fail)
    with pytest.raises(UserError, match=r"cannot write .*results.json: No space left"):
        write_results(Detections.from_rows(random_scene(4)[1]), path)
    assert path.read_text() == "[]"
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_loads_uncompressed_rles(tmp_path: Path) -> None:
    entry = detection(10, rectangle(0, 0, 1, 120), 0.5)
    compressed = entry["segmentation"]
    entry["segmentation"] = {"size": [120, 120], "counts": [0, 120, 119 * 120]}
    (tmp_path / "r.json").write_text(json.dumps([entry]))
    masks = load_results(tmp_path / "r.json").masks
    assert masks == [compressed]


GOOD = detection(10, rectangle(0, 0, 9, 9), 0.5)
BLOBS = rectangle(10, 10, 60, 50) | rectangle(5, 70, 100, 90)
HANGS = encode(BLOBS)["counts"][:-7]  # pycocotools.mask.iou takes more than ten minutes


def without(field: str) -> dict[str, Any]:
    return {k: v for k, v in GOOD.items() if k != field}


def damaged(counts: str) -> list[dict[str, Any]]:
    return [GOOD, GOOD | {"segmentation": {"size": [SIDE, SIDE], "counts": counts}}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not valid JSON"),
        ("[" * 100_000, "nests brackets too deeply"),
        ("\udcff\udcfe", "is not valid JSON"),
        ('{"results": []}', "is not a list of detections"),
        ('{"annotations": []}', "is an annotation file: give the results file first"),
        ([3], "detection 0 is not an object"),
        ([GOOD, without("image_id")], "detection 1 has no 'image_id'"),
        ([without("category_id")], "has no 'category_id'"),
        ([without("segmentation")], "has no 'segmentation'"),
        ([without("score")], "has no 'score'"),
        ([GOOD | {"score": float("nan")}], "has no finite number as score: nan"),
        ([GOOD | {"score": "0.5"}], "has no finite number as score: '0.5'"),
        ([GOOD | {"score": 10**400}], "has no finite number as score: 1000"),
        ([GOOD | {"mask_score": float("inf")}], "has no finite number as mask_score: inf"),
        ([GOOD | {"foreground_prob": None}], "has no finite number as foreground_prob: None"),
        ([GOOD | {"segmentation": []}], r"segmentation is \[\], without an outline"),
        ([GOOD | {"segmentation": None}], "segmentation is null, without an outline"),
        ([GOOD | {"segmentation": [[0, 0, 9, 0]]}], "has no polygon of three points"),
        ([GOOD | {"segmentation": "abc"}], "segmentation is 'abc': write polygons"),
        ([GOOD | {"bbox": [1, 2, 3]}], r"a bbox that is not four finite numbers: \[1, 2, 3\]"),
        ([GOOD | {"segmentation": {"counts": "0"}}], "not a run-length encoding"),
        ([GOOD | {"segmentation": {"size": [-1, 9], "counts": "0"}}], "not a run-length encoding"),
        ([GOOD | {"segmentation": {"size": [2**64, 0], "counts": "0"}}], "not a run-length enc"),
        ([GOOD | {"segmentation": {"size": [2**64, 0], "counts": [0]}}], "not a run-length enc"),
        ([GOOD | {"image_id": 99}], "is of image 99, which the annotations do not have"),
        ([GOOD | {"image_id": [1]}], r"has no valid image_id: \[1\]"),
        ([GOOD | {"category_id": 1}], "is of category 1, which the annotations do not have"),
        (
            [GOOD | {"segmentation": {"size": [9, 120], "counts": [9 * 120]}}],
            r"a mask of height, width \[9, 120\], but its image 10 is \[120, 120\]",
        ),
        (
            [GOOD | {"segmentation": {"size": [120, 120], "counts": [7, 8]}}],
            r"has a damaged run-length encoding: its runs do not add up to \[120, 120\] pixels",
        ),
        (
            [GOOD | {"segmentation": {"size": [120, 120], "counts": ["a"]}}],
            "has a damaged run-length encoding",
        ),
    ],
)
def test_bad_results_get_one_line(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "results.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=message) as error:
        load_results(path, as_coco([], 1))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_masks_get_one_line(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    whole = encode(BLOBS)["counts"]
    cuts = [whole[:end] for end in range(len(whole))]
    for counts in [*cuts, "P", "0", "ä", "\n", "P" * 9 + "0", "O0P1"]:
        path.write_text(json.dumps(damaged(counts)))
        with pytest.raises(UserError, match="detection 1 has a damaged run-length enc") as error:
            load_results(path)
        assert "\n" not in str(error.value)


def test_a_damaged_mask_ends_the_command_at_once(tmp_path: Path) -> None:
    """The command runs in its own process, because pycocotools would not return."""
    (tmp_path / "results.json").write_text(json.dumps(damaged(HANGS)))
    content = coco_dict([annotation(1, 10, BLOBS)], 1)
    (tmp_path / "gt.json").write_text(json.dumps(content))
    tool = Path(__file__).parents[2] / "tools" / "draw_scores.py"
    paths = [tmp_path / name for name in ("results.json", "gt.json", "images", "out.png")]
    done = subprocess.run(
        [sys.executable, tool, *paths], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("its runs do not add up to [120, 120] pixels")


def test_missing_file_and_folder_get_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*none\.json: No such file or directory"):
        load_results(tmp_path / "none.json")
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        load_results(tmp_path)


@pytest.mark.parametrize("entry", ["score", "mask_iou", "mask_score", "foreground_prob"])
@pytest.mark.parametrize(("factor", "warns"), [(1, False), (100, True), (-1, True)])
def test_scores_outside_the_unit_interval_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture, factor: float, warns: bool, entry: str
) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([detection(10, BLOBS, 0.5) | {entry: factor * 0.5}]))
    load_results(path)
    said = f"{entry} goes from {factor * 0.5:g} to {factor * 0.5:g}, and every figure but AP needs"
    assert (said in capsys.readouterr().err) is warns


def read(tmp_path: Path, rows: list[dict[str, Any]], coco: COCO) -> Detections:
    (tmp_path / "results.json").write_text(json.dumps(rows))
    return load_results(tmp_path / "results.json", coco)


def test_polygons_are_read_as_pycocotools_reads_them(tmp_path: Path) -> None:
    outlines = [[10, 10, 60.5, 10, 60, 50.25, 10, 50], [5, 70, 100, 70, 100, 90, 5, 90]]
    rows = [
        GOOD | {"segmentation": outlines, "bbox": [5, 10, 95, 80]},
        GOOD | {"segmentation": outlines[1:], "bbox": [5, 70, 95, 20]},
    ]
    coco = as_coco([annotation(1, 10, BLOBS)], 1)
    detections = read(tmp_path, rows, coco)
    theirs = coco.loadRes(json.loads(json.dumps(rows)))
    assert detections.masks is not None
    for ours, entry in zip(detections.masks, theirs.dataset["annotations"], strict=True):
        assert ours["counts"].encode() == theirs.annToRLE(entry)["counts"]
    reference = COCOeval(coco, theirs, "segm")
    reference.evaluate()
    reference.accumulate()
    reference.summarize()
    ap = evaluate_scores(coco, detections).rankings["class_score"].ap["AP"]
    assert ap == pytest.approx(reference.stats[0], abs=1e-12)


def test_polygons_need_annotations(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps([GOOD | {"segmentation": [[0, 0, 9, 0, 9, 9]]}]))
    with pytest.raises(UserError, match="polygons are read with annotations"):
        load_results(tmp_path / "r.json")


@pytest.mark.parametrize("box", [[0, 0, 0, 0], [5, 5, 0, 0], [5, 5, -1, 3], None, []])
def test_masks_give_boxes(tmp_path: Path, capsys: pytest.CaptureFixture, box: Any) -> None:
    rows = [GOOD, GOOD | {"segmentation": encode(BLOBS), "bbox": box}]
    detections = read(tmp_path, rows, as_coco([], 1))
    assert detections.with_boxes().boxes is not None
    assert detections.with_boxes().boxes[1].tolist() == mask_utils.toBbox(encode(BLOBS)).tolist()
    said = "in 1 of 2 detections bbox has no area: the box of the mask" in capsys.readouterr().err
    assert said == bool(box)


def test_a_file_of_boxes_is_told_from_a_file_of_masks(tmp_path: Path) -> None:
    rows = [without("segmentation"), without("segmentation")]
    with pytest.raises(UserError, match=r"no 'segmentation' in any of 2 detections: give the det"):
        read(tmp_path, rows, as_coco([], 1))


@pytest.mark.parametrize(
    ("row", "meant"),
    [
        (dict(category_id="star"), (10, 7)),
        (dict(category_id="7"), (10, 7)),
        (dict(image_id="1.png"), (11, 3)),
        (dict(image_id="1"), (11, 3)),
        (dict(image_id="11"), (11, 3)),
        (dict(image_id=11.0, category_id=7.0), (11, 7)),
    ],
)
def test_names_for_ids_are_read_where_one_is_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture, row: dict[str, Any], meant: tuple[int, int]
) -> None:
    detections = read(tmp_path, [GOOD | row], as_coco([], 2))
    assert (detections.image_ids[0], detections.category_ids[0]) == meant
    assert all(type(i) is int for i in (*detections.image_ids, *detections.category_ids))
    said = "in 1 of 1 detections" in capsys.readouterr().err
    assert said == any(isinstance(value, str) for value in row.values())


def test_numbers_for_ids_that_are_text(tmp_path: Path) -> None:
    coco = AnnotationFile(
        "gt.json",
        coco_dict([], 1) | {"images": [dict(id="10", file_name="a.png", height=SIDE, width=SIDE)]},
    ).coco()
    assert read(tmp_path, [GOOD], coco).image_ids == ["10"]


@pytest.mark.parametrize(
    ("image_id", "says"),
    [
        ("0", "has the image_id '0', which is text for an id of one image and the name of another"),
        ("a.png", "is of image 'a.png', which the annotations do not"),
        ("png", "is of image 'png', which the annotations do not"),
        ("", "is of image '', which the annotations do not"),
    ],
)
def test_names_that_could_mean_two_images_are_refused(
    tmp_path: Path, image_id: str, says: str
) -> None:
    content = coco_dict([], 2)
    content["images"][0] |= dict(id=0, file_name="a.png")
    content["images"][1] |= dict(file_name="b/0.png")
    content["images"].append(dict(id=5, file_name="a.png", height=SIDE, width=SIDE))
    coco = AnnotationFile("gt.json", content).coco()
    with pytest.raises(UserError, match=says):
        read(tmp_path, [GOOD | {"image_id": image_id}], coco)


@pytest.mark.parametrize(("images", "warns"), [(1, True), (2, True), (3, False)])
def test_results_of_few_of_the_images_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture, images: int, warns: bool
) -> None:
    coco = as_coco([annotation(i, 9 + i, BLOBS) for i in range(1, 5)], 6)
    read(tmp_path, [GOOD | {"image_id": 10 + i} for i in range(images)], coco)
    assert (f"{images} of 4 annotated images" in capsys.readouterr().err) is warns


def test_annotations_without_an_instance_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    read(tmp_path, [GOOD], as_coco([], 1))
    assert "have no instance, so every detection is a false alarm" in capsys.readouterr().err


def test_scores_that_some_rows_lack_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "r.json").write_text(
        json.dumps([GOOD | {"mask_score": 0.5}, GOOD, GOOD | {"mask_score": 0.4}])
    )
    load_results(tmp_path / "r.json")
    assert "mask_score is missing in 1 of 3 detections" in capsys.readouterr().err


def test_short_polygons_of_results_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    row = GOOD | {"segmentation": [[1, 2, 3, 4], [5, 70, 100, 70, 100, 90, 5, 90]]}
    masks = read(tmp_path, [GOOD, row], as_coco([], 1)).masks
    assert masks is not None
    assert mask_utils.decode(masks[1]).sum() == 95 * 20
    assert "in 1 of 2 detections segmentation has polygons of fewer than three points" in (
        capsys.readouterr().err
    )


EMPTY_RUNS = {"size": [120, 120], "counts": [2, 0, 7, 1, 5, 2, 1, 1, 1, 0, 14380]}


@pytest.mark.parametrize("compressed", [False, True])
def test_empty_runs_at_which_pycocotools_errs_are_joined(
    tmp_path: Path, compressed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    given = mask_utils.frPyObjects(EMPTY_RUNS, 120, 120)
    assert mask_utils.iou([given], [given], [0]) == 0  # of a mask with itself
    rle = {"size": [120, 120], "counts": given["counts"].decode()} if compressed else EMPTY_RUNS
    (tmp_path / "r.json").write_text(json.dumps([GOOD, {**GOOD, "segmentation": rle}]))
    masks = load_results(tmp_path / "r.json").masks
    assert masks is not None
    assert masks[1] == encode(mask_utils.decode(given))
    assert mask_utils.iou([masks[1]], [masks[1]], [0]) == 1
    assert "in 1 of 2 detections segmentation has empty runs" in capsys.readouterr().err


def test_masks_of_more_pixels_than_pycocotools_counts_are_refused(tmp_path: Path) -> None:
    side = 2**16
    large = {"size": [side, side], "counts": [0, side * side]}
    (tmp_path / "r.json").write_text(json.dumps([GOOD, {**GOOD, "segmentation": large}]))
    with pytest.raises(UserError, match=r"detection 1 has a mask of the size .*, more than 2\^32"):
        load_results(tmp_path / "r.json")
