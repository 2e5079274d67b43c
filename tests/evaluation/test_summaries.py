"""Tests of the text tables of an evaluation."""

from msrcnn_mm.evaluation.summaries import score_table
from tests.support.coco_scenes import evaluate, protocol, worked_scene


def test_table() -> None:
    coco, detections = worked_scene()
    lines = score_table(evaluate(coco, detections)).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[1] == ["segm, ranked by", "AP", "AP50", "AP75", "APs", "APm", "APl"]
    assert [row[0] for row in cells[3:7]] == ["class score", "mask score", "maskness", "oracle"]
    assert cells[6][1:] == ["55.4", "100.0", "50.5", "-", "55.4", "-"]
    assert lines[8].startswith("oracle gap: 33.6 points; recovered share: ")
    assert lines[8].endswith("% by maskness")
    assert lines[9] == "percent; at most 100 detections of a class in an image"
    wide = score_table(evaluate(coco, detections, protocol(coco, (100, 300, 1000))))
    assert "for AP, 1000 for the other columns" in wide
