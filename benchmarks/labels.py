"""Damages annotations and counts how many of the first suspects of `labels` are damaged ones.

    python -m benchmarks.labels RESULTS.json ANNOTATIONS.json [--seeds 10] [--share 0.05]

Each seed damages other annotations, a quarter in each way: one is dropped; its mask is eroded or
shifted until its IoU with the original is at most 0.65; it is merged with the nearest one of its
class, or split across; it gets another class (where there are several; else a third in each of the
other ways). The results stay as they are. Where they have mask statistics or views and no rescored
score, a re-scorer is fitted to the damaged annotations and scores images that it was not fitted on.

A suspect is right if it names a damaged annotation, or its mask has an IoU of at least 0.5 with a
dropped one. Each damaged annotation counts once. An annotation that was wrong before counts as
wrong suspicion.
"""

import argparse
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
from numpy.typing import NDArray
from pycocotools.coco import COCO
from scipy.ndimage import binary_erosion, shift

from msrcnn_mm.coco.annotations import AnnotationFile, load_annotations
from msrcnn_mm.coco.detections import Column, Detections, Rle
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.evaluation.overlaps import find_overlaps
from msrcnn_mm.evaluation.protocol import RESCORED_SCORE, coco_protocol, words
from msrcnn_mm.evaluation.rankings import filled_scores
from msrcnn_mm.evaluation.summaries import text_table
from msrcnn_mm.processes import progress
from msrcnn_mm.rescoring.features.collect import features_of
from msrcnn_mm.rescoring.features.image_groups import image_numbers
from msrcnn_mm.rescoring.rescorer_fit import targets_of
from msrcnn_mm.rescoring.suspects.find import calibrated_scores, find_suspects
from msrcnn_mm.rescoring.suspects.suspect import Suspect
from msrcnn_mm.rescoring.trees.cross_fitting import cross_fit

Mask = NDArray[np.bool_]

DROPPED, CUT, MERGED, SPLIT, WRONG_CLASS = "dropped", "badly cut", "merged", "split", "wrong class"

CUT_IOU = 0.65
FIRST = (50, 200)


@dataclass(frozen=True)
class Damage:
    """A damaged annotation.

    Attributes:
        way: How it was damaged.
        image_id: Its image.
        annotations: Ids of what is left of it.
        mask: Its original mask.
    """

    way: str
    image_id: Any
    annotations: list[Any]
    mask: Rle


class Damager:
    """Damages annotations of a copy.

    Args:
        coco: The annotations.
        seed: Seed of the choice.
    """

    def __init__(self, coco: COCO, seed: int) -> None:
        self._coco = coco
        self._rng = np.random.default_rng(seed)
        self._left = dict(coco.anns)
        self._new = max((one for one in coco.anns if isinstance(one, int)), default=0) + 1
        self._touched: set[Any] = set()

    def damage(self, share: float) -> tuple[COCO, list[Damage]]:
        """Returns the damaged annotations, and which they are.

        Args:
            share: Share of the annotations to damage; a few less where a mask is too small for it.
        """
        ways = [self._drop, self._cut, self._join_or_split]
        if len(self._coco.cats) > 1:
            ways.append(self._rename)
        single = [one for one in self._coco.anns.values() if not one.get("iscrowd", 0)]
        done: list[Damage] = []
        for place in self._rng.permutation(len(single))[: round(share * len(single))].tolist():
            one = single[place]
            if one["id"] not in self._touched:
                self._touched.add(one["id"])
                damage = ways[len(done) % len(ways)](one)
                done += [damage] if damage else []
        content = {**self._coco.dataset, "annotations": list(self._left.values())}
        return AnnotationFile("damaged annotations", content).coco(), done

    def _note(self, way: str, one: dict[str, Any], *ids: Any) -> Damage:
        return Damage(way, one["image_id"], list(ids), self._coco.annToRLE(one))

    def _mask(self, one: dict[str, Any]) -> Mask:
        return self._coco.annToMask(one).astype(bool)

    def _put(self, one: dict[str, Any], mask: Mask, identity: Any) -> None:
        rle = mask_utils.encode(np.asfortranarray(mask, np.uint8))
        self._left[identity] = {
            **one,
            "id": identity,
            "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
            "area": float(mask.sum()),
            "bbox": mask_utils.toBbox(rle).tolist(),
        }

    def _drop(self, one: dict[str, Any]) -> Damage:
        del self._left[one["id"]]
        return self._note(DROPPED, one)

    def _rename(self, one: dict[str, Any]) -> Damage:
        others = [other for other in self._coco.cats if other != one["category_id"]]
        other = others[self._rng.integers(len(others))]
        self._left[one["id"]] = {**one, "category_id": other}
        return self._note(WRONG_CLASS, one, one["id"])

    def _cut(self, one: dict[str, Any]) -> Damage | None:
        mask = self._mask(one)
        cut = self._eroded(mask) if self._rng.random() < 0.5 else self._shifted(mask)
        if not cut.any():
            return None
        self._put(one, cut, one["id"])
        return self._note(CUT, one, one["id"])

    def _eroded(self, mask: Mask) -> Mask:
        cut = mask
        while cut.sum() > CUT_IOU * mask.sum():
            cut = binary_erosion(cut)
        return cut

    def _shifted(self, mask: Mask) -> Mask:
        angle = self._rng.uniform(0, 2 * np.pi)
        sides = [np.ptp(places) + 1 for places in np.nonzero(mask)] if mask.any() else [0, 0]
        for reach in np.arange(0.1, 1, 0.05):
            by = np.round(reach * np.array(sides) * [np.sin(angle), np.cos(angle)])
            cut: Mask = shift(mask.astype(np.uint8), by, order=0).astype(bool)
            if (cut & mask).sum() <= CUT_IOU * (cut | mask).sum():
                break
        return cut

    def _join_or_split(self, one: dict[str, Any]) -> Damage | None:
        near = [
            other
            for other in self._coco.imgToAnns[one["image_id"]]
            if other["category_id"] == one["category_id"]
            and other["id"] not in self._touched
            and not other.get("iscrowd", 0)
        ]
        if not near or self._rng.random() < 0.5:
            return self._split(one)
        other = min(near, key=lambda there: np.linalg.norm(_centre(there) - _centre(one)))
        self._touched.add(other["id"])
        del self._left[other["id"]]
        self._put(one, self._mask(one) | self._mask(other), one["id"])
        return self._note(MERGED, one, one["id"])

    def _split(self, one: dict[str, Any]) -> Damage | None:
        """Splits a mask in the middle, across the direction in which it is longest."""
        mask = self._mask(one)
        points = np.argwhere(mask)
        if len(points) < 8:
            return None
        away = points - points.mean(axis=0)
        along = away @ np.linalg.eigh(away.T @ away)[1][:, -1]
        half = np.zeros_like(mask)
        half[tuple(points[along > np.median(along)].T)] = True
        self._put(one, mask & ~half, one["id"])
        self._put(one, half, self._new)
        self._new += 1
        return self._note(SPLIT, one, one["id"], self._new - 1)


def _centre(one: dict[str, Any]) -> NDArray[np.float64]:
    x, y, width, height = one["bbox"]
    return np.array([x + width / 2, y + height / 2])


def judge(
    suspects: list[Suspect], damages: list[Damage], detections: Detections
) -> list[str | None]:
    """Returns how each suspect's annotation was damaged, None where it was not."""
    left: dict[Any, list[Damage]] = defaultdict(list)
    for damage in damages:
        left[damage.image_id].append(damage)
    found = []
    for suspect in suspects:
        named = [one for one in left[suspect.image_id] if _names(suspect, one, detections)]
        if named:
            left[suspect.image_id].remove(named[0])
        found.append(named[0].way if named else None)
    return found


def _names(suspect: Suspect, damage: Damage, detections: Detections) -> bool:
    if damage.annotations or not suspect.masks:
        return bool(set(damage.annotations) & set(suspect.annotations))
    assert detections.masks is not None
    masks = [detections.masks[one] for one in suspect.masks]
    return bool(mask_utils.iou(masks, [damage.mask], [0]).max() >= 0.5)


def all_scores(coco: COCO, detections: Detections) -> dict[str, Column]:
    """Returns the scores of the results, and one re-scored on folds where they have none."""
    scores = filled_scores(detections)
    if RESCORED_SCORE not in scores:
        protocol = coco_protocol(coco)
        overlaps = find_overlaps(coco, detections, protocol)
        targets = targets_of(overlaps, detections, protocol).tp_shares
        features = features_of(detections)
        images = image_numbers(detections.image_ids)
        scores[RESCORED_SCORE] = cross_fit(features.values, targets, images, features.base).scores
    return scores


def main() -> None:
    """Prints a table of precisions by score, and of what is found in which way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--score-thr", type=float, default=0.3)
    args = parser.parse_args()
    coco = load_annotations(args.annotations)
    detections = load_results(args.results, coco)

    made: list[int] = []
    in_way: Counter[str] = Counter()
    precisions: dict[str, list[list[float]]] = defaultdict(list)
    found: dict[str, Counter[str | None]] = defaultdict(Counter)
    for seed in progress(range(args.seeds), "seeds"):
        damaged, damages = Damager(coco, seed).damage(args.share)
        made.append(len(damages))
        in_way.update(damage.way for damage in damages)
        for name, scores in all_scores(damaged, detections).items():
            calibrated = calibrated_scores(damaged, detections, scores)
            suspects = find_suspects(damaged, detections, calibrated, scores >= args.score_thr)
            ways = judge(suspects[: FIRST[-1]], damages, detections)
            right = np.array([way is not None for way in ways])
            precisions[name].append([right[:first].sum() / first for first in FIRST])
            found[name].update(ways)
    number = np.mean(made)
    print(f"{len(coco.anns)} annotations, {number:.1f} damaged on average of {args.seeds} seeds")
    header = ["score", *(f"right of the first {first}" for first in FIRST)]
    header += [f"{way} found" for way in in_way]
    rows = [
        [
            "all that can be",
            *(f"{min(1, number / first):.1%}" for first in FIRST),
            *["" for _ in in_way],
        ]
    ]
    for name, values in precisions.items():
        shares = [f"{found[name][way] / in_way[way]:.0%}" for way in in_way]
        rows.append([words(name), *(f"{one:.1%}" for one in np.mean(values, axis=0)), *shares])
    print(text_table(header, rows))


if __name__ == "__main__":
    main()
