"""Tests of the READMEs and metafiles in the folders of ``configs/``."""

import re
from pathlib import Path

import pytest
import yaml

from tests.configs.config_files import CONFIGS, FILES, FROZEN, is_scored, load

FOLDERS = [CONFIGS, *sorted(path for path in CONFIGS.iterdir() if path.is_dir())]
METAFILES = sorted(CONFIGS.rglob("metafile.yml"))
MEASURED = [CONFIGS / name / "metafile.yml" for name in ("demo", "nuclei")]
# Templates for own data, the demo's variants, scorers on frozen hosts: docs/results.md has no row.
NOT_LISTED = {
    *FROZEN,
    "demo/ms-rcnn_demo_labelled.py",
    "demo/scored-cascade-mask-rcnn_demo.py",
    "demo/scored-htc_demo.py",
    "demo/scored-mask-rcnn_demo.py",
    "demo/scored-point-rend_demo.py",
    "demo/yolact-plus_demo.py",
    "nuclei/scored-mask-rcnn_r18_fpn_nuclei.py",
    "own_data/ms-rcnn_r50_fpn_own-data.py",
    "own_data/yolact-plus_r50_own-data.py",
}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_readme_describes_the_folder(folder: Path) -> None:
    commands = re.findall(r"configs/([\w/.-]+\.py)", (folder / "README.md").read_text())
    assert [name for name in commands if "mine" not in name and name not in FILES] == []


def test_metafiles_are_in_mmdetections_form() -> None:
    assert METAFILES
    names = []
    for path in METAFILES:
        content = yaml.safe_load(path.read_text())
        assert set(content) == {"Collections", "Models"}
        collections = {collection["Name"] for collection in content["Collections"]}
        assert len(collections) == len(content["Collections"])
        for collection in content["Collections"]:
            assert (CONFIGS.parent / collection["README"]).is_file()
        assert {model["In Collection"] for model in content["Models"]} == collections
        names += [model["Name"] for model in content["Models"]]
    assert len(names) == len(set(names))


def test_the_index_lists_every_config() -> None:
    index = yaml.safe_load((CONFIGS.parent / "model-index.yml").read_text())
    assert [CONFIGS.parent / name for name in index["Import"]] == METAFILES
    models = [model for path in METAFILES for model in yaml.safe_load(path.read_text())["Models"]]
    listed = [Path(model["Config"]).relative_to("configs").as_posix() for model in models]
    assert [model["Name"] for model in models] == [Path(name).stem for name in listed]
    assert sorted(listed) == [name for name in FILES if name not in NOT_LISTED]


def test_mim_finds_configs_and_tools() -> None:
    package = CONFIGS.parent / "msrcnn_mm" / ".mim"
    for name in ("configs", "tools", "model-index.yml"):
        assert (package / name).resolve() == CONFIGS.parent / name


@pytest.mark.parametrize("path", MEASURED, ids=lambda path: path.parent.name)
def test_figures_of_a_metafile_are_those_of_the_readme(path: Path) -> None:
    readme = (path.parent / "README.md").read_text().splitlines()
    for model in yaml.safe_load(path.read_text())["Models"]:
        name = Path(model["Config"]).relative_to("configs").as_posix()
        assert (model["Name"], name in FILES) == (Path(name).stem, True)
        assert model["Metadata"] == {"Epochs": load(name).train_cfg.max_epochs}
        metrics = [result["Metrics"] for result in model["Results"]]
        # The rows of the nuclei begin with the config, those of the demo with the seed.
        (row,) = (line for line in readme if line.startswith((f"| [{model['Name']}](", "| 0 |")))
        _, _, box_ap, by_class_score, by_mask_score, *_ = (cell.strip() for cell in row.split("|"))
        mask_ap = by_mask_score if is_scored(name) else by_class_score
        assert metrics == [{"box AP": float(box_ap)}, {"mask AP": float(mask_ap)}]
