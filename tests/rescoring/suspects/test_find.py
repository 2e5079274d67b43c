"""Tests which annotations are suspected, against hand-made scenes and plain loops over pixels."""

from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
import pytest
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.rescoring.suspects import suspect as kinds
from msrcnn_mm.rescoring.suspects.find import calibrated_scores, find_suspects
from msrcnn_mm.rescoring.suspects.suspect import Suspect
from tests.support.coco_scenes import annotation, as_coco, detection, random_scene, rectangle

OBJECT, OTHER = rectangle(0, 0, 40, 40), rectangle(40, 0, 80, 40)
BOTH = OBJECT | OTHER


def found(
    annotations: list[dict[str, Any]], rows: list[dict[str, Any]], least: float = 0
) -> list[Suspect]:
    detections = Detections.from_rows(rows)
    scores = detections.class_scores
    return find_suspects(as_coco(annotations, 1), detections, scores, scores >= least)


@pytest.mark.parametrize(
    ("annotations", "masks", "kind", "named", "suspicion"),
    [
        ([(OTHER, 3)], [(OBJECT, 3)], kinds.MISSED, [], 0.9),
        ([(rectangle(0, 0, 40, 10), 3)], [(OBJECT, 3)], kinds.BADLY_CUT, [1], 0.9 - 0.25),
        ([(BOTH, 3)], [(OBJECT, 3), (OTHER, 3)], kinds.MERGED, [1], 0.9 - 0.5),
        ([(OBJECT, 3), (OTHER, 3)], [(BOTH, 3)], kinds.SPLIT, [1, 2], 0.9 - 0.5),
        ([(OBJECT, 7)], [(OBJECT, 3)], kinds.WRONG_CLASS, [1], 0.9),
    ],
)
def test_each_kind_is_told(
    annotations: list[tuple[np.ndarray, int]],
    masks: list[tuple[np.ndarray, int]],
    kind: str,
    named: list[int],
    suspicion: float,
) -> None:
    truths = [annotation(i, 10, mask, k) for i, (mask, k) in enumerate(annotations, 1)]
    rows = [detection(10, mask, 0.9 - 0.1 * i, k) for i, (mask, k) in enumerate(masks)]
    first = found(truths, rows)[0]
    assert (first.kind, first.annotations) == (kind, named)
    assert first.masks == list(range(len(masks)))
    assert first.suspicion == pytest.approx(suspicion)


def test_what_other_masks_confirm_is_less_suspicious() -> None:
    truths = [annotation(1, 10, OBJECT, 7)]
    rows = [detection(10, OBJECT, 0.9, 3), detection(10, OBJECT, 0.7, 7)]
    (suspect,) = found(truths, rows, least=0.8)
    assert suspect.kind == kinds.WRONG_CLASS
    assert suspect.suspicion == pytest.approx(0.9 - 0.7)


def test_weak_masks_duplicates_and_masks_of_crowds_contradict_nothing() -> None:
    crowd = annotation(1, 10, BOTH, iscrowd=1)
    assert found([crowd], [detection(10, OBJECT, 0.9)]) == []
    there = [annotation(1, 10, OTHER)]
    nothing = np.zeros_like(OBJECT)
    empty = [annotation(1, 10, nothing), annotation(2, 10, OBJECT)]
    rows = [detection(10, nothing, 0.9), detection(10, OBJECT, 1.0)]
    assert [(one.kind, one.annotations) for one in found(empty, rows)] == [(kinds.NO_OBJECT, [1])]
    rows = [detection(10, OTHER, 1.0), detection(10, OBJECT, 0.2)]
    assert found(there, rows, least=0.3) == []
    rows = [detection(10, OBJECT, 0.9), detection(10, OBJECT, 0.8, 7), detection(10, OTHER, 1.0)]
    assert [one.masks for one in found(there, rows)] == [[0]]


def test_annotations_without_masks_are_suspected_by_how_often_their_size_is_found() -> None:
    small, large = rectangle(100, 100, 104, 104), rectangle(60, 60, 110, 110)
    truths, rows = [], []
    for image in range(100):  # half of the small ones are overlooked, all but one of the large
        truths.append(annotation(len(truths) + 1, 10 + image, small))
        truths.append(annotation(len(truths) + 1, 10 + image, large))
        rows.append(detection(10 + image, OBJECT, 0.1))
        rows += [detection(10 + image, small, 0.9)] * (image % 2)
        rows += [detection(10 + image, large, 0.9)] * (image != 4)
    detections = Detections.from_rows(rows)
    scores = detections.class_scores
    suspects = find_suspects(as_coco(truths, 101), detections, scores, scores > 0.5)
    lone = [one for one in suspects if one.kind == kinds.NO_OBJECT]
    assert len(lone) == 51
    assert (lone[0].image_id, lone[0].annotations, lone[0].masks) == (14, [10], [])
    assert lone[0].suspicion == pytest.approx(0.01 / (0.01 + 0.99 * 0.01), abs=1e-3)
    assert lone[1].suspicion == pytest.approx(0.01 / (0.01 + 0.99 * 0.5), abs=1e-3)


def test_calibrated_scores_rise_with_the_score_and_are_ious_of_right_masks() -> None:
    truths = [annotation(1, 10, OBJECT), annotation(2, 11, OBJECT)]
    half = rectangle(0, 0, 40, 24)
    rows = [detection(10, OBJECT, 0.9), detection(11, half, 0.6), detection(10, OTHER, 0.2)]
    detections = Detections.from_rows(rows)
    calibrated = calibrated_scores(as_coco(truths, 2), detections, detections.class_scores)
    assert calibrated == pytest.approx([1, 0.6, 0], abs=1e-5)


@pytest.mark.parametrize("seed", range(15))
def test_the_same_is_found_by_plain_loops(seed: int) -> None:
    annotations, rows = random_scene(seed)
    if not rows:
        pytest.skip("no masks")
    coco, detections = as_coco(annotations, 3), Detections.from_rows(rows)
    qualities = np.random.default_rng(seed).random(len(rows))
    counts = detections.class_scores >= 0.3
    suspects = [
        (one.kind, one.image_id, tuple(one.annotations), tuple(one.masks), round(one.suspicion, 9))
        for one in find_suspects(coco, detections, qualities, counts)
        if one.kind != kinds.NO_OBJECT
    ]
    assert suspects == plain_suspects(coco, rows, qualities, counts)


def plain_suspects(
    coco: COCO, rows: list[dict[str, Any]], qualities: np.ndarray, counts: np.ndarray
) -> list[tuple[Any, ...]]:
    """Finds suspects with masks as sets of pixels."""
    masks = [set(np.flatnonzero(mask_utils.decode(row["segmentation"]))) for row in rows]
    truths = {one: set(np.flatnonzero(coco.annToMask(a))) for one, a in coco.anns.items()}

    def iou(a: set[int], b: set[int]) -> float:
        return len(a & b) / len(a | b) if a | b else 0.0

    every = []
    for image_id in coco.imgs:
        single = [a for a in coco.imgToAnns[image_id] if not a["iscrowd"]]
        crowds = [a for a in coco.imgToAnns[image_id] if a["iscrowd"]]
        own = [i for i, row in enumerate(rows) if row["image_id"] == image_id]
        chosen: list[int] = []
        for i in sorted(own, key=lambda i: -qualities[i]):
            in_crowd = any(len(masks[i] & truths[c["id"]]) >= len(masks[i]) / 2 for c in crowds)
            repeats = any(iou(masks[i], masks[j]) >= 0.5 for j in chosen)
            if counts[i] and not in_crowd and not repeats:
                chosen.append(i)
        for i in chosen:
            mine = [a for a in single if a["category_id"] == rows[i]["category_id"]]
            best = max(mine, key=lambda a: iou(masks[i], truths[a["id"]]), default=None)
            value = iou(masks[i], truths[best["id"]]) if best else 0.0
            parts = [
                a for a in mine if len(masks[i] & truths[a["id"]]) >= 0.7 * len(truths[a["id"]])
            ]
            joined = set().union(*(truths[a["id"]] for a in parts))
            any_class = max(single, key=lambda a: iou(masks[i], truths[a["id"]]), default=None)
            named, by = [], [i]
            if len(parts) > 1 and iou(joined, masks[i]) > value:
                kind, named = kinds.SPLIT, parts
            elif (
                any_class
                and any_class["category_id"] != rows[i]["category_id"]
                and iou(masks[i], truths[any_class["id"]]) >= 0.5
            ):
                kind, named = kinds.WRONG_CLASS, [any_class]
            elif value < 0.1:
                kind = kinds.MISSED
            else:
                assert best
                kind, named, whole = kinds.BADLY_CUT, [best], truths[best["id"]]
                inside = [
                    j
                    for j in chosen
                    if rows[j]["category_id"] == rows[i]["category_id"]
                    and len(masks[j] & whole) >= 0.7 * len(masks[j])
                ]
                joined = set().union(*(masks[j] for j in inside))
                if i in inside and len(inside) > 1 and iou(joined, whole) > value:
                    kind, by = kinds.MERGED, [i, *(j for j in inside if j != i)]
            confirmed = [
                qualities[j] * iou(masks[j], truths[a["id"]])
                for a in named
                for j in own
                if rows[j]["category_id"] == a["category_id"]
            ]
            suspicion = qualities[i] - max([value, *confirmed])
            if suspicion > 0:
                ids = tuple(a["id"] for a in named)
                every.append((kind, image_id, ids, tuple(by), round(suspicion, 9)))
    every.sort(key=lambda one: -one[-1])
    kept: list[tuple[Any, ...]] = []
    for one in every:
        if not any({*one[2]} & {*two[2]} or {*one[3]} & {*two[3]} for two in kept):
            kept.append(one)
    return kept
