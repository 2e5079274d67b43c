"""Damaged files of every kind end in a UserError or are read in full, and never in a hang.

``HYPOTHESIS_EXAMPLES=100000`` searches for longer than the suite does.
"""

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.coco.rle import measure
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.methods import METHODS
from msrcnn_mm.rescoring.rescorer import read_rescorer
from tests.fuzz import readers
from tests.fuzz.readers import ANNOTATIONS, COCO, ROWS, read_or_refuse
from tests.support.damaged_files import damaged_files

SECONDS = 60  # for a file of a few kB on a busy machine; a hang takes longer

search = settings(
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", 60)),
    deadline=SECONDS * 1000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)


@search
@given(damaged_files(ROWS))
def test_results(tmp_path: Path, raw: bytes) -> None:
    read_or_refuse(readers.results, tmp_path / "results.json", raw)


@search
@given(damaged_files(ANNOTATIONS))
def test_annotations(tmp_path: Path, raw: bytes) -> None:
    read_or_refuse(readers.annotations, tmp_path / "annotations.json", raw)


@pytest.mark.parametrize("method", METHODS)
def test_rescorers(tmp_path: Path, method: str) -> None:
    @search
    @given(damaged_files(readers.fitted(method)))
    def read(raw: bytes) -> None:
        read_or_refuse(readers.rescorer, tmp_path / "rescorer.json", raw)

    read()


@search
@given(
    st.lists(st.text() | st.text("0PQRo123_`") | st.lists(st.integers()), max_size=5),
    st.integers(0, 10**18),
)
def test_run_lengths(counts: list[Any], pixels: int) -> None:
    areas, _ = measure(counts, [pixels] * len(counts))
    assert ((areas >= -1) & (areas <= pixels)).all()


DEEP = 100_000  # brackets
SIZE = {"size": [10**9, 10**9]}


@pytest.mark.parametrize("read", [load_results, load_annotations, read_rescorer])
@pytest.mark.parametrize(
    "text", ["[" * DEEP, "[" * DEEP + "]" * DEEP, '{"a":' * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP]
)
def test_deep_nesting(tmp_path: Path, read: Callable[[Path], Any], text: str) -> None:
    (tmp_path / "deep.json").write_text(text)
    with pytest.raises(UserError, match=r"nests brackets too deeply|is not valid JSON"):
        read(tmp_path / "deep.json")


@pytest.mark.parametrize(
    "change",
    [
        {"segmentation": {**SIZE, "counts": [10**18]}},
        {"segmentation": {**SIZE, "counts": "0"}},
        {"segmentation": {**SIZE, "counts": "oooooo0"}},
        {"segmentation": {"size": [10**9, 10**300], "counts": [0]}},
        {"score": 10**400},
        {"bbox": [0, 0, 10**400, 1]},
        {"image_id": 10**400},
        {"category_id": -(10**400)},
    ],
    ids=str,
)
@pytest.mark.parametrize("known", [False, True])
def test_sizes_and_numbers_that_no_memory_holds(
    tmp_path: Path, change: dict[str, Any], known: bool
) -> None:
    path = tmp_path / "huge.json"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path.write_text(json.dumps([{**ROWS[0], **change}]))
    if known or not change.keys() & {"image_id", "category_id"}:
        with pytest.raises(UserError, match="detection 0 "):
            load_results(path, COCO if known else None)
    entry = {**ANNOTATIONS["annotations"][0], **change}
    path.write_text(json.dumps({**ANNOTATIONS, "annotations": [entry]}))
    if "score" not in change:
        with pytest.raises(UserError):
            load_annotations(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_results_of_an_image_of_more_pixels_than_memory_are_measured_not_decoded(
    tmp_path: Path,
) -> None:
    """The runs of such a mask are complete: it is all background and covers nothing."""
    side = 60_000
    rle = {"size": [side, side], "counts": [side * side]}
    (tmp_path / "large.json").write_text(json.dumps([{**ROWS[0], "segmentation": rle}]))
    detections = load_results(tmp_path / "large.json")
    assert detections.masks is not None
    assert detections.masks[0]["size"] == [side, side]
