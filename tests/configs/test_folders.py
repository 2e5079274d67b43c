"""Tests of the READMEs and metafiles in the folders of ``configs/``."""

import re
from pathlib import Path

import pytest
import yaml

from tests.configs.config_files import CONFIGS, FILES, is_scored, load

FOLDERS = [CONFIGS, *sorted(path for path in CONFIGS.iterdir() if path.is_dir())]
METAFILES = sorted(CONFIGS.rglob("metafile.yml"))


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


@pytest.mark.parametrize("path", METAFILES, ids=lambda path: path.parent.name)
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
