"""Masks that are left in a file while a test is measured."""

from pathlib import Path

import numpy as np
import torch
from pycocotools import mask as mask_utils

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.file_rles import FileRles
from msrcnn_mm.engine.adapters.predictions import to_arrays, to_detections
from msrcnn_mm.engine.journaled_test.masks import MaskFile


def samples() -> list[dict]:
    """Returns three images' predictions, the second without any."""
    rng = np.random.default_rng(0)
    found = []
    for number, size in ((2, (9, 7)), (0, (5, 5)), (3, (4, 11))):
        masks = rng.random((number, *size)) < 0.5
        rles = [mask_utils.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]
        found.append(
            dict(
                pred_instances=dict(
                    bboxes=torch.ones(number, 4),
                    labels=torch.zeros(number, dtype=torch.long),
                    scores=torch.ones(number),
                    masks=[{**rle, "counts": rle["counts"].decode()} for rle in rles],
                )
            )
        )
    return found


def detections(of: list[dict]) -> list[Detections]:
    arrays = [to_arrays(sample["pred_instances"]) for sample in of]
    return [to_detections(own, i, [7]) for i, own in enumerate(arrays)]


def test_detections_of_all_images_leave_their_masks_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "masks.json"
    kept = [*MaskFile(path, samples()).within(samples())]
    assert not path.exists()
    whole = Detections.concatenate(detections(kept))
    assert isinstance(whole.masks, FileRles)
    assert whole.masks == Detections.concatenate(detections(samples())).masks
    assert whole.take([4, 0]).masks == [whole.masks[4], whole.masks[0]]


def test_masks_of_two_files_are_joined_in_memory(tmp_path: Path) -> None:
    parts = [
        part
        for name in ("a.json", "b.json")
        for part in detections([*MaskFile(tmp_path / name, samples()).within(samples())])
    ]
    expected = Detections.concatenate(detections(samples())).masks
    assert list(Detections.concatenate(parts).masks or ()) == [*(expected or ())] * 2


def test_predictions_without_masks_stay_as_they_are(tmp_path: Path) -> None:
    given = samples()
    for sample in given:
        del sample["pred_instances"]["masks"]
    kept = [*MaskFile(tmp_path / "masks.json", given).within(given)]
    assert Detections.concatenate(detections(kept)).masks is None
