"""Literal configs are read as mmengine reads them; all others are refused, and nothing runs."""

import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from msrcnn_mm.engine.config.literal import read_literal_config
from msrcnn_mm.errors import UserError
from tests.support.tiny import CONFIGS


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_literal_config(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_a_run_writes_is_read_as_mmengine_reads_it(tmp_path: Path) -> None:
    original = Config.fromfile(CONFIGS / "demo" / "ms-rcnn_demo.py")
    original.dump(tmp_path / "demo.py")
    read = read_literal_config(tmp_path / "demo.py")
    assert read.to_dict() == original.to_dict()
    assert type(read.model.roi_head) is type(original.model.roi_head)
    read.dump(tmp_path / "demo.json")
    assert read_literal_config(tmp_path / "demo.json").model.type == "MaskScoringRCNN"


def test_bases_are_merged_as_mmengine_merges_them(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "model.py").write_text("model = dict(a=1, b=dict(c=[2, -3.5]), d={})")
    (tmp_path / "below" / "data.json").write_text('{"data": {"e": null}}')
    (tmp_path / "top.py").write_text(
        '"""About it."""\n_base_ = ["below/model.py", "below/data.json"]\n'
        "model = dict(a=tuple([1, 2]), b={'f': 'text'}, d=dict(_delete_=True, g=list()))\n"
    )
    read = read_literal_config(tmp_path / "top.py")
    assert read.to_dict() == Config.fromfile(tmp_path / "top.py").to_dict()
    assert read.model.b.c == [2, -3.5]
    assert read.model.d == dict(g=[])


RUNS = "open('ran', 'w')"


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "from os import system as x",
        f"{RUNS}",
        f"x = {RUNS}",
        f"x = dict(a=[{RUNS}])",
        f"x = dict(**{RUNS})",
        f"x = {{**{RUNS}}}",
        f"x = {{{RUNS}: 1}}",
        f"x = [*{RUNS}]",
        f"x = list({RUNS})",
        f"x = -{RUNS}",
        "x = f'{1}'",
        f"x = [{RUNS} for _ in (1,)]",
        f"x = (lambda: {RUNS})()",
        f"x: {RUNS} = 1",
        f"x, y = {RUNS}, 1",
        f"x = dict\nx.y = {RUNS}",
        f"if True:\n    {RUNS}",
        f"def x(a={RUNS}): pass",
        f"@{RUNS}\nclass X: pass",
        "dict = exec\nx = dict(a=1)",
        "x = 1 + 1",
        "x = ().__class__",
        "x = _base_.y",
        "x = '{{ fileDirname }}'",
        "x = \"{{ $NO:' + y + '}}\"",
        "custom_imports = dict(imports=['os'])",
        "custom_imports = dict(imports=['msrcnn_mm', 'os'])",
        "_base_ = 'other.yaml'",
        "_base_ = 'mmdet::_base_/default_runtime.py'",
        "_base_ = 'mmdet::../../../../../../../tmp/x.py'",
        "x = dict(type='BaseDetDataset', ann_file='boxes.PKL')",
        "x = dict(metainfo='classes.yml')",
        f"x = dict(type='CameraMotionCompensation', warp_mode={RUNS!r})",
        "x = dict(type='OpenImagesDataset', hierarchy_file='x.npy')",
    ],
)
def test_what_could_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.yaml").write_text("!!python/object/apply:os.mkdir [ran]")
    (tmp_path / "x.py").write_text(f"model = dict()\n{text}\n")
    assert "refused by --safe" in refusal(tmp_path / "x.py")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = " + "[" * 100_000, "x.py"),
        ("x = " + "-" * 100_000 + "1", "x.py"),
        ("x = '\0'", "x.py"),
        ("x = (", "is not Python"),
        ("_base_ = 'x.py'", "is its own _base_"),
        ("_base_ = ['a.json', 'a.json']", "is set by more than one"),
        ("_base_ = 7", "give the name of a file"),
        ("_base_ = 'absent.py'", "cannot read"),
        ("_base_ = 'a.json'\na = dict(b=1)", "cannot be merged"),
        ("x = {[]: 1}", "refused"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}')
    (tmp_path / "x.py").write_text(text)
    assert problem in refusal(tmp_path / "x.py")


HOSTILE = """
from mmengine.registry import FUNCTIONS, MODELS
from msrcnn_mm.engine.config.file import load_config
import msrcnn_mm
load_config("x.py", None, None, "none", safe=True)
for name in ("evil", "evil.run", "subprocess.call", "mmengine.load", "mmengine.nothing"):
    assert FUNCTIONS.get(name) is None, name
for scope in ("evil", "mmdet"):
    with MODELS.switch_scope_and_registry(scope) as registry:
        assert registry.get("Conv2d") is not None
print("done")
"""


def test_types_that_are_not_registered_are_not_imported(tmp_path: Path) -> None:
    """In a process of its own, whose registries it changes."""
    (tmp_path / "x.py").write_text("model = dict(type='MaskRCNN')")
    (tmp_path / "evil").mkdir()
    for name in ("__init__", "registry"):
        (tmp_path / "evil" / f"{name}.py").write_text("print('ran')\nrun = print\n")
    found = subprocess.run(
        [sys.executable, "-c", HOSTILE], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.stdout.splitlines()[-1:] == ["done"], found.stderr
    assert "ran" not in found.stdout
