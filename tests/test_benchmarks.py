"""Runs each benchmark to its end at its smallest size. The measurements are not tested."""

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

from tests.support.coco_scenes import coco_dict, random_scene


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
        ("mask_iou_targets", ["--repeats", "1", "--scenes", "2"], "mean"),
        ("rescoring", ["--images", "12"], "s of processors"),
        ("score_metric", ["--images", "3"], "the APs are equal"),
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


def test_benchmarks_of_results_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``rescored_ap`` writes rescored results, and ``rescored_ladder`` draws them."""
    monkeypatch.chdir(tmp_path)
    for name, seed in (("own", 3), ("also", 8)):
        annotations, rows = random_scene(seed, 20)
        Path(f"{name}_gt.json").write_text(json.dumps(coco_dict(annotations, 20)))
        Path(f"{name}.json").write_text(json.dumps(rows))
    options = "own.json own_gt.json --also also.json also_gt.json --draws 1 --out rescored.json"
    monkeypatch.setattr(sys, "argv", ["rescored_ap", *options.split()])
    import_module("benchmarks.rescored_ap").main()
    assert "re-scored over maskness: " in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["ladder", "p.png", "own", "rescored.json", "own_gt.json"])
    import_module("benchmarks.rescored_ladder").main()
    assert Path("p.png").stat().st_size > 1000
