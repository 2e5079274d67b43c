"""A config of a narrow Mask Scoring R-CNN on a small data set."""

from pathlib import Path

from tests.support.coco_files import SIDE
from tests.support.tiny import read, tiny_config

CLASSES = ("disk", "box", "star")


def small_config(root: Path) -> Path:
    """Writes a narrow Mask Scoring R-CNN on the own-data config, for two epochs of one step."""
    config = tiny_config()
    own = read("own_data/ms-rcnn_r50_fpn_own-data.py")
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        config[name] = own[name]
        loader = config[name]  # which is a copy
        loader.update(num_workers=0, persistent_workers=False, batch_size=2)
        loader.dataset.update(data_root=f"{root}/", metainfo=dict(classes=CLASSES))
        for step in loader.dataset.pipeline:
            if step["type"] == "Resize":
                step["scale"] = (SIDE, SIDE)
    for name in ("val_evaluator", "test_evaluator"):
        config[name] = own[name]
        config[name].ann_file = f"{root}/val.json"
    config.train_cfg.max_epochs = 2
    config.default_hooks.logger.interval = 1
    path = root / "tiny.py"
    config.dump(path)
    return path
