"""Tests of the text tables of an evaluation."""

from msrcnn_mm.evaluation.summaries import score_table
from tests.support.coco_scenes import evaluate, protocol, worked_scene


def test_table() -> None:
    coco, detections = worked_scene()
    lines = score_table(evaluate(coco, detections)).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[1] == ["segm, ranked by", "AP", "AP50", "AP75", "APs", "APm", "APl"]
    names = ["class score", "mask score", "maskness", "quality oracle", "oracle", "TP share"]
    assert [row[0] for row in cells[3:9]] == names
    assert cells[7][1:] == ["55.4", "100.0", "50.5", "-", "55.4", "-"]
    gaps = "quality gap: 32.0 points, false-alarm gap: 1.7 points; recovered share: "
    assert lines[10].startswith(gaps) and lines[10].endswith("% by maskness")
    undecided = "mask score cannot be told from these images: +10.9 AP over class score"
    assert lines[11] == undecided
    assert lines[13] == "percent; at most 100 detections of a class in an image"
    wide = score_table(evaluate(coco, detections, protocol(coco, (100, 300, 1000))))
    assert "for AP, 1000 for the other columns" in wide
