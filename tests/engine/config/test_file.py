"""Loading of configs; options that would change nothing are refused with the right setting."""

from pathlib import Path

import pytest
from mmengine.config import Config

from msrcnn_mm.engine.config.file import is_first_process, load_config
from msrcnn_mm.errors import UserError
from tests.support.tiny import CONFIGS

OWN_DATA = CONFIGS / "own_data" / "ms-rcnn_r50_fpn_own-data.py"
NUCLEI = CONFIGS / "nuclei" / "ms-rcnn_r18_fpn_nuclei.py"


def refusal(config: Path, options: dict) -> str:
    with pytest.raises(UserError) as caught:
        load_config(str(config), options, None, "none")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("config", "option", "instead"),
    [
        (NUCLEI, {"max_epochs": 1}, "set train_cfg.max_epochs"),
        (NUCLEI, {"width": 64}, "edit the file"),
        (
            OWN_DATA,
            {"data_root": "/elsewhere/"},
            "set train_dataloader.dataset.data_root, val_data",
        ),
        (OWN_DATA, {"data_root": "/elsewhere/"}, "or set the environment variable DATA_ROOT or"),
        (OWN_DATA, {"classes": ["a", "b"]}, "set train_dataloader.dataset.metainfo.classes, "),
        (OWN_DATA, {"metainfo.classes": ["a"]}, "set train_dataloader.dataset.metainfo, "),
        (OWN_DATA, {"train_images": "x/"}, "set train_dataloader.dataset.data_prefix.img"),
    ],
)
def test_a_variable_of_the_config_file_is_no_setting(
    config: Path, option: dict, instead: str
) -> None:
    message = refusal(config, option)
    (key,) = option
    assert message.startswith(f"--cfg-options {key}: {key.split('.')[0]} is a variable of the")
    assert instead in message


def test_what_a_variable_is_to_be_replaced_by_does_change(tmp_path: Path) -> None:
    options = {"train_cfg.max_epochs": 1, "train_dataloader.dataset.data_root": "/elsewhere/"}
    config = load_config(str(NUCLEI), options, None, "none")
    assert config.train_cfg.max_epochs == 1
    assert config.train_dataloader.dataset.data_root == "/elsewhere/"


@pytest.mark.parametrize(
    "key",
    [
        "model.test_cfg.rcnn.score_thr",
        "optim_wrapper.optimizer.lr",
        "param_scheduler.1.gamma",
        "default_hooks.checkpoint.interval",
        "env_cfg.cudnn_benchmark",
        "auto_scale_lr.base_batch_size",
        "randomness.seed",
        "load_from",
        "work_dir",
        "default_scope",
        "find_unused_parameters",
        "custom_hooks",
        "log_processor.window_size",
        "visualizer.name",
    ],
)
def test_whatever_is_read_may_be_set_be_it_in_the_config_or_not(key: str) -> None:
    config = load_config(str(NUCLEI), {key: 3}, None, "none")
    value = config
    for part in key.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    assert value == 3


def test_a_first_key_that_is_not_there_at_all() -> None:
    assert "the config has no train_dataloder; did you mean train_dataloader?" in refusal(
        NUCLEI, {"train_dataloder.batch_size": 4}
    )
    assert "the config has no log_level_; did you mean log_level?" in refusal(
        NUCLEI, {"log_level_": "INFO"}
    )


def test_another_runner_reads_its_own_arguments(tmp_path: Path) -> None:
    config = tmp_path / "flexible.py"
    config.write_text("model = dict(type='X')\nrunner_type = 'FlexibleRunner'\n")
    options = {"strategy.type": "SingleDeviceStrategy"}
    loaded = load_config(str(config), options, None, "none")
    assert loaded.strategy.type == "SingleDeviceStrategy"
    assert "the config has no strategy" in refusal(NUCLEI, options)


def test_a_setting_further_inside_is_named() -> None:
    assert "no batch_size; did you mean train_dataloader.batch_size or" in refusal(
        NUCLEI, {"batch_size": 4}
    )


def test_a_base_that_is_not_there(tmp_path: Path) -> None:
    moved = tmp_path / "moved.py"
    moved.write_text("_base_ = '../ms_rcnn/nothing.py'\n")
    message = refusal(moved, {})
    assert "ms_rcnn/nothing.py; _base_ is relative to the folder of the file" in message


@pytest.mark.parametrize(
    ("launcher", "first"), [("pytorch", False), ("slurm", True), ("none", True)]
)
def test_the_launcher_says_which_process_is_the_first(
    launcher: str, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several runs of one process each may be started together, by slurm for example."""
    monkeypatch.setenv("RANK", "1")
    assert is_first_process(Config(dict(launcher=launcher))) == first


def test_a_batch_script_of_slurm_is_not_the_first_of_several_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has the variables of a process of ``srun``, and the others would be waited for."""
    name = str(CONFIGS / "ms_rcnn" / "ms-rcnn_r50_fpn_1x_coco.py")
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.delenv("SLURM_STEP_ID", raising=False)
    with pytest.raises(UserError, match="not started by it; write srun python tools/"):
        load_config(name, None, None, "slurm")
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    load_config(name, None, None, "slurm")


def test_an_ablation_of_a_config_without_a_scorer(monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(CONFIGS / "ablation" / "ms-rcnn_r18_fpn_18e_coco_input-high-res.py")
    monkeypatch.setenv("ABLATION_OF", "../mask_rcnn/mask-rcnn_r18_fpn_18e_coco.py")
    with pytest.raises(UserError, match="is no Mask Scoring R-CNN: let ABLATION_OF name one"):
        load_config(name, None, None, "none")
