"""Runs each benchmark to its end at its smallest size. The measurements are not tested."""

import sys
from importlib import import_module

import pytest
import torch


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
