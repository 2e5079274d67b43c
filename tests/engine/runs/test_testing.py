"""Changes of a config by the options of a test."""

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from msrcnn_mm.engine.runs.testing import add_dump
from msrcnn_mm.errors import UserError

DATASET = dict(type="CocoDataset", data_root="data/", ann_file="test.json")


@pytest.mark.parametrize(
    ("evaluator", "dataset", "ann_file"),
    [
        (dict(type="CocoMetric", ann_file="own.json"), DATASET, "own.json"),
        ([dict(type="DumpDetResults"), dict(ann_file="own.json")], DATASET, "own.json"),
        (dict(type="DumpDetResults"), DATASET, "data/test.json"),
        (dict(type="CocoMetric", ann_file=None), DATASET, "data/test.json"),
        ([], dict(type="RepeatDataset", dataset=DATASET), "data/test.json"),
        (None, dict(DATASET, data_root=None), "test.json"),
    ],
)
def test_a_results_file_takes_category_ids_from_the_tests_annotations(
    evaluator: Any, dataset: dict, ann_file: str
) -> None:
    config = Config(dict(test_evaluator=evaluator, test_dataloader=dict(dataset=dataset)))
    add_dump(config, Path("out.json"))
    assert config.test_evaluator[-1].type == "DumpCocoResults"
    assert config.test_evaluator[-1].ann_file == ann_file
    assert all(metric is not None for metric in config.test_evaluator)


def test_without_annotations_it_is_one_line() -> None:
    several = dict(type="ConcatDataset", datasets=[DATASET, DATASET])
    config = Config(dict(test_evaluator=[], test_dataloader=dict(dataset=several)))
    with pytest.raises(UserError, match=r"--out out\.json: neither .* has an ann_file"):
        add_dump(config, Path("out.json"))


@pytest.mark.parametrize(
    "config",
    [
        {},
        dict(test_evaluator=None),
        dict(test_evaluator=[], test_dataloader=None),
        dict(test_evaluator=[], test_dataloader=[dict()]),
        dict(test_evaluator=[], test_dataloader=dict(dataset=[dict(ann_file="a.json")])),
        dict(test_evaluator=[], test_dataloader=dict(dataset=dict(ann_file=["a.json"]))),
    ],
)
def test_a_config_without_one_annotation_file_is_one_line(config: dict) -> None:
    with pytest.raises(UserError, match="has an ann_file"):
        add_dump(Config(config), Path("out.json"))
