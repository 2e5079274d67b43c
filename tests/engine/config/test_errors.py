"""Mistakes in a config are one line; from the first step on, what is raised passes."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from msrcnn_mm.engine.config.errors import StartedHook, mistakes_of_config
from msrcnn_mm.errors import UserError
from tests.support import tiny, tiny_yolact


def mistakes(work_dir: Path, started: bool = False) -> AbstractContextManager[None]:
    start = StartedHook()
    start.started = started
    return mistakes_of_config("mine.py", ["train_dataloader.batchsize"], start, str(work_dir))


@pytest.mark.parametrize("convert", [int, float])
def test_a_value_of_the_wrong_type(convert: type, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^mine\.py: .*'abc'"), mistakes(tmp_path):
        convert("abc")


def test_after_the_first_step_it_is_no_mistake_of_the_config(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="abc"), mistakes(tmp_path, started=True):
        int("abc")


def test_no_memory_is_one_line_at_any_step(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="batch_size"), mistakes(tmp_path, started=True):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize("shapes", [[(288, 256), (192, 320)], [(192, 288), (288, 192)]])
def test_a_batch_of_several_sizes_is_one_line_at_any_step(
    shapes: list[tuple[int, int]], tmp_path: Path
) -> None:
    """YOLACT's anchors beyond an image's edge are left out, of each image as many as there are."""
    model = tiny.build(tiny_yolact.tiny_config())
    batch = tiny_yolact.ellipses(shapes, [3, 3])
    with pytest.raises(UserError, match="different sizes"), mistakes(tmp_path, started=True):
        tiny_yolact.losses(model, batch)


def test_an_argument_that_a_class_does_not_know_is_blamed_on_its_option(tmp_path: Path) -> None:
    error = TypeError("DataLoader.__init__() got an unexpected keyword argument 'batchsize'")
    expected = r"^mine\.py: --cfg-options train_dataloader\.batchsize: DataLoader"
    with pytest.raises(UserError, match=expected), mistakes(tmp_path):
        raise error


def test_whatever_ends_a_run_before_its_first_step_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught, mistakes(tmp_path):
        raise RuntimeError("first line\n\nexpected 256 channels")
    file = tmp_path / "error.txt"
    assert str(caught.value) == (
        f"mine.py: cannot start: RuntimeError: expected 256 channels (from where: {file})"
    )
    assert "Traceback" in file.read_text()
    assert "expected 256 channels" in file.read_text()


def test_from_the_first_step_on_a_defect_is_shown(tmp_path: Path) -> None:
    for step in ("after_train_iter", "after_val_iter", "after_test_iter"):
        start = StartedHook()
        getattr(start, step)(None, 0)
        run = mistakes_of_config("mine.py", (), start, str(tmp_path))
        with pytest.raises(ZeroDivisionError), run:
            1 / 0  # noqa: B018
