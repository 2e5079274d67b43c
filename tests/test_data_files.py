"""What a config's data sets read, whichever the run."""

from pathlib import Path

from mmengine.config import Config

from msrcnn_mm.data_files import annotation_files, image_folders


def dataset(name: str) -> dict:
    return dict(
        data_root="data/", ann_file=f"{name}.json", data_prefix=dict(img=f"{name}/"), type="X"
    )


CONFIG = Config(
    dict(
        train_dataloader=dict(
            dataset=dict(
                type="RepeatDataset",
                dataset=dict(type="ConcatDataset", datasets=[dataset("a"), dataset("b")]),
            )
        ),
        val_dataloader=None,
        test_dataloader=dict(dataset=dict(type="X", ann_file="/c.json", data_root="data/")),
    )
)


def test_files_and_folders_of_all_data_sets() -> None:
    assert annotation_files(CONFIG) == [Path("data/a.json"), Path("data/b.json"), Path("/c.json")]
    assert image_folders(CONFIG) == [Path("data/a"), Path("data/b")]


def test_a_config_without_data() -> None:
    assert annotation_files(Config({})) == image_folders(Config({})) == []
