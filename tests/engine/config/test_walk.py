"""Traversal of configs: parts, classes, data sets and files."""

from pathlib import Path

from mmdet.datasets import CityscapesDataset
from mmdet.registry import DATASETS
from mmengine.config import Config

from msrcnn_mm.engine.config.walk import annotation_files, class_of, leaf_datasets, parts


def dataset(name: str) -> dict:
    return dict(type="X", data_root="data/", ann_file=f"{name}.json")


NESTED = dict(
    type="RepeatDataset", dataset=dict(type="ConcatDataset", datasets=[dataset("a"), dataset("b")])
)


def test_leaves_are_what_reads_files() -> None:
    assert [where for where, _ in leaf_datasets(NESTED, "d")] == [
        "d.dataset.datasets[0]",
        "d.dataset.datasets[1]",
    ]


def test_parts_say_where_they_stand() -> None:
    assert [where for where, _ in parts(NESTED, "d")] == [
        "d",
        "d.dataset",
        "d.dataset.datasets[0]",
        "d.dataset.datasets[1]",
    ]
    assert list(parts("text", "d")) == []


def test_annotation_files_of_all_data_sets_and_evaluators() -> None:
    config = Config(
        dict(
            train_dataloader=dict(dataset=NESTED),
            val_dataloader=None,
            val_evaluator=[dict(type="M"), dict(type="M", ann_file="v.json")],
            test_dataloader=dict(
                dataset=dict(type="X", ann_file="/c.json", data_root="d", proposal_file="p.pkl")
            ),
        )
    )
    names = ["data/a.json", "data/b.json", "v.json", "/c.json", "d/p.pkl"]
    assert annotation_files(config) == [Path(name) for name in names]


def test_what_names_no_file_is_passed_over() -> None:
    assert annotation_files(Config({})) == []
    strange = dict(dataset=[dict(ann_file=["a.json"]), dict(ann_file=""), 3])
    assert annotation_files(Config(dict(train_dataloader=strange))) == []


def test_a_class_by_its_name_or_itself() -> None:
    assert class_of(dict(type="CityscapesDataset"), DATASETS) is CityscapesDataset
    assert class_of(dict(type=CityscapesDataset), DATASETS) is CityscapesDataset
    assert class_of("mmdet.CityscapesDataset", DATASETS) is CityscapesDataset
    for unknown in ("Nobody", None, dict()):
        assert class_of(unknown, DATASETS) is None
