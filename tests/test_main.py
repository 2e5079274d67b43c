"""The commands of ``python -m msrcnn_mm``, with and without MMDetection."""

import io
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import msrcnn_mm
from msrcnn_mm import __main__ as command_line
from msrcnn_mm import registration
from tests.support.processes import ROOT, run_python

TOOLS = ROOT / "tools"
LIGHT = (
    "check",
    "report",
    "correlate",
    "calibrate",
    "agree",
    "rescore",
    "prelabel",
    "labels",
    "draw",
    "demo-data",
)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_help_lists_every_command(words: list[str], capsys: pytest.CaptureFixture) -> None:
    command_line.main(words)
    shown = capsys.readouterr().out
    for name, command in command_line.COMMANDS.items():
        needs = " (needs MMDetection)" if name not in LIGHT else ""
        if name in ("predict", "app"):
            needs = " (needs MMDetection, but not for model.onnx)"
        assert f"  {name:<10} {command.about}{needs}\n" in shown


def test_the_version_is_printed(capsys: pytest.CaptureFixture) -> None:
    command_line.main(["--version"])
    assert capsys.readouterr().out == f"msrcnn_mm {msrcnn_mm.__version__}\n"


def test_a_closed_output_ends_a_command_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "msrcnn_mm", "--help"]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_output_of_another_encoding_ends_no_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "\u732b"
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    command_line.main(["demo-data", str(folder), "--train", "2", "--val", "1"])
    sys.stdout.flush()
    assert rb"\u732b" in written.getvalue() and (folder / "annotations").is_dir()


def test_every_command_is_a_module() -> None:
    for command in command_line.COMMANDS.values():
        for module in {command.module, command.onnx_module or command.module}:
            assert callable(import_module(f"msrcnn_mm.cli.{module}").main)


def test_the_help_imports_neither_torch_nor_mmdetection() -> None:
    done = run_python("-X", "importtime", "-m", "msrcnn_mm")
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "msrcnn_mm" in imported
    assert not imported & {"torch", "mmcv", "mmengine", "mmdet", "cv2", "matplotlib"}


def test_an_unknown_command_is_one_line_with_the_nearest(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        command_line.main(["repotr"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "error: no command 'repotr'; did you mean report? (see python -m msrcnn_mm --help)\n"
    )


@pytest.mark.parametrize("name", ["predict", "app"])
def test_an_exported_detector_needs_no_mmdetection(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(registration, "find_spec", lambda name: None)
    module = import_module(f"msrcnn_mm.cli.{name}_onnx")
    monkeypatch.setattr(module, "main", called.append)
    command_line.main([name, "photos/model.ONNX", "--port", "1"])
    assert called == [["photos/model.ONNX", "--port", "1"]]


@pytest.mark.parametrize("name", command_line.COMMANDS)
def test_a_missing_mmdetection_is_one_line_where_a_config_is_run(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(registration, "find_spec", lambda name: None)
    module = import_module(f"msrcnn_mm.cli.{command_line.COMMANDS[name].module}")
    monkeypatch.setattr(module, "main", called.append)
    if name in LIGHT:
        command_line.main([name, "x"])
        assert called == [["x"]]
        return
    with pytest.raises(SystemExit) as end:
        command_line.main([name, "x"])
    assert end.value.code == 2
    assert called == []
    assert capsys.readouterr().err == (
        f"error: {name} needs MMDetection: run `make install` in a checkout, or install torch, "
        'mmcv and "msrcnn_mm[mmdet]" (see docs/install.md)\n'
    )


def test_a_library_that_does_not_fit_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def refuse() -> None:
        raise ImportError("msrcnn_mm needs torch>=2.5,<3, which is not installed")

    monkeypatch.setattr(registration, "check_versions", refuse)
    with pytest.raises(SystemExit) as end:
        command_line.main(["train", "x"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "error: train: msrcnn_mm needs torch>=2.5,<3, which is not installed\n"
    )


@pytest.mark.parametrize(
    ("argv", "orig_argv", "expected"),
    [
        (["-m", "report"], ["python", "-m", "msrcnn_mm", "report"], True),
        (["-m"], ["python", "-W", "error", "-m", "msrcnn_mm"], True),
        (["-m", "x"], ["python", "-m", "pytest", "x"], False),
        (["x.py", "-m", "msrcnn_mm"], ["python", "x.py", "-m", "msrcnn_mm"], False),
        (["-c"], ["python", "-c", "import msrcnn_mm"], False),
        ([], ["python"], False),
    ],
)
def test_only_the_package_run_as_command_registers_later(
    argv: list[str], orig_argv: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig_argv)
    assert msrcnn_mm._is_run_as_command() is expected


def test_an_error_names_the_command_as_it_was_started() -> None:
    done = run_python("-m", "msrcnn_mm", "cost", "--bad")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("(see python -m msrcnn_mm cost --help)")
    assert "Traceback" not in done.stderr


def test_every_script_in_tools_is_a_command() -> None:
    scripts = [*TOOLS.glob("*.py"), *TOOLS.glob("analysis/*.py")]
    called = {path.stem: path.read_text() for path in scripts if path.stem != "install"}
    assert len(called) == len(command_line.COMMANDS)
    for name in command_line.COMMANDS:
        assert sum(f'main(["{name}", *sys.argv[1:]])' in text for text in called.values()) == 1


def test_classes_are_imported_when_they_are_asked_for() -> None:
    from msrcnn_mm import (
        FastMaskIoUHead,
        MaskIoUHead,
        MaskScoringInferencer,
        MaskScoringRoIHead,
    )

    classes = [FastMaskIoUHead, MaskIoUHead, MaskScoringInferencer, MaskScoringRoIHead]
    assert [cls.__name__ for cls in classes] == [n for n in msrcnn_mm.__all__ if n[0] != "_"]
    with pytest.raises(AttributeError, match="has no attribute 'Nobody'"):
        msrcnn_mm.Nobody  # noqa: B018
