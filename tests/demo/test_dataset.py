"""Tests the demo data set on disk, its command, and the demo's config on a tiny set."""

import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pycocotools.mask as rle_tools
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from pycocotools.coco import COCO

from msrcnn_mm.cli.demo_data import main
from msrcnn_mm.demo import dataset as demo_data
from msrcnn_mm.demo.dataset import CLASSES, make_dataset
from msrcnn_mm.errors import UserError

ROOT = Path(__file__).parents[2]
SIZE = 96


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "data"
    assert make_dataset(folder, train=8, val=4, size=SIZE, seed=3)
    return folder


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def _coco(folder: Path, split: str) -> COCO:
    with redirect_stdout(io.StringIO()):
        return COCO(folder / "annotations" / f"{split}.json")


def test_same_settings_make_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path / "again", train=8, val=4, size=SIZE, seed=3)
    assert _contents(tmp_path / "again") == _contents(tiny)


def test_another_seed_makes_other_images(tiny: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path / "other", train=1, val=1, size=SIZE, seed=4)
    for image in ("train/000000.png", "val/000000.png"):
        assert (tmp_path / "other" / image).read_bytes() != (tiny / image).read_bytes()


def test_an_image_does_not_depend_on_how_many_there_are(tiny: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path, train=3, val=1, size=SIZE, seed=3)
    for index in range(3):
        name = f"train/{index:06d}.png"
        assert (tmp_path / name).read_bytes() == (tiny / name).read_bytes()
    few = json.loads((tmp_path / "annotations/train.json").read_text())["annotations"]
    many = json.loads((tiny / "annotations/train.json").read_text())["annotations"]
    assert few == many[: len(few)]


def test_a_split_of_no_images_is_not_made(tiny: Path, tmp_path: Path) -> None:
    assert make_dataset(tmp_path, train=0, val=4, size=SIZE, seed=3)
    whole = _contents(tiny)
    files = {name: data for name, data in _contents(tmp_path).items() if name != "demo.json"}
    assert files == {n: data for n, data in whole.items() if n in files and "train" not in n}
    assert not make_dataset(tmp_path, train=0, val=4, size=SIZE, seed=3)


def test_splits_share_no_image(tiny: Path) -> None:
    images = [data for name, data in _contents(tiny).items() if name.endswith(".png")]
    assert len(images) == len(set(images)) == 12


def _check_coco(coco: COCO, count: int, size: int) -> None:
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list(CLASSES)
    assert len(coco.getImgIds()) == count
    annotations = coco.loadAnns(coco.getAnnIds())
    assert len({annotation["id"] for annotation in annotations}) == len(annotations)
    cover = {image: np.zeros((size, size), int) for image in coco.getImgIds()}
    for annotation in annotations:
        assert isinstance(annotation["segmentation"]["counts"], str)
        mask = coco.annToMask(annotation)
        cover[annotation["image_id"]] += mask
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        tight = [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert annotation["bbox"] == tight
        assert annotation["area"] == mask.sum() > 0
        assert annotation["area"] == rle_tools.area(annotation["segmentation"])
        assert annotation["iscrowd"] == 0
    assert all(layers.max() == 1 for layers in cover.values())


def test_annotations_are_valid_coco(tiny: Path) -> None:
    _check_coco(_coco(tiny, "train"), 8, SIZE)
    _check_coco(_coco(tiny, "val"), 4, SIZE)


@settings(max_examples=5, deadline=None)
@given(size=st.integers(demo_data.MIN_SIZE, 150), seed=st.integers(0, 2**40))
def test_any_size_and_seed_is_valid_coco(
    tmp_path_factory: pytest.TempPathFactory, size: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    make_dataset(folder, train=2, val=1, size=size, seed=seed)
    _check_coco(_coco(folder, "train"), 2, size)


def test_whole_data_are_kept(tiny: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in tiny.rglob("*")}
    assert not make_dataset(tiny, train=8, val=4, size=SIZE, seed=3)
    assert {file: file.stat().st_mtime_ns for file in tiny.rglob("*")} == before


def test_interrupted_or_damaged_data_are_completed(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = demo_data.draw_scene
    drawn = []

    def interrupted(size: int, rng: np.random.Generator) -> demo_data.Scene:
        drawn.append(size)
        if len(drawn) == 6:
            raise KeyboardInterrupt
        return draw(size, rng)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(demo_data, "draw_scene", interrupted)
        make_dataset(tmp_path, train=8, val=4, size=SIZE, seed=3)
    assert make_dataset(tmp_path, train=8, val=4, size=SIZE, seed=3)
    assert _contents(tmp_path) == _contents(tiny)

    (tmp_path / "train/000005.png").unlink()
    assert make_dataset(tmp_path, train=8, val=4, size=SIZE, seed=3)
    assert _contents(tmp_path) == _contents(tiny)


def test_data_of_other_settings_are_left_alone(tiny: Path) -> None:
    before = _contents(tiny)
    for change in (dict(train=9), dict(val=5), dict(size=100), dict(seed=4)):
        with pytest.raises(UserError, match=r"of other settings.*train 8.*seed 3"):
            make_dataset(tiny, **{**dict(train=8, val=4, size=SIZE, seed=3), **change})
    assert _contents(tiny) == before


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not demo data"):
        make_dataset(tmp_path, train=1, val=1)
    assert _contents(tmp_path) == {"thesis.txt": b"mine"}


def test_command_makes_data_then_finds_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (str(tmp_path / "new/deep"), "--train", "2", "--val", "1", "--size", "64")
    main(arguments)
    assert "2 training and 1 test images" in capsys.readouterr().out
    main(arguments)
    assert capsys.readouterr().out.rstrip().endswith("already there")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("new", "--size", "63"), "size must be from 64 to 2048 pixels, not 63"),
        (("new", "--size", "99999"), "size must be from 64 to 2048 pixels, not 99999"),
        (("new", "--train", "0", "--val", "0"), "must be integers >= 0 and not both 0"),
        (("new", "--val", "-1"), "must be integers >= 0 and not both 0, not 400 and -1"),
        (("new", "--seed", "-1"), "seed must be an integer >= 0, not -1"),
        (("file",), "is a file"),
        (("file/below",), "cannot be written"),
        (("torn",), "cannot be read"),
    ],
)
def test_bad_input_gets_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn/demo.json").write_text('{"version": 1, ')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as error:
        main(arguments)
    assert "\n" not in str(error.value)


def test_command_without_opencv_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("dataset", "scenes", "shapes"):
        monkeypatch.delitem(sys.modules, f"msrcnn_mm.demo.{module}")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UserError, match="draws with OpenCV, which is not installed: pip install"):
        main([str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()


def test_demo_config_trains_a_step_and_tests_on_demo_data(tiny: Path) -> None:
    config = Config.fromfile(ROOT / "configs/demo/ms-rcnn_demo.py")
    assert tuple(config.classes) == CLASSES
    init_default_scope("mmdet")
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    batches = {}
    for split in ("train", "test"):
        dataset = config[f"{split}_dataloader"].dataset
        dataset.data_root = str(tiny)
        with redirect_stdout(io.StringIO()):
            built = DATASETS.build(dataset)
        assert built.metainfo["classes"] == CLASSES
        batches[split] = pseudo_collate([built[0], built[1]])

    model.train()
    batch = model.data_preprocessor(batches["train"], True)
    losses, _ = model.parse_losses(model(**batch, mode="loss"))
    losses.backward()
    gradient = model.roi_head.mask_iou_head.fc_mask_iou.weight.grad
    assert torch.isfinite(losses) and gradient.abs().sum() > 0

    model.eval()
    with torch.no_grad():
        for sample in model.test_step(batches["test"]):
            found = sample.pred_instances
            assert found.masks.shape[1:] == (SIZE, SIZE)
            assert torch.equal(found.mask_scores, found.scores * found.mask_ious)
