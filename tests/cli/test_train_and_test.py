"""The commands train and test, from a data set on disk to results on disk, and their errors."""

import json
import pickle
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmengine.config import Config
from mmengine.runner import Runner

from msrcnn_mm.cli import train
from msrcnn_mm.engine.checkpoints.place import CheckpointPlace
from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.engine.hooks.run_checks import RunChecksHook
from msrcnn_mm.engine.hooks.termination import Terminated
from msrcnn_mm.engine.runs import testing
from msrcnn_mm.errors import UserError
from tests.support.checkpoints.pickles import load
from tests.support.coco_files import write_data_set
from tests.support.processes import ROOT, run_python
from tests.support.small_runs import CLASSES, small_config
from tests.support.tiny import CONFIGS

HOOKS = {
    "run_checks": "RunChecksHook",
    "checkpoint_fit": "CheckpointFitHook",
    "resume": "ResumeHook",
    "exact_resume": "ExactResumeHook",
    "late_removal": "LateRemovalHook",
    "termination": "TerminationHook",
    "finite_loss": "FiniteLossHook",
    "overwrite_guard": "OverwriteGuardHook",
    "multi_view": "MultiViewHook",
    "rescorer": "RescorerHook",
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_config(write_data_set(tmp_path_factory.mktemp("own") / "data", CLASSES))


@pytest.fixture(scope="module")
def work_dir(config: Path) -> Path:
    """Trains one epoch, and the second after resuming."""
    folder = config.parent / "work"
    call("train.py", config, "--work-dir", folder, "--cfg-options", "train_cfg.max_epochs=1")
    assert not (folder / "epoch_2.pth").exists()
    call("train.py", config, "--work-dir", folder, "--resume", "--amp")
    return folder


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def call(tool: str, *args: object) -> None:
    """Calls a tool in this process, which saves the seconds of another import."""
    words = [tool, *map(str, args)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        patch.setenv("LOCAL_RANK", "0")
        import_module(f"msrcnn_mm.cli.{tool[:-3]}").main()


def refusal(*args: Any) -> str:
    with pytest.raises(UserError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_training_writes_checkpoints_and_resumes_from_them(work_dir: Path) -> None:
    assert (work_dir / "epoch_1.pth").is_file()
    last = load(work_dir / "epoch_2.pth")
    assert last["meta"]["epoch"] == 2
    losses = last["message_hub"]["log_scalars"]["train/loss"].data[0]
    assert len(losses) == 2  # one of each run
    logs = [path.read_text() for path in sorted(work_dir.glob("*/*.log"))]
    assert len(logs) == 2
    assert "resumed epoch: 1, iter: 1" in logs[1]


def test_a_test_measures_writes_and_draws(config: Path, work_dir: Path, tmp_path: Path) -> None:
    checkpoint = work_dir / "epoch_2.pth"
    writes = ("--out", "new/results.json", "--show-dir", "shown")
    call("test.py", config, checkpoint, "--work-dir", "run", "--eval", "segm", *writes)
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert "coco/segm_mAP" in log.read_text()
    assert "coco/bbox_mAP" not in log.read_text()
    detections = json.loads((tmp_path / "new" / "results.json").read_text())
    assert {d["image_id"] for d in detections} == {1, 2}
    assert all(d["mask_score"] == pytest.approx(d["score"] * d["mask_iou"]) for d in detections)
    assert {p.name for p in (tmp_path / "shown").iterdir()} == {"1.png", "2.png"}
    # a test by the config that is kept would write over these
    kept = (tmp_path / "run" / config.name).read_text()
    assert "segm" in kept and not any(word in kept for word in ("results.json", "shown", "Journal"))


def test_predictions_as_mmdetection_keeps_them(
    config: Path, work_dir: Path, tmp_path: Path
) -> None:
    call("test.py", config, work_dir / "epoch_2.pth", "--out", "results.pkl", "--eval", "bbox")
    results = pickle.loads((tmp_path / "results.pkl").read_bytes())
    assert len(results) == 2
    assert {"scores", "mask_ious", "mask_scores"} <= set(results[0]["pred_instances"])
    assert (tmp_path / "work_dirs" / "tiny").is_dir()  # the default, by the config's name


def test_a_checkpoint_of_mmdetection_2_is_tested_as_it_is(
    config: Path, work_dir: Path, tmp_path: Path
) -> None:
    """Its weights have the same names; the other entries are mmcv's."""
    weights = torch.load(work_dir / "epoch_2.pth", weights_only=True)["state_dict"]
    meta = dict(
        env_info="sys.platform: linux",
        config="raise SystemExit",
        seed=None,
        exp_name="tiny.py",
        epoch=12,
        iter=87960,
        time="Sat Oct 17 06:00:00 2020",
        mmdet_version="2.25.0+ca11860",
        CLASSES=CLASSES,
        PALETTE=None,
        hook_msgs={},
    )
    momentum = dict(state={0: dict(momentum_buffer=torch.ones(2))}, param_groups=[dict(lr=0.0002)])
    old = tmp_path / "mmdet2.pth"
    torch.save(dict(meta=meta, state_dict=weights, optimizer=momentum), old)
    call("test.py", config, old, "--out", "old.json", "--eval", "segm")
    call("test.py", config, work_dir / "epoch_2.pth", "--out", "new.json", "--eval", "segm")
    assert (tmp_path / "old.json").read_bytes() == (tmp_path / "new.json").read_bytes()


def test_views_add_agreement_to_results_and_tables(
    config: Path, work_dir: Path, tmp_path: Path
) -> None:
    run = ("test.py", config, work_dir / "epoch_2.pth", "--work-dir", "run", "--eval", "segm")
    swap = ("--swap", f"{CLASSES[0]}={CLASSES[1]}")
    call(*run, "--out", "views.json", "--views", "flip", "0.5", *swap)
    rows = json.loads((tmp_path / "views.json").read_text())
    assert len(rows) > 0
    for row in rows:
        assert row["view_agreement"]["views"] == ["mirrored", "scaled"]
        assert 0 <= row["agreement_score"] <= row["score"] and 0 <= row["consensus"] <= 1
    log = max((tmp_path / "run").glob("*/*.log")).read_text()
    assert "| consensus " in log and "| agreement score " in log
    assert re.search(r"seconds an image: plain \S+, flip \S+, 0.5 \S+, agreement \S+\n", log)


def test_a_mask_rcnn_starts_a_training_and_is_no_mask_scoring_rcnn(
    config: Path, work_dir: Path, tmp_path: Path
) -> None:
    checkpoint = torch.load(work_dir / "epoch_2.pth", weights_only=True)
    checkpoint["state_dict"] = {
        name: value for name, value in checkpoint["state_dict"].items() if "mask_iou" not in name
    }
    plain = tmp_path / "mask-rcnn.pth"
    torch.save(checkpoint, plain)
    assert re.search(r"missing \(roi_head.mask_iou_head.*config", refusal("test.py", config, plain))
    message = refusal("train.py", config, "--resume", plain)
    assert f"load_from={plain}" in message
    options = (f"load_from={plain}", "train_cfg.max_epochs=1")
    call("train.py", config, "--work-dir", "finetuned", "--cfg-options", *options)
    assert (tmp_path / "finetuned" / "epoch_1.pth").is_file()


def test_a_mistake_is_one_line_and_status_2(config: Path) -> None:
    option = ("--cfg-options", "train_dataloder.batch_size=4")
    done = run_python(ROOT / "tools" / "train.py", config, *option)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: --cfg-options train_dataloder.batch_size: the config has no train_dataloder; "
        "did you mean train_dataloader?"
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nowhere.py"], "nowhere.py: no such config file"),
        (["mmdet::ms_rcnn/nowhere.py"], "no such config file"),
        (["nobody::a/b.py"], "no installed package 'nobody'"),
        (["CONFIG", "--resum"], "unrecognized arguments: --resum (see"),
        (["CONFIG", "--cfg-options", "x"], "write KEY=VALUE"),
        (["CONFIG", "--resume", "nowhere.pth"], "nowhere.pth: no such checkpoint file"),
        (["CONFIG", "--cfg-options", "load_from=a.pth"], "a.pth: no such checkpoint file"),
        (
            ["CONFIG", "--cfg-options", "train_cfg.max_epochs=0"],
            "train_cfg.max_epochs must be an integer >= 1",
        ),
        (
            ["CONFIG", "--cfg-options", "train_cfg.max_epochs=1.5"],
            "be an integer >= 1, not 1.5",
        ),
        (["CONFIG", "--cfg-options", "=1"], "write KEY=VALUE"),
        (["CONFIG", "--work-dir", "CONFIG"], "a file is in the way; name a folder"),
        (["CONFIG", "--launcher", "pytorch"], "--launcher pytorch: "),
        (["CONFIG", "--cfg-options", "model.roi_hed.x=1"], "unexpected keyword argument 'roi_hed'"),
        (["CONFIG", "--cfg-options", "model.type=Nobody"], "Nobody is not in the mmdet::model reg"),
        (
            ["CONFIG", "--cfg-options", "auto_scale_lr=None", "--auto-scale-lr"],
            "names no batch s",
        ),
        (["CONFIG", "--cfg-options", "optim_wrapper.type=Mine", "--amp"], "cannot replace the con"),
    ],
)
def test_what_a_training_refuses(config: Path, args: list[str], says: str) -> None:
    filled = [str(config) if arg == "CONFIG" else arg for arg in args]
    assert says in refusal("train.py", *filled)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "required: checkpoint"),
        (["nowhere.pth"], "nowhere.pth: no such checkpoint file"),
        (["CKPT", "--eval", "masks"], "invalid choice: 'masks' (choose from"),
        (["CKPT", "--out", "results.txt"], "must end in .pkl or .json"),
        (["CKPT", "--out", "CKPT/results.pkl"], "a file is in the way; name a folder"),
        (["CKPT", "--out", "folder.json"], "is a folder"),
        (["CKPT", "--calibration", "c.json", "--out", "c.json"], "--out c.json: is read as well"),
        (["CKPT", "--out", "ROOT/train.json"], "train.json: is read as well and would be lost"),
        (["CKPT", "--same-images"], "--same-images: there is no re-scorer"),
        (["CKPT", "--oracle", "--calibration", "c.json"], "test without a re-scorer"),
        (["CKPT", "--oracle", "--rescorer", "c.json"], "test without a re-scorer"),
        (["CKPT", "--rescorer", "c.json", "--calibration", "c.json"], "give one of them"),
        (["CKPT", "--rescorer", "c.json"], "c.json is not a re-scorer of this version"),
        (["CKPT", "--views", "flap"], "views: 'flap' must be 'flip' or a factor of the image's"),
        (["CKPT", "--views", "0.8", "0.80"], "views: 0.8 is given twice"),
        (["CKPT", "--swap", "disk=box"], "--swap: there is no mirrored view: add --views flip"),
        (["CKPT", "--views", "flip", "--swap", "disk"], "must be two class names, A=B, not 'disk'"),
        (["CKPT", "--views", "0.8", "--swap", "disk=box"], "add 'flip' to the views"),
        (["CKPT", "--show-dir", "CKPT"], "a file is in the way; name a folder"),
        (["CKPT", "--cfg-options", "test_evaluator.metric=mask"], "no metric ('mask')"),
    ],
)
def test_what_a_test_refuses(config: Path, tmp_path: Path, args: list[str], says: str) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "c.json").write_text("{}")
    checkpoint = tmp_path / "x.pth"
    checkpoint.touch()
    filled = [a.replace("CKPT", str(checkpoint)).replace("ROOT", str(config.parent)) for a in args]
    assert says in refusal("test.py", config, *filled)


def test_images_are_not_drawn_over(config: Path, work_dir: Path) -> None:
    images = config.parent / "val"
    before = [image.read_bytes() for image in sorted(images.iterdir())]
    said = refusal("test.py", config, work_dir / "epoch_1.pth", "--show-dir", images)
    assert re.search(
        rf"\(--show-dir\) {images}: \S+\.png is read from there and would be lost", said
    )
    assert [image.read_bytes() for image in sorted(images.iterdir())] == before


def test_stock_configs_get_the_hooks_that_they_lack(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Runner] = []
    monkeypatch.setattr(Runner, "train", lambda runner: ran.append(runner))
    stock, ours = Config.fromfile(config), Config.fromfile(config)
    for name, kind in HOOKS.items():
        stock.default_hooks.pop(name, None)
        ours.default_hooks[name] = dict(type=kind)
    for name, one in (("stock.py", stock), ("ours.py", ours)):
        one.dump(name)
        call("train.py", name)
    for runner in ran:
        kinds = [type(hook).__name__ for hook in runner.hooks]
        assert [kinds.count(kind) for kind in HOOKS.values()] == [1] * len(HOOKS)
        (checks,) = (hook for hook in runner.hooks if isinstance(hook, RunChecksHook))
        assert checks.checked == {"train", "val"}  # before the data sets were built


def test_an_image_that_cannot_be_decoded_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msrcnn_mm.engine.checks.images._LOADED", 0)  # as one of thousands
    config = small_config(write_data_set(tmp_path / "data", CLASSES))
    image = tmp_path / "data" / "train" / "1.png"
    image.write_bytes(image.read_bytes()[:2000])  # its header is whole
    workers = ("train_dataloader.num_workers=1",)
    message = refusal("train.py", config, "--cfg-options", *workers)
    assert f"the image {image} cannot be decoded" in message


def test_configs_of_mmdetection_by_name_and_options() -> None:
    options = {"model.roi_head.bbox_head.num_classes": 3}
    config = load_config("mmdet::ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py", options, None, "none")
    assert config.model.roi_head.bbox_head.num_classes == 3
    assert config.work_dir == "work_dirs/ms-rcnn_r50_fpn_1x_coco"


@pytest.mark.parametrize("name", ["ms-rcnn_r50_fpn", "yolact-plus_r50"])
def test_own_data_takes_its_classes_from_one_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is used as it is except for that line."""
    monkeypatch.setenv("DATA_ROOT", "elsewhere")
    source = (CONFIGS / "own_data" / f"{name}_own-data.py").read_text()
    edited, count = re.subn(r"classes = \(.cat.,\)", f"classes = {CLASSES}", source)
    assert count == 1
    mine = tmp_path / "mine.py"
    mine.write_text(edited.replace("../", f"{CONFIGS}/"))
    config = Config.fromfile(mine)
    heads = config.model.get("roi_head") or config.model
    scorer = heads.get("mask_iou_head") or heads.mask_head.mask_iou_head
    assert [head.num_classes for head in (heads.bbox_head, heads.mask_head, scorer)] == [3] * 3
    for split in ("train", "val", "test"):
        data = config[f"{split}_dataloader"].dataset
        assert tuple(data.metainfo.classes) == CLASSES
        assert data.data_root == "elsewhere"
    assert config.test_evaluator.ann_file == config.val_evaluator.ann_file == "elsewhere/val.json"


LAST = "epoch_3.pth"


def write_checkpoint(folder: Path, name: str) -> None:
    torch.save({}, folder / name)
    (folder / "last_checkpoint").write_text(str(folder / name))


@pytest.mark.parametrize(
    "words",
    [
        ["my config.py"],
        ["my config.py", "--resume"],
        ["my config.py", "--resume", LAST],
        [f"--resume={LAST}", "my config.py"],
        ["--resume", LAST, "my config.py"],
    ],
)
def test_stopping_says_how_to_resume_from_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    write_checkpoint(tmp_path, LAST)
    place = CheckpointPlace.of_config(Config(dict(work_dir=str(tmp_path))))
    older = place.newest()
    write_checkpoint(tmp_path, "epoch_8.pth")
    monkeypatch.setattr(sys, "argv", ["tools/train.py", *words, "--amp"])
    for resumed in (False, True):
        assert train.how_to_resume(place, older, resumed) == (
            "resume with: python tools/train.py 'my config.py' --amp --resume"
        )


def test_an_older_runs_checkpoint_is_not_resumed_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = CheckpointPlace.of_config(Config(dict(work_dir=str(tmp_path))))
    says = "before its first checkpoint, so the next training starts from the beginning"
    monkeypatch.setattr(sys, "argv", ["tools/train.py", "c.py"])
    assert train.how_to_resume(place, place.newest(), False) == says
    write_checkpoint(tmp_path, LAST)
    older = place.newest()
    assert train.how_to_resume(place, older, False) == says
    monkeypatch.setattr(sys, "argv", ["tools/train.py", "c.py", "--resume", "a.pth"])
    assert train.how_to_resume(place, older, True) == (
        "resume with: python tools/train.py c.py --resume a.pth"
    )
    (tmp_path / LAST).unlink()  # and it is no new one
    assert train.how_to_resume(place, older, False) == says
    write_checkpoint(tmp_path, LAST)  # written again, by the same name
    assert train.how_to_resume(place, older, True).endswith("train.py c.py --resume")


def test_only_the_checkpoint_that_resume_takes_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["tools/train.py", "c.py"])
    place = CheckpointPlace.of_config(Config(dict(work_dir=str(tmp_path))))
    write_checkpoint(tmp_path, LAST)
    older = place.newest()
    write_checkpoint(tmp_path, "epoch_4.pth")
    (tmp_path / "epoch_4.pth").write_bytes(b"PK, and the training was stopped")
    assert train.how_to_resume(place, older, False).startswith("before its first checkpoint")
    write_checkpoint(tmp_path, "epoch_4.pth")
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    place = CheckpointPlace.of_config(Config(dict(work_dir=str(moved))))
    assert train.how_to_resume(place, older, False).endswith("train.py c.py --resume")


def test_a_training_stopped_before_its_first_checkpoint_says_so(
    config: Path, work_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    stops = iter([KeyboardInterrupt(), Terminated()])

    def interrupted(runner: Runner) -> None:
        raise next(stops)

    monkeypatch.setattr(Runner, "train", interrupted)
    for args, says, code in (
        ([], "stopped: before its first checkpoint", 130),
        (["--resume"], "stopped: resume with: python train.py", 143),
    ):
        with pytest.raises(SystemExit) as ended:
            call("train.py", config, "--work-dir", work_dir, *args)
        assert ended.value.code == code
        assert says in capsys.readouterr().err


def test_what_is_measured_is_chosen_for_cocos_metrics_alone() -> None:
    others = [dict(type="VOCMetric", metric="mAP"), dict(type="DumpDetResults")]
    by_default = [dict(type="MaskScoreMetric", ann_file="a.json"), dict(type=CocoMetric)]
    config = Config(dict(test_evaluator=[*by_default, *others]))
    testing.set_metrics(config, ["segm", "segm"])
    assert [e.get("metric") for e in config.test_evaluator] == [["segm"], ["segm"], "mAP", None]
    for nothing in (dict(test_evaluator=others), dict(test_evaluator=None), dict()):
        with pytest.raises(UserError, match="--eval: the config's test_evaluator measures nothing"):
            testing.set_metrics(Config(nothing), ["segm"])


def test_a_metric_for_each_of_several_data_sets(tmp_path: Path) -> None:
    metrics = [dict(type="MaskScoreMetric", ann_file=f"{name}.json") for name in "ab"]
    config = Config(
        dict(
            test_evaluator=dict(
                type="MultiDatasetsEvaluator", metrics=metrics, dataset_prefixes=["a", "b"]
            )
        )
    )
    testing.set_metrics(config, ["segm"])
    assert [metric.metric for metric in config.test_evaluator.metrics] == [["segm"], ["segm"]]
    for name in ("out.json", "out.pkl"):
        with pytest.raises(UserError, match="has metrics, one for each data set: test one data"):
            testing.add_dump(config, tmp_path / name)
