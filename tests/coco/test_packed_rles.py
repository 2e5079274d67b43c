"""Tests that packed RLEs are a sequence like the list of them."""

import pickle
from dataclasses import replace

import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.packed_rles import PackedRles
from tests.support.coco_scenes import encode, random_scene
from tests.support.rescoring_scenes import random_masks

RLES = [encode(mask) for mask in random_masks(3, 1200)]  # more than are objects at once
PACKED = PackedRles.of(RLES)


def test_items_are_those_of_the_list() -> None:
    assert PACKED == RLES
    assert pickle.loads(pickle.dumps(PACKED)) == RLES
    assert [PACKED[0], PACKED[-1], PACKED[1199]] == [RLES[0], RLES[-1], RLES[-1]]
    for some in (slice(3, 7), slice(-2, None), slice(1190, 2000), slice(5, 1, -2), slice(0, 0)):
        assert PACKED[some] == RLES[some]
    with pytest.raises(IndexError):
        PACKED[1200]
    assert RLES[:-1] != PACKED
    assert not PackedRles.pack([], [])


def test_counts_in_bytes_as_pycocotools_gives_them() -> None:
    given = [{**rle, "counts": rle["counts"].encode()} for rle in RLES]
    assert PackedRles.of(given) == RLES


def test_packed_parts_are_joined() -> None:
    parts = [PackedRles.of(some) for some in (RLES[:700], [], RLES[700:])]
    assert PackedRles.join(parts) == RLES


def test_detections_with_packed_and_listed_masks_are_joined() -> None:
    _, rows = random_scene(3)
    listed = Detections.from_rows(rows)
    masks = [row["segmentation"] for row in rows]
    packed = replace(listed, masks=PackedRles.of(masks))
    assert isinstance(Detections.concatenate([packed, packed]).masks, PackedRles)
    assert Detections.concatenate([packed, packed]).masks == masks * 2
    assert Detections.concatenate([packed, listed]).masks == masks * 2
    assert packed.take([2, 0]).masks == [masks[2], masks[0]]
