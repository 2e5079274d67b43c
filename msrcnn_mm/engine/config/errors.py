"""Translation of exceptions that a mistake in a config or the data causes into one line."""

import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC, EROFS
from typing import Any

from mmengine.hooks import Hook

from msrcnn_mm.errors import UnrecognizedError, UserError

_MISTAKES = re.compile(
    r" is not in the \S+ registry|__init__\(\) (got an unexpected|missing \d+ required)|"
    r"must contain the key \"type\"|is not a callable object|should be an? .* but got|"
    r"^invalid literal for int\(\)|^could not convert string to float"
)

# What ends a training of MMDetection's YOLACT on images of several sizes, by the function that
# raises it. It leaves out the anchors beyond each image's edge: more or fewer, or others.
_OF_SEVERAL_SIZES = {
    "images_to_levels": "equal size",
    "OHEMloss_by_feat_single": "to match target batch_size",
}

# the text of an OSError (ENOENT, EIO, ENOTCONN, ESTALE), also in the message of a worker's
_LOST = re.compile(r"\[Errno (?:2|5|107|116)\] ([^:]+): '([^']+)'")

# in what torch makes of an exception of a data loader's process: its message behind its traceback
_FROM_WORKER = "in DataLoader worker process"

_UNKNOWN_ARGUMENT = re.compile(r"got an unexpected keyword argument '(\w+)'")


class StartedHook(Hook):
    """Records whether a run has completed its first step; a mistake in a config shows before.

    Attributes:
        started: Whether it has.
    """

    def __init__(self) -> None:
        self.started = False

    def _after_iter(self, *args: Any, **kwargs: Any) -> None:
        """Records it; mmengine calls this after every iteration of any loop."""
        self.started = True


@contextmanager
def config_mistakes_as_user_errors(
    name: str, options: Sequence[str], start: StartedHook
) -> Iterator[None]:
    """Turns exceptions that a mistake in a config or the data causes into one line.

    Args:
        name: The config, for the message.
        options: Names of the settings that the command line overrides; a message that is about one
            of them names it.
        start: Every exception before the run's first step counts as a mistake. After it, only those
            do that can come at any time: an image that cannot be decoded, no memory, no space.

    Raises:
        UserError: In the place of such an exception; any other passes.
        UnrecognizedError: In the place of one before the first step whose cause is not known.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except UserError as error:
        if _FROM_WORKER not in str(error):
            raise
        raise UserError(str(error).strip().rpartition("UserError: ")[2]) from error
    except Exception as error:
        # str() of a KeyError is the repr of its message
        text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        last_line = (text.strip().splitlines() or [""])[-1]
        text = " ".join(text.split())
        message = _at_any_time(error, text)
        if message is None and start.started:
            raise
        message = message or _before_the_first_step(text)
        if message is None:
            failure = f"{type(error).__name__}: {last_line[:300]}"
            raise UnrecognizedError(f"{name}: cannot start: {failure}") from error
        unknown = _UNKNOWN_ARGUMENT.search(message)
        blamed = [o for o in options if unknown and o.rpartition(".")[2] == unknown[1]]
        by = f" --cfg-options {blamed[0]}:" if blamed else ""
        raise UserError(f"{name}:{by} {message}") from error


def _at_any_time(error: Exception, text: str) -> str | None:
    """Explains a failure that can end a run at any step; None for others."""
    if "failed to load image: " in text:
        image = text.rpartition("failed to load image: ")[2]
        return f"the image {image} cannot be decoded: repair it or remove it from the annotations"
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return (
            "out of memory: take a smaller batch_size or smaller images, or train with --amp "
            f"({text[:150]})"
        )
    frames = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
    if any(frame in frames and said in text for frame, said in _OF_SEVERAL_SIZES.items()):
        return (
            "the images of a batch have different sizes, on which this detector cannot train: give "
            "the Resize of train_pipeline keep_ratio=False, or have a Pad to one size follow it"
        )
    if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT, EROFS):
        return (
            f"cannot write in the work folder ({text}): make room on its disk, or make it writable;"
            " a training goes on with --resume"
        )
    if isinstance(error, FileNotFoundError) and ".dist_test" in text:
        return (
            "the machines share no folder in which to gather results: add --cfg-options"
            " val_evaluator.collect_device=gpu test_evaluator.collect_device=gpu, which has them"
            " sent"
        )
    lost = _LOST.search(text)
    if isinstance(error, OSError) and lost:
        return (
            f"{lost[2]}: {lost[1]}: bring the file or its disk back; a training goes on with "
            "--resume"
        )
    return None


def _before_the_first_step(text: str) -> str | None:
    """Explains a failure of a config that names an unknown class or setting; None for others."""
    if text == "None is not a callable object":
        return "a type in the config names no class that its registry has"
    # what mmengine's registry raises on a setting that a class lacks or does not know
    if _MISTAKES.search(text):
        return text.partition(" Please check whether")[0]
    return None
