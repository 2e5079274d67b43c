"""Runs each benchmark to its end at its smallest size. The measurements are not tested."""

import sys
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from benchmarks.rescoring import write_scenes
from msrcnn_mm.coco.annotations import load_annotations
from tests.support import tiny
from tests.support.coco_files import write_data_set
from tests.support.small_runs import CLASSES, small_config


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        (
            "deformable_convolution",
            ["--turns", "1", "--threads", str(torch.get_num_threads())],
            "ratio",
        ),
        ("fast_mask_iou", ["--masks", "2", "--turns", "1"], "FastMaskIoUHead"),
        ("intervals", ["--images", "20", "--classes", "2"], "the APs are equal"),
        ("masks_to_results", ["--turns", "1", "--masks", "1"], "equal rows"),
        ("mask_iou_targets", ["--repeats", "1", "--scenes", "2"], "mean"),
        ("rescoring", ["--images", "12"], "s of processors"),
        (
            "evaluation",
            ["--images", "3", "--detections", "2", "--turns", "1"],
            "the APs are equal",
        ),
    ],
)
def test_benchmark_runs(
    name: str,
    options: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [name, *options])
    import_module(f"benchmarks.{name}").main()
    assert says in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "sizes", "says"),
    [
        ("classes", {"CLASSES": (1, 2)}, "of it its mask IoUs"),
        ("evaluation", {}, "s of processors"),
        (
            "mask_targets",
            {"INSTANCES": (1, 2), "SCALES": (1, 2), "SHAPE": (60, 80)},
            "1 instances, both",
        ),
    ],
)
def test_benchmarks_that_draw_growth_run(
    name: str,
    sizes: dict[str, object],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    benchmark, picture = import_module(f"benchmarks.{name}"), tmp_path / "growth.png"
    for constant, value in sizes.items():
        monkeypatch.setattr(benchmark, constant, value)
    options = {
        "classes": ["--masks", "2"],
        "evaluation": ["--images", "3", "4", "--detections", "2", "--against"],
    }.get(name, [])
    monkeypatch.setattr(sys, "argv", [name, "--turns", "1", "--out", str(picture), *options])
    benchmark.main()
    assert says in capsys.readouterr().out
    assert picture.stat().st_size


def test_benchmark_of_roi_align_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = import_module("benchmarks.roi_align")
    monkeypatch.setattr(benchmark, "SCENES", {"few RoIs": (4, 16, 3, 7, 0)})
    monkeypatch.setattr(sys, "argv", ["roi_align", "--turns", "1"])
    benchmark.main()
    assert "few RoIs, forward and gradient" in capsys.readouterr().out


def test_benchmarks_of_re_scored_results_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    annotations, results, *_ = (str(path) for path in write_scenes(tmp_path, 12))
    rescored, picture = str(tmp_path / "rescored.json"), tmp_path / "ladder.png"
    options = ["--draws", "1", "--also", results, annotations, "--out", rescored]
    monkeypatch.setattr(sys, "argv", ["rescored_ap", results, annotations, *options])
    import_module("benchmarks.rescored_ap").main()
    assert "re-scored over class score" in capsys.readouterr().out
    monkeypatch.setattr(
        sys, "argv", ["rescored_ladder", str(picture), "scenes", rescored, annotations]
    )
    import_module("benchmarks.rescored_ladder").main()
    assert picture.stat().st_size
    monkeypatch.setattr(sys, "argv", ["prelabel", results, annotations, "--splits", "1"])
    import_module("benchmarks.prelabel").main()
    assert "promises made" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["labels", results, annotations, "--seeds", "1"])
    import_module("benchmarks.labels").main()
    assert "right of the first 50" in capsys.readouterr().out


def test_benchmarks_of_tiles_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_data_set(tmp_path / "data", CLASSES)
    annotations, images = str(root / "train.json"), str(root / "train")
    monkeypatch.setattr(sys, "argv", ["mosaic", annotations, images, str(tmp_path), "--side", "90"])
    import_module("benchmarks.mosaic").main()
    assert "objects in 90 x 90 pixels" in capsys.readouterr().out
    coco = load_annotations(tmp_path / "mosaic.json")
    disks = [coco.annToMask(one) for one in coco.anns.values() if one["category_id"] == 1]
    drawn = cv2.imread(str(tmp_path / "mosaic.png"))[:, :, 1] > 168  # 255 in the first class
    assert drawn.shape == (90, 90) and (drawn != np.any(disks, axis=0)).mean() < 0.01

    config = small_config(root)
    weights = tmp_path / "weights.pth"
    torch.save(dict(state_dict=tiny.build(Config.fromfile(config)).state_dict()), weights)
    names = ["tiles", str(config), str(weights), annotations, images]
    sizes = ["--side", "32", "--least", "40", "--score-thr", "0.002"]
    monkeypatch.setattr(sys, "argv", names + sizes)
    import_module("benchmarks.tiles").main()
    assert "tiles joined" in capsys.readouterr().out
