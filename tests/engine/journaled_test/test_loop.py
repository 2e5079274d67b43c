"""Tests that are killed end with the results file and the figures of one that was not."""

import io
import json
import os
import pickle
import signal
import socket
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmdet.registry import METRICS
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from PIL import Image
from torch.utils.data import DataLoader

from msrcnn_mm.cli import test
from msrcnn_mm.engine.hooks.visualization import DetVisualizationHook
from msrcnn_mm.engine.journaled_test.evaluator import JournalEvaluator
from msrcnn_mm.engine.journaled_test.settings import reason_against
from msrcnn_mm.errors import UserError
from tests.support import tiny
from tests.support.coco_files import SIDE, write_data_set
from tests.support.small_runs import CLASSES, small_config

IMAGES = 7
BATCHES = 4  # of two images, the last of one


@METRICS.register_module()
class SeenImages(BaseMetric):
    """Counts images, as a metric of the user's own."""

    default_prefix = "own"

    def process(self, data_batch: Any, data_samples: Any) -> None:
        assert len(data_batch["inputs"]) == len(data_samples)
        self.results += [sample["pred_instances"]["masks"].shape for sample in data_samples]

    def compute_metrics(self, results: list) -> dict[str, float]:
        return dict(images=float(len(results)))


class OwnHook(Hook):
    def after_test_iter(self, *args: Any, **kwargs: Any) -> None:
        """Sees every batch."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes ``tiny.py`` and ``weights.pth``; images of a batch differ in size, so one is padded."""
    root = write_data_set(tmp_path_factory.mktemp("own") / "data", CLASSES, count=IMAGES)
    truth = json.loads((root / "val.json").read_text())
    for image in truth["images"][::2]:
        image["height"] = SIDE + 8
        path = root / "val" / image["file_name"]
        Image.open(path).resize((SIDE, SIDE + 8)).save(path)
    (root / "val.json").write_text(json.dumps(truth))
    model = tiny.build(Config.fromfile(small_config(root)))
    torch.save(dict(state_dict=model.state_dict()), root / "weights.pth")
    return root


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCAL_RANK", "0")


def run(root: Path, *args: object) -> None:
    words = [root / "tiny.py", root / "weights.pth", "--work-dir", "run", *args]
    test.main([*map(str, words)])


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs a test by mmengine's own loop, which keeps no files; returns its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test, "keep_finished_images", lambda *_: None)
        patch.chdir(tmp_path_factory.mktemp("whole"))
        patch.setenv("LOCAL_RANK", "0")
        run(root, "--out", "out.json")
        assert len(json.loads(Path("out.json").read_text())) > 100
        return Path.cwd()


def figures(folder: Path) -> dict[str, float]:
    """Returns the metrics of the last test in a folder."""
    last = max(folder.glob("run/*/*.json"))
    metrics = json.loads(last.read_text().splitlines()[-1])
    return {name: value for name, value in metrics.items() if "time" not in name}


def log() -> str:
    return max(Path("run").glob("*/*.log")).read_text()


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KilledAt:
    """Kills its process after it has kept some batches, or where results are written."""

    def __init__(self, batches: int | str) -> None:
        self.batches = batches

    def __enter__(self) -> None:
        keep, samples = JournalEvaluator.keep, JournalEvaluator._samples
        kept = 0

        def keep_or_die(evaluator: JournalEvaluator) -> None:
            nonlocal kept
            if kept == self.batches:
                kill()
            keep(evaluator)
            kept += 1

        def samples_or_die(evaluator: JournalEvaluator, size: int) -> Iterator[dict[str, Any]]:
            yield next(samples(evaluator, size))
            kill()

        JournalEvaluator.keep = keep_or_die  # type: ignore[method-assign]
        if self.batches == "writing":
            JournalEvaluator._samples = samples_or_die  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        raise AssertionError


def start(
    root: Path, batches: int | str | None, rank: int = 0, processes: int = 1, port: int = 0
) -> BaseProcess:
    """Starts a process of a test that is killed at a moment, or not; it is forked."""

    def work() -> None:
        torch.set_num_threads(1)  # a forked process has none of its parent's threads
        sys.stdout = sys.stderr = io.StringIO()
        args: tuple[str, ...] = ()
        if processes > 1:
            place = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=processes, MASTER_PORT=port)
            os.environ.update({k: str(v) for k, v in place.items()}, MASTER_ADDR="127.0.0.1")
            args = ("--launcher", "pytorch")
        if batches is None:
            run(root, "--out", "out.json", *args)
            return
        with KilledAt(batches):
            run(root, "--out", "out.json", *args)

    process = get_context("fork").Process(target=work)
    process.start()
    return process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ends_by(signal_number: int, *processes: BaseProcess) -> None:
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [-signal_number] * len(processes)


@pytest.mark.parametrize("batches", [2, "writing"])
def test_a_killed_test_goes_on(root: Path, whole: Path, batches: int | str) -> None:
    ends_by(signal.SIGKILL, start(root, batches))
    assert not Path("out.json").exists()
    run(root, "--out", "out.json")
    finished = {2: 4, "writing": IMAGES}[batches]
    assert f"{finished} images of an unfinished test are not tested again" in log()
    left = BATCHES - (finished + 1) // 2
    assert f"[{left}/{left}]" in log()
    assert Path("out.json").read_bytes() == (whole / "out.json").read_bytes()
    assert figures(Path()) == figures(whole) != {}
    assert {path.name for path in Path().iterdir()} == {"out.json", "run"}


@pytest.mark.parametrize(("killed", "resumed"), [(2, 1), (1, 2)])
def test_with_another_number_of_processes(
    root: Path, whole: Path, killed: int, resumed: int
) -> None:
    port = free_port()
    processes = [start(root, 1, rank, killed, port) for rank in range(killed)]
    ends_by(signal.SIGKILL, *processes)
    assert {path.name for path in Path("out.json.unfinished").iterdir()} == {
        f"{rank}.jsonl" for rank in range(killed)
    }
    port = free_port()
    ends_by(0, *(start(root, None, rank, resumed, port) for rank in range(resumed)))
    assert f"{2 * killed} images of an unfinished test are not" in log()
    assert Path("out.json").read_bytes() == (whole / "out.json").read_bytes()
    assert figures(Path()) == figures(whole)
    assert not Path("out.json.unfinished").exists()


def test_other_settings_are_refused_or_start_anew(root: Path, whole: Path) -> None:
    ends_by(signal.SIGKILL, start(root, 2))
    torch.save(dict(torch.load(root / "weights.pth"), meta={}), "other.pth")
    words = [str(root / "tiny.py"), "other.pth", "--work-dir", "run", "--out", "out.json"]
    words += ["--cfg-options", "test_dataloader.batch_size=1"]
    with pytest.raises(UserError, match=r"0\.jsonl: .* \(checkpoint, test_dataloader\): give that"):
        test.main(words)
    with pytest.raises(UserError, match=r"other settings \(model\): give .*--overwrite$"):
        run(root, "--out", "out.json", "--views", "flip")
    with pytest.raises(UserError, match=r"other settings \(--show-dir\): give"):
        run(root, "--out", "out.json", "--show-dir", "shown")
    run(root, "--out", "out.json", "--overwrite")
    assert "not tested again" not in log()
    assert Path("out.json").read_bytes() == (whole / "out.json").read_bytes()


def test_pictures_and_predictions_as_mmdetection_keeps_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--show-dir", "shown", "--views", "flip", "--eval", "bbox")
    run(root, "--out", "whole.pkl", *options)
    pictures = {path.name: path.read_bytes() for path in Path("shown").iterdir()}
    assert len(pictures) == IMAGES
    for name in [*pictures][:4]:
        Path("shown", name).unlink()
    keep = JournalEvaluator.keep

    def stop(evaluator: JournalEvaluator) -> None:
        keep(evaluator)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(JournalEvaluator, "keep", stop)
        run(root, "--out", "out.pkl", *options)
    assert "out.pkl.unfinished keeps the finished images: the same command goes on" in log()
    run(root, "--out", "out.pkl", *options)
    assert {path.name: path.read_bytes() for path in Path("shown").iterdir()} == pictures
    one, other = (pickle.loads(Path(f"{name}.pkl").read_bytes()) for name in ("whole", "out"))
    assert [*map(repr, one)] == [*map(repr, other)] and len(one) == IMAGES
    for a, b in zip(one, other, strict=True):
        assert {"img_path", "scale_factor", "pred_instances"} <= a.keys()
        fields, own = a["pred_instances"], b["pred_instances"]
        assert fields["masks"] == own["masks"] and fields["mask_rles"] == own["mask_rles"]
        assert fields["consensus"].equal(own["consensus"])


def test_a_metric_of_the_users_own_runs_as_before(root: Path) -> None:
    config = Config.fromfile(root / "tiny.py")
    config.test_evaluator = [dict(type="SeenImages"), config.test_evaluator]
    config.test_dataloader.dataset.indices = 2
    config.dump("own.py")
    test.main(["own.py", str(root / "weights.pth"), "--work-dir", "run"])
    assert "starts anew after a kill: the metric SeenImages must see every image" in log()
    assert figures(Path())["own/images"] == 2
    assert "coco/segm_mAP" in figures(Path())


def test_two_metrics_of_one_name_are_refused(root: Path) -> None:
    """As by mmengine; the images stay, so that only the evaluation is done again."""
    config = Config.fromfile(root / "tiny.py")
    config.test_dataloader.dataset.indices = 1
    config.test_evaluator = [config.test_evaluator, config.test_evaluator]
    config.dump("own.py")
    with pytest.raises(UserError, match=r"two metrics give coco/\S+: give one of them another pre"):
        test.main(["own.py", str(root / "weights.pth"), "--work-dir", "run"])
    assert Path("run/test.unfinished/0.jsonl").is_file()


def test_what_cannot_go_on() -> None:
    def reason(hook: Hook | None = None, kind: type = Evaluator, shuffle: bool = False) -> Any:
        loader = DataLoader([1], sampler=DefaultSampler([1], shuffle, seed=0))  # type: ignore[arg-type]
        runner = SimpleNamespace(hooks=[] if hook is None else [hook])
        loop = SimpleNamespace(evaluator=kind([]), runner=runner, dataloader=loader)
        return reason_against(loop)  # type: ignore[arg-type]

    draws = DetVisualizationHook.__new__(DetVisualizationHook)
    draws.draw, draws.test_out_dir = True, "shown"
    assert reason() is None
    assert reason(OwnHook()) == "the hook OwnHook must see every image"
    assert reason(draws) == "pictures are drawn into a new folder; name one by --show-dir"
    assert reason(shuffle=True) == "test_dataloader has a sampler of its own"
    assert reason(kind=type("Own", (Evaluator,), {})) == "test_evaluator is a Own"
