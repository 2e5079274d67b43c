"""Tests the light half as users without torch have it: the wheel in an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.support.coco_scenes import SIDE, coco_dict, random_scene

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "mmcv", "mmengine", "mmdet", "cv2")
MAX_MB = 350
NUM_IMAGES = 12  # a re-scorer needs 10


def run(*command: object, cwd: Path) -> str:
    """Runs a program without this checkout on Python's path, and returns what it prints."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if "NewConnectionError" in result.stdout or "(from versions: none)" in result.stdout:
        pytest.skip("pip cannot reach its package index")
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    """An environment that holds the wheel, what it requires, and pip."""
    folder = tmp_path_factory.mktemp("light")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "msrcnn_mm", folder / "msrcnn_mm", symlinks=True, ignore=ignored)
    shutil.copy(ROOT / "model-index.yml", folder)
    for name in ("configs", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    pip = [sys.executable, "-m", "pip"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", "dist", ".", cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    pip = [folder / "venv" / "bin" / "python", "-m", "pip"]
    pins = ROOT / "requirements" / "light.txt"
    run(*pip, "install", "--constraint", pins, wheel, cwd=folder)
    return folder / "venv"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    annotations, detections = random_scene(5, NUM_IMAGES)
    (folder / "annotations.json").write_text(json.dumps(coco_dict(annotations, NUM_IMAGES)))
    for name in ("results.json", "scaled.json"):
        (folder / name).write_text(json.dumps(detections))
    (folder / "images").mkdir()
    for i in range(NUM_IMAGES):
        Image.new("RGB", (SIDE, SIDE), (90 + 10 * i,) * 3).save(folder / "images" / f"{i}.png")
    return folder


def test_the_wheel_holds_all_configs(venv):
    (package,) = (venv / "lib").glob("python*/site-packages/msrcnn_mm")
    for folder in ("configs", "tools"):
        files = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.*") if path.is_file()}
        files = {path for path in files if path.suffix != ".pyc"}
        assert {path for path in files if not (package / ".mim" / path).is_file()} == set()


@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("report results.json annotations.json report --images images", "report/report.html"),
        ("check --annotations annotations.json --images images --out check.html", "check.html"),
        ("correlate results.json annotations.json correlation", "correlation/correlation.json"),
        ("draw results.json annotations.json images scores.png", "scores.png"),
        ("calibrate fit results.json annotations.json calibration.json", "calibration.json"),
        ("agree results.json --scaled scaled.json --out agreement.json", "agreement.json"),
        ("rescore fit results.json annotations.json --out rescorer.json", "rescorer.json"),
    ],
)
def test_a_command(venv, files, command, written):
    output = run(venv / "bin" / "python", "-m", "msrcnn_mm", *command.split(), cwd=files)
    assert "Traceback" not in output
    assert (files / written).stat().st_size > 0


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        ("train config.py", "msrcnn_mm[mmdet]"),
        ("check config.py", "msrcnn_mm[mmdet]"),
        ("demo-data data", "pip install opencv-python"),
        ("predict images model.onnx", "msrcnn_mm[onnx]"),
    ],
)
def test_what_needs_more_says_so_in_one_line(venv, files, command, remedy):
    words = [venv / "bin" / "python", "-m", "msrcnn_mm", *command.split()]
    result = subprocess.run(words, cwd=files, env={}, capture_output=True, text=True)
    assert result.returncode != 0
    (line,) = result.stderr.splitlines()
    assert remedy in line


def test_what_is_installed(venv, files, record_property):
    code = f"import importlib.util as u; print([n for n in {HEAVY} if u.find_spec(n)])"
    assert run(venv / "bin" / "python", "-c", code, cwd=files) == "[]\n"
    paths = [path for path in venv.rglob("*") if path.is_file() and not path.is_symlink()]
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    record_property("size of the light environment", f"{megabytes:.0f} MB")
    assert megabytes <= MAX_MB
