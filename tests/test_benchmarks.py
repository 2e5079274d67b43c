"""Runs each benchmark to its end at its smallest size. The measurements are not tested."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

from benchmarks.rescoring import write_scenes


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
