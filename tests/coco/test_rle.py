"""Tests of which encodings are complete, against pycocotools and plain decoding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pycocotools.mask as coco_masks
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrcnn_mm.coco import rle
from msrcnn_mm.coco.rle import Counts, damage, measure
from msrcnn_mm.coco.runs import encode_runs, without_empty_runs


def are_complete(counts: Sequence[Counts], pixels: Sequence[int]) -> np.ndarray:
    return measure(counts, pixels)[0] >= 0


def is_complete(counts: Counts, height: int, width: int) -> bool:
    return bool(are_complete([counts], [height * width])[0])


def encode(rng: np.random.Generator) -> tuple[str, int]:
    height, width = rng.integers(1, 60, 2)
    mask = np.asfortranarray(rng.random((height, width)) < rng.choice([0, 0.01, 0.5, 0.99, 1]))
    return coco_masks.encode(mask.astype(np.uint8))["counts"].decode(), int(height * width)


def decode(text: str) -> list[int] | None:
    """Returns the runs, decoded by the definition; None where a run does not end."""
    runs: list[int] = []
    position = 0
    while position < len(text):
        value, shift, more = 0, 0, True
        while more:
            if position == len(text):
                return None
            code = ord(text[position]) - 48
            if not 0 <= code < 64:
                return None
            value |= (code & 31) << shift
            more = bool(code & 32)
            shift += 5
            position += 1
            if not more and code & 16:
                value -= 1 << shift
        if shift > 35:
            return None
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def is_sound(text: str, pixels: int) -> bool:
    runs = decode(text)
    return bool(runs) and min(runs) >= 0 and sum(runs) == pixels


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_encodings_of_pycocotools_are_complete(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rle, "_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    counts, pixels = zip(*[encode(rng) for _ in range(200)], strict=True)
    assert are_complete(counts, pixels).all()
    wrong = rng.random(200) < 0.3
    assert are_complete(counts, np.array(pixels) + wrong).tolist() == (~wrong).tolist()


ALPHABET = "".join(chr(48 + code) for code in range(64)) + "/p~\u00e4\ud800"


@st.composite
def encodings(draw: st.DrawFn) -> tuple[str, int]:
    """Returns pycocotools' encoding, often with characters lost or changed, or any text."""
    if draw(st.booleans()):
        return draw(st.text(ALPHABET, max_size=12)), draw(st.integers(0, 50))
    text, pixels = encode(np.random.default_rng(draw(st.integers(0, 1000))))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(text) - 1))
        text = text[:place] + draw(st.text(ALPHABET, max_size=2)) + text[place + 1 :]
    return text, pixels


@settings(max_examples=300, deadline=None)
@given(st.lists(encodings(), max_size=8))
def test_encodings_are_checked_independently(some: list[tuple[str, int]]) -> None:
    texts, pixels = [text for text, _ in some], [size for _, size in some]
    assert are_complete(texts, pixels).tolist() == [is_sound(*one) for one in some]


@pytest.mark.parametrize(
    "counts", [[], ["5", "6"], [5, "6"], [[5], 6], [5.0, 6], [12, -1], [True, 10], [10**30]]
)
def test_lists_that_are_not_runs(counts: Any) -> None:
    assert not is_complete(counts, 11, 1)


def test_a_negative_run_is_refused() -> None:
    """5 + 14 - 8 is 11 too; a run has five bits, of which the highest is the sign."""
    assert decode("5>H") == [5, 14, -8]
    assert not is_complete("5>H", 11, 1)
    assert is_complete("5>", 19, 1)


@pytest.mark.parametrize("place", range(6))
def test_a_negative_run_among_others_is_refused(place: int) -> None:
    """Background, foreground and their sum are those of a mask."""
    runs = np.full(6, 40)
    runs[place] = -8
    bounds = np.array([0, 6, 12])
    texts = encode_runs(np.concatenate((runs, np.full(6, 32))), bounds)
    assert are_complete(texts, [192, 192]).tolist() == [False, True]


def test_a_run_of_more_than_32_bits_is_refused() -> None:
    """The encoding is 11 with zeros behind it."""
    assert is_complete("[" + "P" * 5 + "0", 11, 1)
    assert not is_complete("[" + "P" * 6 + "0", 11, 1)


@pytest.mark.parametrize(("counts", "pixels"), [("~0", 14), ("/0", 31)])
def test_a_character_outside_the_format_is_refused(counts: str, pixels: int) -> None:
    """The lower bits of the encoding alone would be a run of these pixels."""
    assert not is_complete(counts, pixels, 1)


def test_lists_of_runs() -> None:
    assert are_complete([[0, 5, 6], [5, 6], [5, 7]], [11, 11, 11]).tolist() == [True, True, False]


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=9), min_size=1, max_size=9))
def test_empty_runs_are_found_and_joined(lists: list[list[int]]) -> None:
    """Against plain loops; compressed and as lists."""
    pixels = [sum(runs) for runs in lists]
    texts = [encode_runs(np.array(runs), np.array([0, len(runs)]))[0] for runs in lists]
    for counts in (lists, texts):
        areas, has_empty_run = measure(counts, pixels)
        assert areas.tolist() == [sum(runs[1::2]) for runs in lists]
        assert has_empty_run.tolist() == [0 in runs[1:] for runs in lists]
        joined = [without_empty_runs(one) for one in counts]
        found = [decode(text) for text in joined]
        for runs, of_joined in zip(lists, found, strict=True):
            assert of_joined is not None
            assert 0 not in of_joined[1:]
            assert spread(of_joined) == spread(runs)
        assert not measure(joined, pixels)[1].any()


def spread(runs: list[int]) -> list[int]:
    """Returns the pixels of runs: 1 of foreground, 0 of background."""
    return [place & 1 for place, run in enumerate(runs) for _ in range(run)]


@pytest.mark.parametrize("further", [0, 1])
def test_differences_that_pycocotools_misreads_are_refused(further: int) -> None:
    """It reads 2^29 fewer pixels than two runs before, and takes one pixel more for another."""
    runs = [5, 2**29 + 9 + further, 6, 9, 1]
    size = [1, sum(runs)]
    for counts in (runs, encode_runs(np.array(runs), np.array([0, len(runs)]))[0]):
        encoded = coco_masks.frPyObjects({"size": size, "counts": runs}, *size)
        right = coco_masks.area(encoded) == sum(runs[1::2])
        assert right is np.bool_(not further)
        assert is_complete(counts, *size) is not bool(further)
    assert ("differ by more than 2^29" in damage(*size)) and "differ" not in damage(9, 9)


def test_empty_runs_of_a_mask_too_large_to_join_them_are_refused() -> None:
    runs = [0, 2**28, 1, 0, 1, 2**28, 0, 9]
    assert not is_complete(runs, 1, sum(runs))
