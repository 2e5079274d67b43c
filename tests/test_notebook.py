"""The notebook runs from its first cell to its last, on a small data set and random weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from msrcnn_mm.cli import predict
from tests.support.coco_files import write_data_set
from tests.support.processes import ROOT
from tests.support.small_runs import CLASSES, small_config
from tests.support.tiny import build

NOTEBOOK = ROOT / "docs" / "own_images.ipynb"
IMAGES = 12


@pytest.fixture
def parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Makes a model and labelled images, every third of its masks an object of theirs."""
    monkeypatch.chdir(tmp_path)  # the notebook changes it; restored behind the test
    path = small_config(write_data_set(tmp_path / "data", CLASSES, IMAGES))
    config = Config.fromfile(path)
    config.model.test_cfg.rcnn.max_per_img = 12
    config.dump(path)
    checkpoint, images, labels = "weights.pth", tmp_path / "data/val", tmp_path / "data/val.json"
    torch.save(dict(state_dict=build(config).state_dict()), checkpoint)
    predict.main([str(images), str(path), checkpoint])
    content = json.loads(Path("predictions/images.json").read_text())
    rows = json.loads(Path("predictions/results.json").read_text())
    content["annotations"] = [
        {**row, "id": number, "area": row["bbox"][2] * row["bbox"][3], "iscrowd": 0}
        for number, row in enumerate(rows[::3], 1)
    ]
    labels.write_text(json.dumps(content))
    return dict(
        config=str(path),
        checkpoint=str(tmp_path / checkpoint),
        images=str(images),
        labelled=str(images),
        annotations=str(labels),
        out=str(tmp_path / "out"),
    )


def test_every_cell_runs(parameters: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            before = set(names)
            exec("".join(cell["source"]), names)
            if "parameters" in cell["metadata"].get("tags", ()):
                assert set(names) - before == set(parameters)
                names |= parameters
    out = Path(parameters["out"])
    assert (out / "report" / "report.html").is_file()
    rows = json.loads((out / "predictions" / "results.json").read_text())
    assert rows and all(0 <= row["rescored_score"] <= 1 for row in rows)
    assert len({row["image_id"] for row in rows}) == IMAGES
    said = capsys.readouterr().out
    assert "| mask score " in said and "| re-scored, fitted on " in said
    assert "| rescored_score |" in said


def test_outputs_are_kept_where_they_are_small() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    outputs = [one for cell in cells for one in cell.get("outputs", [])]
    assert not [one for one in outputs if one["output_type"] == "error"]
    assert [kind for one in outputs for kind in one.get("data", {})].count("image/jpeg") == 2
    assert NOTEBOOK.stat().st_size < 100_000
