"""Mistakes in a config are one line; from the first step on, what is raised passes."""

from pathlib import Path

import pytest

from msrcnn_mm.config_mistakes import StartedHook, mistakes_of_config
from msrcnn_mm.errors import UserError


@pytest.mark.parametrize("convert", [int, float])
def test_a_value_of_the_wrong_type(convert: type) -> None:
    with pytest.raises(UserError, match=r"^mine\.py: .*'abc'"), mistakes_of_config("mine.py"):
        convert("abc")


def test_an_argument_that_a_class_does_not_know_is_blamed_on_its_option() -> None:
    options = ["model.x.batchsize_", "train_dataloader.batchsize"]
    error = TypeError("DataLoader.__init__() got an unexpected keyword argument 'batchsize'")
    expected = r"^mine\.py: --cfg-options train_dataloader\.batchsize: DataLoader"
    with pytest.raises(UserError, match=expected), mistakes_of_config("mine.py", options):
        raise error


def test_whatever_ends_a_run_before_its_first_step_is_one_line(tmp_path: Path) -> None:
    start = StartedHook()
    with (
        pytest.raises(UserError) as caught,
        mistakes_of_config("mine.py", (), start, str(tmp_path)),
    ):
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
        with (
            pytest.raises(ZeroDivisionError),
            mistakes_of_config("mine.py", (), start, str(tmp_path)),
        ):
            1 / 0  # noqa: B018
