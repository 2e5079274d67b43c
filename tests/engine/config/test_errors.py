"""Mistakes in a config are one line; from the first step on, other exceptions pass."""

import os
from contextlib import AbstractContextManager
from errno import ENOSPC, EROFS

import pytest

from msrcnn_mm.cli.arguments import one_line_errors
from msrcnn_mm.engine.config.errors import StartedHook, config_mistakes_as_user_errors
from msrcnn_mm.errors import UnrecognizedError, UserError, warn
from tests.support import tiny, tiny_yolact


def mistakes(started: bool = False) -> AbstractContextManager[None]:
    start = StartedHook()
    start.started = started
    return config_mistakes_as_user_errors("mine.py", ["train_dataloader.batchsize"], start)


@pytest.mark.parametrize("convert", [int, float])
def test_a_value_of_the_wrong_type(convert: type) -> None:
    with pytest.raises(UserError, match=r"^mine\.py: .*'abc'"), mistakes():
        convert("abc")


def test_no_memory_is_one_line_at_any_step() -> None:
    with pytest.raises(UserError, match="batch_size"), mistakes(started=True):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize("shapes", [[(288, 256), (192, 320)], [(192, 288), (288, 192)]])
def test_a_batch_of_several_sizes_is_one_line_at_any_step(
    shapes: list[tuple[int, int]],
) -> None:
    """YOLACT leaves out the anchors beyond an image's edge, another number in each image."""
    model = tiny.build(tiny_yolact.tiny_config())
    batch = tiny_yolact.ellipses(shapes, [3, 3])
    with pytest.raises(UserError, match="different sizes"), mistakes(started=True):
        tiny_yolact.losses(model, batch)


def test_an_argument_that_a_class_does_not_know_is_blamed_on_its_option() -> None:
    error = TypeError("DataLoader.__init__() got an unexpected keyword argument 'batchsize'")
    expected = r"^mine\.py: --cfg-options train_dataloader\.batchsize: DataLoader"
    with pytest.raises(UserError, match=expected), mistakes():
        raise error


def test_an_unknown_failure_before_the_first_step_is_one_line_and_its_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(UnrecognizedError) as caught, mistakes():
        raise RuntimeError("first line\n\nexpected 256 channels")
    line = "mine.py: cannot start: RuntimeError: expected 256 channels"
    assert str(caught.value) == line
    with pytest.raises(SystemExit) as end, one_line_errors():
        raise caught.value
    assert end.value.code == 2
    first, second, *rest = capsys.readouterr().err.splitlines()
    assert first == f"error: {line}"
    assert second == "Traceback (most recent call last):"
    assert rest[-1] == "expected 256 channels"


def test_from_the_first_step_on_a_defect_is_shown() -> None:
    for step in ("after_train_iter", "after_val_iter", "after_test_iter"):
        start = StartedHook()
        getattr(start, step)(None, 0)
        run = config_mistakes_as_user_errors("mine.py", (), start)
        with pytest.raises(ZeroDivisionError), run:
            1 / 0  # noqa: B018


@pytest.mark.parametrize(
    "text",
    [
        "[Errno 2] No such file or directory: '/data/1.png'",
        "Caught FileNotFoundError in DataLoader worker process 0.\nOriginal Traceback ...\n"
        "FileNotFoundError: [Errno 2] No such file or directory: '/data/1.png'",
    ],
)
def test_a_file_that_is_lost_in_a_run_is_one_line(text: str) -> None:
    start = StartedHook()
    start.started = True
    with (
        pytest.raises(UserError, match=r"c\.py: /data/1\.png: No such file or directory: bring"),
        config_mistakes_as_user_errors("c.py", (), start),
    ):
        raise FileNotFoundError(text)


@pytest.mark.parametrize("number", [ENOSPC, EROFS])
def test_a_work_folder_in_which_nothing_can_be_written_is_one_line(number: int) -> None:
    expected = r"c\.py: cannot write in the work folder \(.*scalars\.json.*: make room .*--resume$"
    start = StartedHook()
    start.started = True
    with (
        pytest.raises(UserError, match=expected),
        config_mistakes_as_user_errors("c.py", (), start),
    ):
        raise OSError(number, os.strerror(number), "vis_data/scalars.json")


def test_control_characters_of_names_in_files_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit), one_line_errors():
        raise UserError("image a\n\x1b[2Jb\ud800 in é.json")
    warn("of\r\x07")
    out = capsys.readouterr().err
    assert out == "error: image a\\n\\x1b[2Jb\\ud800 in é.json\nwarning: of\\r\\x07\n"
